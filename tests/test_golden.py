"""Golden transcripts: real streams, written here and replayed by the browser application's tests.

`UPDATE_GOLDEN=1 pytest tests/test_golden.py` writes them anew. Ids and times are replaced by fixed ones.
"""

import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from openrouter import LoopbackOpenRouter
from replies import MID_STREAM_ERRORS, Hold, Reply, Send, Step, answer, broken_off, event, refusal, url_citation
from serving import Served
from test_chat import HOSTILE

pytestmark = pytest.mark.anyio

GOLDEN = Path(__file__).parent / "golden"

MARKDOWN = [
    "# Fo",
    "rty-two\n\nBe",
    "cause **seven** times ",
    "six:\n\n```py",
    "thon\nprint(6 * 7)\n",
    "```\n\n| a | b |\n|---",
    "|---|\n| 1 | 2 |\n",
]

SOURCES = [
    url_citation("https://example.org/so", "Why it is so"),
    url_citation("javascript:alert(1)", "Run me"),
    url_citation("https://example.org/so", "The same again"),
    url_citation("http://b\u00fccher.example:8080/?q=<b>"),
    url_citation("http://b\u00fccher.example:8080/?q=%3Cb%3E"),
]

COMPARED: dict[str, dict[str, Any]] = {"blind": {"compare": [{"model_id": "acme/thinker"}], "blind": True}}
"""Transcripts of the first of several answers, and what is sent along for them."""

TRANSCRIPTS: dict[str, Reply] = {
    "answer": answer("Hel", "lo", ", ", "world", "."),
    "markdown": answer(*MARKDOWN),
    "reasoning": answer("42", ".", reasoning=["Let me ", "think. "], model="acme/chat-1-0924"),
    "hostile": answer(*HOSTILE),
    "cut": broken_off("Once ", "upon ", by=[Send(event(MID_STREAM_ERRORS["an error inside the choice"]))]),
    "refused": refusal(402),
    "empty": answer(),
    "sources": answer("It ", "is so.", citations=[SOURCES]),
    "blind": answer("One ", "of ", "two."),
}


def _stable(text: str) -> str:
    """The same text for every run: ids and times in the order in which they appear."""
    ids: dict[str, str] = {}
    text = re.sub(r"\b[0-9a-hjkmnp-tv-z]{26}\b", lambda found: ids.setdefault(found[0], f"id{len(ids) + 1:024d}"), text)
    text = re.sub(r'"gen-[A-Za-z0-9-]+"', '"gen-1790000000-AbC"', text)
    text = re.sub(r'"(first_token_ms|reasoning_ms|duration_ms)":[0-9]+', r'"\1":7', text)
    return re.sub(r'"[0-9-]{10}T[0-9:.]+Z"', '"2026-11-21T12:00:00.000Z"', text)


def _step_by_step(reply: Reply) -> tuple[Reply, list[tuple[Hold, bool]]]:
    """A reply that waits before each step, so that no two of them arrive together, and whether a frame follows it."""
    holds: list[tuple[Hold, bool]] = []
    steps: list[Step] = []
    for step in reply.steps:
        assert isinstance(step, Send)
        holds.append((Hold(), bool(step.text) or b'"reasoning":' in step.data))
        steps += [holds[-1][0], step]
    return replace(reply, steps=steps), holds


@pytest.mark.parametrize("name", TRANSCRIPTS)
async def test_a_stream_is_what_the_browser_application_is_tested_with(
    served: Served, upstream: LoopbackOpenRouter, name: str
) -> None:
    reply, holds = _step_by_step(TRANSCRIPTS[name])
    upstream.script(*[reply] * (2 if name in COMPARED else 1))
    async with served.sending("Go.", model_id="acme/chat-1", **COMPARED.get(name, {})) as stream:
        started = (await stream.until("started")).event
        for hold, shows in holds:
            hold.release()
            if shows:
                await anext(stream)
        async for _ in stream:
            pass
    message: Any = (await served.messages(started["conversation_id"]))[1]
    frames = re.sub(r"(?m)^:[^\n]*\n\n", "", stream.raw.decode())  # Comments come by the clock.
    both = _stable(frames + "\0" + json.dumps(message, ensure_ascii=False, separators=(",", ":")))
    transcript, _, stored = both.partition("\0")
    written = {f"{name}.sse": transcript, f"{name}.json": stored + "\n"}
    for file, text in written.items():
        if os.environ.get("UPDATE_GOLDEN"):
            (GOLDEN / file).write_text(text, "utf-8", newline="")
        assert (GOLDEN / file).read_bytes().decode() == text, f"{file} differs; look, then UPDATE_GOLDEN=1"
