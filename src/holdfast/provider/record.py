"""The provider's own record of a call, `GET /generation`: what is known of it once its stream is gone.

Source: https://openrouter.ai/docs/api-reference/get-a-generation. The record appears some time after the call's end.
"""

from typing import Any

from holdfast.domain import Outcome, Usage
from holdfast.errors import UpstreamProtocol
from holdfast.provider import wire
from holdfast.text import label

_NATIVE = {
    "prompt_tokens": ("native_tokens_prompt", "tokens_prompt"),
    "completion_tokens": ("native_tokens_completion", "tokens_completion"),
}
"""A stream's usage counts native tokens, those of the model's own tokenizer; the others stand in for them."""


def read(body: bytes) -> Outcome:
    """Read a record; what makes no sense in it is as good as absent. Raises `UpstreamProtocol` for no record at all."""
    try:
        report = wire.plain(body)
    except ValueError as broken:
        raise UpstreamProtocol("The provider's record of a call is not JSON.") from broken
    data = report.get("data") if isinstance(report, dict) else None
    if not isinstance(data, dict):
        raise UpstreamProtocol("The provider's record of a call holds none.")
    return Outcome(
        model_id_used=_text(data, "model"),
        provider=_text(data, "provider_name"),
        finish_reason=_text(data, "finish_reason"),
        usage=wire.merge_usage(Usage(), _usage(data)),
    )


def _usage(data: dict[str, Any]) -> dict[str, Any]:
    """The record's figures under the names that a stream has for them."""
    usage: dict[str, Any] = {
        name: next((data[each] for each in names if data.get(each) is not None), None)
        for name, names in _NATIVE.items()
    }
    usage |= {"cost": data.get("total_cost"), "is_byok": data.get("is_byok")}
    usage["cost_details"] = {"upstream_inference_cost": data.get("upstream_inference_cost")}
    usage["completion_tokens_details"] = {"reasoning_tokens": data.get("native_tokens_reasoning")}
    usage["prompt_tokens_details"] = {"cached_tokens": data.get("native_tokens_cached")}
    return usage


def _text(data: dict[str, Any], name: str) -> str | None:
    value = data.get(name)
    return label(value) if isinstance(value, str) else None
