"""The nouns, as frozen values. Nothing here knows how they are stored, sent or shown.

Times are microseconds since 1970 in UTC, durations milliseconds, money whole picodollars (10^-12 USD);
sizes of text count code points unless they say bytes.
"""

import secrets
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Any, Final, NamedTuple, NewType

from holdfast.errors import Interrupted, Stalled, TooLong

OwnerId = NewType("OwnerId", str)

PERSONAL_OWNER = OwnerId("owner")
"""The one owner of personal mode."""

LEFT: Final = frozenset({Interrupted.code, Stalled.code, TooLong.code})
"""Errors with which a call ends that the provider may be working on."""

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PICO = 12
_VEILED_FAILURE = "This answer ended with an error. Pick one of the answers, and more is told."
_CITATIONS = 100  # Of one answer; whoever names more shows nothing by it.
_HIGHEST_COST = 10_000  # Dollars for one call; past it a provider is wrong, and sums still fit 64 bits.


def new_id() -> str:
    """A fresh opaque id: 48 bits of time, so that neighbours in time are neighbours on disk, and 80 of chance."""
    number = (time.time_ns() // 1_000_000 & (1 << 48) - 1) << 80 | secrets.randbits(80)
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))


def now() -> int:
    """The wall clock in microseconds. For people to read, and to list conversations by; nothing else hangs on it."""
    return time.time_ns() // 1000


def timestamp(microseconds: int) -> str:
    """RFC 3339 in UTC."""
    moment = datetime.fromtimestamp(microseconds / 1_000_000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def picodollars(amount: Decimal) -> int | None:
    """Money from a provider's exact decimal; None for what cannot be a price."""
    if not amount.is_finite() or not 0 <= amount < _HIGHEST_COST:
        return None
    return int(amount.scaleb(_PICO).to_integral_value())


def dollars(amount: int) -> str:
    """Money as an exact decimal string in USD: 4_000_000 is "0.000004"."""
    return format(Decimal(amount).scaleb(-_PICO).normalize(), "f")


class Role(StrEnum):
    """Who speaks in a message."""

    USER = "user"
    ASSISTANT = "assistant"


class Status(StrEnum):
    """Where a generation and the message that it writes stand; all but the first are final."""

    STREAMING = "streaming"
    COMPLETE = "complete"
    STOPPED = "stopped"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class TitleSource(StrEnum):
    """Who gave a conversation its title."""

    DEFAULT = "default"
    AUTO = "auto"
    USER = "user"


class Kind(IntEnum):
    """What a piece of a generation is: the answer itself or the reasoning before it."""

    CONTENT = 0
    REASONING = 1


class Purpose(StrEnum):
    """What a call to the provider was made for."""

    ANSWER = "answer"
    TITLE = "title"


class CostSource(StrEnum):
    """Where the cost of a call is known from: its stream, the provider's records afterwards, or nowhere."""

    STREAM = "stream"
    GENERATION = "generation"
    UNKNOWN = "unknown"


class TaskKind(StrEnum):
    """What may be left to do after an answer: name its conversation, find out what it and the naming cost."""

    TITLE = "title"
    RECONCILE = "reconcile"
    RECONCILE_TITLE = "reconcile_title"


class Piece(NamedTuple):
    """Text as the provider sent it, of one kind. A tuple, for there is one for every token."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class Usage:
    """What a completion took. Unknown is None, never a guess. `cost` is in picodollars."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None
    cached_tokens: int | None = None
    cost: int | None = None


@dataclass(frozen=True, slots=True)
class Citation:
    """A page on the web that an answer rests on. `title` is empty where nobody told one."""

    url: str
    title: str = ""


def cited(found: Iterable[Citation]) -> tuple[Citation, ...]:
    """Each address once, in order, with the first title that it was given; those past the limit are left out."""
    titles: dict[str, str] = {}
    for each in found:
        if each.url in titles or len(titles) < _CITATIONS:
            titles[each.url] = titles.get(each.url) or each.title
    return tuple(Citation(url, title) for url, title in titles.items())


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is known of how an answer came about, as far as it is known.

    `first_token_ms` and `duration_ms` count from the acceptance, `reasoning_ms` from the first reasoning to the answer.
    """

    model_id_used: str | None = None
    provider: str | None = None
    upstream_id: str | None = None
    finish_reason: str | None = None
    usage: Usage = field(default_factory=Usage)
    first_token_ms: int | None = None
    reasoning_ms: int | None = None
    duration_ms: int | None = None
    left_out: int | None = None
    """Messages of the history that did not fit the model's window."""
    citations: tuple[Citation, ...] = ()
    """Those of the runs before it that wrote the same answer come first."""

    @property
    def settled(self) -> bool:
        """Whether it is known what the call took."""
        return None not in (self.usage.prompt_tokens, self.usage.completion_tokens, self.usage.cost)


def completed(known: Outcome, found: Outcome) -> Outcome:
    """What is known, and where that is nothing, what was found afterwards."""

    def fill(ours: Any, theirs: Any) -> dict[str, Any]:
        values = {each.name: (getattr(ours, each.name), getattr(theirs, each.name)) for each in fields(ours)}
        return {name: theirs if ours is None else ours for name, (ours, theirs) in values.items()}

    usage = Usage(**fill(known.usage, found.usage))
    return Outcome(**fill(known, found) | {"usage": usage})


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a generation did not complete: an error's code, its sentence, and whether trying again may help.

    `retry_after` is in seconds and counts from the end.
    """

    code: str
    message: str
    retryable: bool
    retry_after: int | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    """A tree of messages with one current branch, which ends at `current_message_id`."""

    id: str
    title: str
    title_source: TitleSource
    current_message_id: str | None
    created_at: int
    updated_at: int
    running: bool
    pinned: bool


@dataclass(frozen=True, slots=True)
class Generation:
    """One run that writes one assistant message.

    `seq` is the last number of its log. `offset` and `reasoning_offset` say where in the message its text begins.
    `spans` is empty while it streams; once it is settled it maps every seq to an offset (`events.pack`).
    `veiled`: it is one of a blind comparison, and nobody has picked yet.
    """

    id: str
    conversation_id: str
    user_message_id: str
    message_id: str
    status: Status
    model: str
    preset_id: int | None
    seq: int
    offset: int
    reasoning_offset: int
    spans: bytes
    outcome: Outcome
    failure: Failure | None
    created_at: int
    ended_at: int | None
    veiled: bool = False

    @property
    def told(self) -> "Generation":
        """What people may know of it: while it is veiled nothing that would tell the model, whose name is then empty.

        Words of a failure may quote the provider, and providers mark the addresses that they cite, so both are veiled
        too. That an answer was cut is told.
        """
        if not self.veiled:
            return self
        failure = self.failure and replace(self.failure, message=_VEILED_FAILURE, retry_after=None)
        outcome = Outcome(finish_reason="length" if self.outcome.finish_reason == "length" else None)
        return replace(self, model="", preset_id=None, outcome=outcome, failure=failure)

    @property
    def wrote(self) -> bool:
        """Whether the answer is as this run left it: it added some text, came to its end, or is at it."""
        return bool(self.spans) or self.status in (Status.COMPLETE, Status.STREAMING)

    @property
    def may_cost(self) -> bool:
        """Whether its call may have taken something: the provider began to answer, or was left before it did.

        A call that was refused, or reached nobody, took nothing.
        """
        heard = self.outcome.upstream_id or self.outcome.model_id_used or self.spans
        return bool(heard) or self.failure is None or self.failure.code in LEFT


def standing(runs: Sequence[Generation]) -> Generation:
    """Of the runs of one answer, oldest first, the one as which it stands: a vain try to go on changes nothing."""
    return next((run for run in reversed(runs) if run.wrote), runs[0])


@dataclass(frozen=True, slots=True)
class Task:
    """Something that is due after a generation. `attempts` were begun before, also by processes that died in them."""

    number: int
    kind: TaskKind
    generation_id: str
    attempts: int
    created_at: int


@dataclass(frozen=True, slots=True)
class Exchange:
    """A message and its whole answer that a conversation is named after, with what decides whether it may be named.

    `opening` is the conversation's first message where that is another one. `wished_revision` is the revision of the
    title that the owner asked to have replaced, None where nobody asked.
    """

    owner_id: OwnerId
    conversation_id: str
    generation_id: str
    model: str
    opening: str
    question: str
    answer: str
    title_source: TitleSource
    title_revision: int
    wished_revision: int | None = None

    @property
    def may_be_named(self) -> bool:
        """Nobody named it yet, or the owner asked for another name and gave none since."""
        return self.title_source is TitleSource.DEFAULT or self.title_revision == self.wished_revision


@dataclass(frozen=True, slots=True)
class Call:
    """A line of the ledger: one call to a provider, for an owner and a purpose. `number`: of one that is written."""

    owner_id: OwnerId
    purpose: Purpose
    conversation_id: str
    generation_id: str
    preset_id: int | None
    model: str
    outcome: Outcome
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Rating:
    """What a person thinks of an answer: 1 or -1, with reasons as short labels, and words of their own."""

    value: int
    reasons: tuple[str, ...] = ()
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class Totals:
    """What some calls took together. `unknown` of them have no known cost; `cost`, in picodollars, is without them."""

    calls: int = 0
    unknown: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    cached_tokens: int = 0
    cost: int = 0

    def __add__(self, other: "Totals") -> "Totals":
        """Both together."""
        return Totals(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))


@dataclass(frozen=True, slots=True)
class Spending:
    """What the calls of one model for one purpose took on one day, which is counted in UTC from 1970."""

    day: int
    model: str
    purpose: Purpose
    totals: Totals


@dataclass(frozen=True, slots=True)
class Message:
    """What one side said. `generation` is the run as whose it stands and `usage` the sum over all of them.

    `failure`: why the last run failed, also where it only tried to go on and added nothing.
    """

    id: str
    conversation_id: str
    parent_id: str | None
    role: Role
    content: str
    reasoning: str
    status: Status
    created_at: int
    generation: Generation | None
    failure: Failure | None
    usage: Usage
    siblings: tuple[str, ...]
    rating: Rating | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Answers of several models to one message, side by side, until one is picked to go on with.

    `blind`: who wrote which was not told before that. `answers`: what `message_ids` name, where it was asked for.
    """

    user_message_id: str
    blind: bool
    message_ids: tuple[str, ...]
    picked_message_id: str | None
    answers: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class Turn:
    """A message as far as a model is concerned."""

    role: Role
    content: str
    status: Status


@dataclass(frozen=True, slots=True)
class Model:
    """An entry of the provider's list. Prices are USD per token as exact decimals, None where unknown."""

    id: str
    name: str
    context_length: int | None = None
    prompt_price: Decimal | None = None
    completion_price: Decimal | None = None
    input_modalities: tuple[str, ...] = ("text",)
    output_modalities: tuple[str, ...] = ("text",)
    created: int | None = None

    @property
    def free(self) -> bool:
        """Both prices are known to be nothing."""
        return self.prompt_price == 0 and self.completion_price == 0


@dataclass(frozen=True, slots=True)
class Preset:
    """A way to ask: a model with what goes along with it. `parameters` are the provider's sampling fields."""

    id: int
    name: str
    model_id: str
    fallback_model_ids: tuple[str, ...] = ()
    system_prompt: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the model is shown, as (role, text) pairs in order, and how many messages were left out to fit."""

    messages: tuple[tuple[str, str], ...]
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """One call to a provider. `conversation_id` lets it keep a conversation on the same machine.

    `begun` is the text that the answer goes on from, also the prompt's last message; empty for a new answer.
    """

    model: str
    prompt: Prompt
    conversation_id: str
    begun: str = ""
    fallback_models: tuple[str, ...] = ()
    parameters: dict[str, Any] = field(default_factory=dict)
