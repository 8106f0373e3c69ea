"""The nouns as JSON. What a program outside relies on stands in docs/protocol.md."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel

from holdfast import domain
from holdfast.domain import dollars, timestamp
from holdfast.store.search import Hit


class Conversation(BaseModel):
    """A conversation without its messages."""

    id: str
    title: str
    title_source: domain.TitleSource
    current_message_id: str | None
    created_at: str
    updated_at: str
    running: bool
    pinned: bool


class ConversationPage(BaseModel):
    """A page of the list, latest first."""

    items: list[Conversation]
    next_cursor: str | None


class Failure(BaseModel):
    """Why a message is not complete. `retry_after` is in seconds and counts from its end."""

    code: str
    message: str
    retryable: bool
    retry_after: int | None = None


class Citation(BaseModel):
    """A page on the web that an answer cites. `title` is empty where nobody told one."""

    url: str
    title: str


class Message(BaseModel):
    """A message; of one that is still being written, the text up to `seq`."""

    id: str
    conversation_id: str
    parent_id: str | None
    role: domain.Role
    content: str
    reasoning: str
    status: domain.Status
    created_at: str
    model: str | None
    model_id_used: str | None
    preset_id: int | None
    provider: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    reasoning_tokens: int | None
    cached_tokens: int | None
    cost: str | None
    finish_reason: str | None
    upstream_id: str | None
    first_token_ms: int | None
    reasoning_ms: int | None
    duration_ms: int | None
    left_out: int | None
    citations: list[Citation]
    error: Failure | None
    rating: int | None
    rating_reasons: list[str]
    rating_comment: str | None
    generation_id: str | None
    seq: int | None
    siblings: list[str]


class Comparison(BaseModel):
    """Answers of several models to one message, until one is picked. `blind`: who is who is not told before that."""

    user_message_id: str
    blind: bool
    message_ids: list[str]
    picked_message_id: str | None
    answers: list[Message]


class Messages(BaseModel):
    """The current branch, root first, and the comparisons on it."""

    items: list[Message]
    comparisons: list[Comparison]


class Generation(BaseModel):
    """A run that writes an assistant's message."""

    id: str
    conversation_id: str
    user_message_id: str
    message_id: str
    status: domain.Status
    seq: int
    model: str | None
    model_id_used: str | None
    preset_id: int | None
    provider: str | None
    upstream_id: str | None
    finish_reason: str | None
    error: Failure | None
    created_at: str
    ended_at: str | None


class Model(BaseModel):
    """A model of the provider's list. Prices are USD per token."""

    id: str
    name: str
    context_length: int | None
    prompt_price: str | None
    completion_price: str | None
    free: bool
    modalities: list[str]
    input_modalities: list[str]
    output_modalities: list[str]


class Models(BaseModel):
    """The provider's live list."""

    items: list[Model]
    listed_at: str | None


class Preset(BaseModel):
    """A way to ask. `effective_model_id` answers instead of `model_id` where the provider does not offer that.

    `nearest_model_ids` are then those that it may be replaced by.
    """

    id: int
    name: str
    model_id: str
    effective_model_id: str
    nearest_model_ids: list[str]
    fallback_model_ids: list[str]
    system_prompt: str
    parameters: dict[str, Any]


class Presets(BaseModel):
    """The six presets, and the one that is used where none is named."""

    items: list[Preset]
    default_preset_id: int


class Session(BaseModel):
    """Who is asking, and what answers. `demo`: no key is set, so the built-in demo does."""

    kind: str
    name: str
    demo: bool
    version: str


class SnippetPart(BaseModel):
    """A part of a text that was found. `match`: it is what was looked for."""

    text: str
    match: bool


class SearchHit(BaseModel):
    """A conversation by its title, or one of its messages. The parts of the snippet make one line of plain text."""

    conversation: Conversation
    message_id: str | None
    role: domain.Role | None
    created_at: str
    snippet: list[SnippetPart]


class SearchPage(BaseModel):
    """A page of what was found."""

    items: list[SearchHit]
    next_cursor: str | None


class Totals(BaseModel):
    """What some calls took together; `cost` is that of all but `unknown` of them."""

    calls: int
    unknown: int
    prompt_tokens: int
    completion_tokens: int
    reasoning_tokens: int
    cached_tokens: int
    cost: str


class Spending(Totals):
    """What the calls of one model for one purpose took on one day."""

    day: str
    model: str
    purpose: domain.Purpose


class Usage(BaseModel):
    """What was spent, latest day first, and all of it together."""

    items: list[Spending]
    total: Totals


class Error(BaseModel):
    """What went wrong, in a sentence for people and a `code` for programs."""

    code: str
    message: str
    retryable: bool
    request_id: str


class Refusal(BaseModel):
    """The body of every answer that is an error."""

    error: Error


class Health(BaseModel):
    """The process is alive, or can serve."""

    status: str


def conversation(value: domain.Conversation) -> Conversation:
    """A conversation as JSON."""
    return Conversation(
        id=value.id,
        title=value.title,
        title_source=value.title_source,
        current_message_id=value.current_message_id,
        created_at=timestamp(value.created_at),
        updated_at=timestamp(value.updated_at),
        running=value.running,
        pinned=value.pinned,
    )


def hit(value: Hit) -> SearchHit:
    """What a search found, as JSON."""
    return SearchHit(
        conversation=conversation(value.conversation),
        message_id=value.message_id,
        role=value.role,
        created_at=timestamp(value.created_at),
        snippet=[SnippetPart(text=part.text, match=part.match) for part in value.snippet],
    )


def message(value: domain.Message) -> Message:
    """A message as JSON; what only a generation has is null for a user's."""
    run = value.generation.told if value.generation else None
    outcome = run.outcome if run else domain.Outcome()
    usage = domain.Usage() if run and run.veiled else value.usage
    return Message(
        id=value.id,
        conversation_id=value.conversation_id,
        parent_id=value.parent_id,
        role=value.role,
        content=value.content,
        reasoning=value.reasoning,
        status=value.status,
        created_at=timestamp(value.created_at),
        model=(run.model or None) if run else None,
        model_id_used=outcome.model_id_used,
        preset_id=run.preset_id if run else None,
        provider=outcome.provider,
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        cached_tokens=usage.cached_tokens,
        cost=None if usage.cost is None else dollars(usage.cost),
        finish_reason=outcome.finish_reason,
        upstream_id=outcome.upstream_id,
        first_token_ms=outcome.first_token_ms,
        reasoning_ms=outcome.reasoning_ms,
        duration_ms=outcome.duration_ms,
        left_out=outcome.left_out,
        citations=[Citation(url=each.url, title=each.title) for each in outcome.citations],
        error=_failure(value.failure),
        **rating(value),
        generation_id=run.id if run else None,
        seq=run.seq if run else None,
        siblings=list(value.siblings),
    )


def rating(value: domain.Message) -> dict[str, Any]:
    """The fields of a message that say what a person thinks of it."""
    return {
        "rating": value.rating.value if value.rating else None,
        "rating_reasons": list(value.rating.reasons) if value.rating else [],
        "rating_comment": value.rating.comment if value.rating else None,
    }


def comparison(value: domain.Comparison) -> Comparison:
    """A comparison as JSON."""
    return Comparison(
        user_message_id=value.user_message_id,
        blind=value.blind,
        message_ids=list(value.message_ids),
        picked_message_id=value.picked_message_id,
        answers=[message(answer) for answer in value.answers],
    )


def generation(value: domain.Generation) -> Generation:
    """A generation as JSON."""
    value = value.told
    return Generation(
        id=value.id,
        conversation_id=value.conversation_id,
        user_message_id=value.user_message_id,
        message_id=value.message_id,
        status=value.status,
        seq=value.seq,
        model=value.model or None,
        model_id_used=value.outcome.model_id_used,
        preset_id=value.preset_id,
        provider=value.outcome.provider,
        upstream_id=value.outcome.upstream_id,
        finish_reason=value.outcome.finish_reason,
        error=_failure(value.failure),
        created_at=timestamp(value.created_at),
        ended_at=None if value.ended_at is None else timestamp(value.ended_at),
    )


def model(value: domain.Model) -> Model:
    """A model as JSON."""
    return Model(
        id=value.id,
        name=value.name,
        context_length=value.context_length,
        prompt_price=None if value.prompt_price is None else format(value.prompt_price, "f"),
        completion_price=None if value.completion_price is None else format(value.completion_price, "f"),
        free=value.free,
        modalities=list(dict.fromkeys([*value.input_modalities, *value.output_modalities])),
        input_modalities=list(value.input_modalities),
        output_modalities=list(value.output_modalities),
    )


def preset(value: domain.Preset, effective_model_id: str, nearest_model_ids: Sequence[str]) -> Preset:
    """A preset as JSON."""
    return Preset(
        id=value.id,
        name=value.name,
        model_id=value.model_id,
        effective_model_id=effective_model_id,
        nearest_model_ids=list(nearest_model_ids),
        fallback_model_ids=list(value.fallback_model_ids),
        system_prompt=value.system_prompt,
        parameters=value.parameters,
    )


def totals(value: domain.Totals) -> Totals:
    """Totals as JSON."""
    return Totals(**asdict(value) | {"cost": dollars(value.cost)})


def spending(value: domain.Spending) -> Spending:
    """A line of what was spent, as JSON."""
    day = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=value.day)).date().isoformat()
    return Spending(day=day, model=value.model, purpose=value.purpose, **totals(value.totals).model_dump())


def _failure(value: domain.Failure | None) -> Failure | None:
    if value is None:
        return None
    return Failure(**asdict(value))
