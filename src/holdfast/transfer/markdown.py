"""A conversation as Markdown, to be read: the current branch, with what is known of each answer."""

from datetime import UTC, datetime
from typing import Final

from holdfast.domain import Citation, Role, Status
from holdfast.store.transfers import Whole, WholeMessage
from holdfast.text import web_host

_ENDINGS: Final = {
    Status.STREAMING: "still being written",
    Status.STOPPED: "stopped",
    Status.FAILED: "ended with an error",
    Status.INTERRUPTED: "interrupted",
}


def encode(whole: Whole) -> bytes:
    """The document. What is not on the current branch is only counted."""
    conversation = whole.conversation
    branch = _branch(whole)
    facts = [_day(conversation.created_at)]
    if aside := len(whole.messages) - len(branch):
        facts.append(f"{aside} messages on other branches are not shown")
    parts = [f"# {_escaped(conversation.title)}", f"*{' · '.join(facts)}*", *(_message(each) for each in branch)]
    return ("\n\n".join(parts) + "\n").encode()


def _branch(whole: Whole) -> list[WholeMessage]:
    by_id = {message.id: message for message in whole.messages}
    found: list[WholeMessage] = []
    at = whole.conversation.current_message_id
    while at is not None and (message := by_id.pop(at, None)):
        found.append(message)
        at = message.parent_id
    return found[::-1]


def _message(message: WholeMessage) -> str:
    parts = [f"## {_speaker(message)}"]
    if message.reasoning:
        parts.append(_quoted(message.reasoning))
    if message.content:
        parts.append(message.content.strip("\n"))
    if found := message.generations and message.generations[-1].told.outcome.citations:
        parts += ["### Sources", "\n".join(f"{number}. {_source(each)}" for number, each in enumerate(found, 1))]
    if ending := _ENDINGS.get(message.status):
        parts.append(f"*({ending})*")
    return "\n\n".join(parts)


def _speaker(message: WholeMessage) -> str:
    if message.role is Role.USER:
        return "You"
    run = message.generations[-1].told if message.generations else None
    return _escaped((run and (run.outcome.model_id_used or run.model)) or "Assistant")


def _source(citation: Citation) -> str:
    """A link with the host that it leads to: a title may say anything."""
    host, link = _escaped(web_host(citation.url) or ""), citation.url.replace("&", "&amp;")
    return f"[{_escaped(citation.title)}](<{link}>) ({host})" if citation.title else f"[{host}](<{link}>)"


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.strip("\n").split("\n"))


def _escaped(text: str) -> str:
    """A line in which nothing is markup."""
    return "".join(f"\\{character}" if character in r"\`*_[]<>#&|~$" else character for character in text)


def _day(microseconds: int) -> str:
    return datetime.fromtimestamp(microseconds / 1_000_000, UTC).date().isoformat()
