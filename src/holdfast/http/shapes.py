"""The nouns as JSON. What a program outside relies on stands in docs/protocol.md."""

from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel

from holdfast import domain
from holdfast.domain import dollars


def timestamp(microseconds: int) -> str:
    """RFC 3339 in UTC."""
    moment = datetime.fromtimestamp(microseconds / 1_000_000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Conversation(BaseModel):
    """A conversation without its messages."""

    id: str
    title: str
    title_source: domain.TitleSource
    current_message_id: str | None
    created_at: str
    updated_at: str
    running: bool


class ConversationPage(BaseModel):
    """A page of the list, latest first."""

    items: list[Conversation]
    next_cursor: str | None


class Failure(BaseModel):
    """Why a message is not complete."""

    code: str
    message: str
    retryable: bool


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
    error: Failure | None
    rating: int | None
    generation_id: str | None
    seq: int | None
    siblings: list[str]


class Messages(BaseModel):
    """The current branch, root first."""

    items: list[Message]


class Generation(BaseModel):
    """A run that writes an assistant's message."""

    id: str
    conversation_id: str
    user_message_id: str
    message_id: str
    status: domain.Status
    seq: int
    model: str
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
    input_modalities: list[str]
    output_modalities: list[str]


class Models(BaseModel):
    """The provider's live list."""

    items: list[Model]


class Preset(BaseModel):
    """A way to ask. `effective_model_id` answers instead of `model_id` where the provider does not offer that."""

    id: int
    name: str
    model_id: str
    effective_model_id: str
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
    )


def message(value: domain.Message) -> Message:
    """A message as JSON; what only a generation has is null for a user's."""
    run = value.generation
    outcome = run.outcome if run else domain.Outcome()
    return Message(
        id=value.id,
        conversation_id=value.conversation_id,
        parent_id=value.parent_id,
        role=value.role,
        content=value.content,
        reasoning=value.reasoning,
        status=value.status,
        created_at=timestamp(value.created_at),
        model=run.model if run else None,
        model_id_used=outcome.model_id_used,
        preset_id=run.preset_id if run else None,
        provider=outcome.provider,
        prompt_tokens=value.usage.prompt_tokens,
        completion_tokens=value.usage.completion_tokens,
        reasoning_tokens=value.usage.reasoning_tokens,
        cached_tokens=value.usage.cached_tokens,
        cost=None if value.usage.cost is None else dollars(value.usage.cost),
        finish_reason=outcome.finish_reason,
        upstream_id=outcome.upstream_id,
        first_token_ms=outcome.first_token_ms,
        reasoning_ms=outcome.reasoning_ms,
        duration_ms=outcome.duration_ms,
        left_out=outcome.left_out,
        error=_failure(run.failure) if run else None,
        rating=None,
        generation_id=run.id if run else None,
        seq=run.seq if run else None,
        siblings=list(value.siblings),
    )


def generation(value: domain.Generation) -> Generation:
    """A generation as JSON."""
    return Generation(
        id=value.id,
        conversation_id=value.conversation_id,
        user_message_id=value.user_message_id,
        message_id=value.message_id,
        status=value.status,
        seq=value.seq,
        model=value.model,
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
        input_modalities=list(value.input_modalities),
        output_modalities=list(value.output_modalities),
    )


def preset(value: domain.Preset, effective_model_id: str) -> Preset:
    """A preset as JSON."""
    return Preset(
        id=value.id,
        name=value.name,
        model_id=value.model_id,
        effective_model_id=effective_model_id,
        fallback_model_ids=list(value.fallback_model_ids),
        system_prompt=value.system_prompt,
        parameters=value.parameters,
    )


def _failure(value: domain.Failure | None) -> Failure | None:
    if value is None:
        return None
    return Failure(code=value.code, message=value.message, retryable=value.retryable)
