"""The nouns, as frozen values. Nothing here knows how they are stored, sent or shown.

Times are microseconds since 1970 in UTC, durations milliseconds, money whole picodollars (10^-12 USD);
sizes of text count code points unless they say bytes.
"""

import secrets
import time
from dataclasses import dataclass, field
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Any, NamedTuple, NewType

OwnerId = NewType("OwnerId", str)

PERSONAL_OWNER = OwnerId("owner")
"""The one owner of personal mode."""

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PICO = 12
_HIGHEST_COST = 1_000_000  # Dollars for one call; past it a provider is wrong, and sums still fit 64 bits.


def new_id() -> str:
    """A fresh opaque id: 48 bits of time, so that neighbours in time are neighbours on disk, and 80 of chance."""
    number = (time.time_ns() // 1_000_000 & (1 << 48) - 1) << 80 | secrets.randbits(80)
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))


def now() -> int:
    """The wall clock in microseconds. For people to read, and to list conversations by; nothing else hangs on it."""
    return time.time_ns() // 1000


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


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a generation did not complete: an error's code, its sentence, and whether trying again may help."""

    code: str
    message: str
    retryable: bool


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


@dataclass(frozen=True, slots=True)
class Generation:
    """One run that writes one assistant message.

    `seq` is the last number of its log. `offset` and `reasoning_offset` say where in the message its text begins.
    `spans` is empty while it streams; once it is settled it maps every seq to an offset (`events.pack`).
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


@dataclass(frozen=True, slots=True)
class Message:
    """What one side said. `generation` is the last run that wrote it and `usage` the sum over all of them."""

    id: str
    conversation_id: str
    parent_id: str | None
    role: Role
    content: str
    reasoning: str
    status: Status
    created_at: int
    generation: Generation | None
    usage: Usage
    siblings: tuple[str, ...]


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
    """One call to a provider. `conversation_id` lets it keep a conversation on the same machine."""

    model: str
    prompt: Prompt
    conversation_id: str
    fallback_models: tuple[str, ...] = ()
    parameters: dict[str, Any] = field(default_factory=dict)
