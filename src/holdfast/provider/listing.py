"""A provider's list of models, read with what it has: OpenRouter tells all, many servers only ids."""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from holdfast.domain import Model
from holdfast.errors import UpstreamProtocol
from holdfast.provider import wire

_ID_CHARACTERS = 256
_NAME_CHARACTERS = 200
_MAX_NUMBER = 10**10
_MAX_PRICE = 10**6


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the models, the link to the next ones, and whether they are told of as only OpenRouter does."""

    models: list[Model]
    following: str | None
    is_openrouter: bool = False


def read(body: bytes) -> Page:
    """Read one page of `GET /models`. Raises `UpstreamProtocol` where it is no such list."""
    try:
        report = wire.plain(body)
    except ValueError as broken:
        raise UpstreamProtocol("The provider's list of models is not JSON.") from broken
    entries = _member(report, "data")
    if not isinstance(entries, list):
        raise UpstreamProtocol("The provider's list of models is not a list.")
    following = _member(_member(report, "links"), "next")
    models = [model for entry in entries if (model := _model(entry)) is not None]
    return Page(models, following if isinstance(following, str) else None, any(map(_is_openrouters, entries)))


def _is_openrouters(entry: object) -> bool:
    """Prices per token beside the modalities of what comes out: other servers tell of one, or of neither."""
    modalities = _member(_member(entry, "architecture"), "output_modalities")
    return isinstance(modalities, list) and isinstance(_member(_member(entry, "pricing"), "prompt"), str)


def _model(entry: object) -> Model | None:
    model_id, name = _member(entry, "id"), _member(entry, "name")
    if not isinstance(model_id, str) or not model_id or len(model_id) > _ID_CHARACTERS or not model_id.isprintable():
        return None
    architecture, pricing = _member(entry, "architecture"), _member(entry, "pricing")
    prompt, completion = _price(pricing, "prompt"), _price(pricing, "completion")
    if prompt == completion == 0 and _price(pricing, "request"):
        prompt = completion = None  # it costs by the call, so nothing per token is not the same as free
    created = _member(entry, "created")
    return Model(
        id=model_id,
        name=_name(name) or model_id,
        context_length=_context_length(entry),
        prompt_price=prompt,
        completion_price=completion,
        input_modalities=_modalities(architecture, "input_modalities"),
        output_modalities=_modalities(architecture, "output_modalities"),
        created=created if type(created) is int and 0 < created < _MAX_NUMBER else None,
    )


def _context_length(entry: object) -> int | None:
    """Look where OpenRouter, vLLM and llama.cpp have it."""
    places = (
        _member(entry, "context_length"),
        _member(_member(entry, "top_provider"), "context_length"),
        _member(entry, "max_model_len"),
        _member(_member(entry, "meta"), "n_ctx_train"),
    )
    return next((each for each in places if type(each) is int and 0 < each < _MAX_NUMBER), None)


def _price(pricing: object, name: str) -> Decimal | None:
    """Read USD per token; "-1" is how a router says that it depends."""
    value = _member(pricing, name)
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return None
    try:
        price = Decimal(value)
    except InvalidOperation:
        return None
    return price if price.is_finite() and 0 <= price < _MAX_PRICE else None


def _modalities(architecture: object, name: str) -> tuple[str, ...]:
    value = _member(architecture, name)
    if not isinstance(value, list):
        return ("text",)
    return tuple(each for each in value if isinstance(each, str)) or ("text",)


def _name(value: object) -> str:
    return "".join(each for each in value[:_NAME_CHARACTERS] if each.isprintable()) if isinstance(value, str) else ""


def _member(value: object, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None
