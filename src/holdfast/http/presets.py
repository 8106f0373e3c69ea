"""The six presets: what each asks, and which one is asked where none is named."""

import math
from typing import Annotated, Any, Final

import msgspec
from fastapi import Depends, Path
from pydantic import AfterValidator, Field

from holdfast import domain, text
from holdfast.errors import Invalid
from holdfast.http import shapes
from holdfast.http.parts import Owner, Parts, Wired
from holdfast.http.requests import Body, body_of
from holdfast.presets import SHIPPED

_PARAMETERS: Final = 8 * 1024
"""Bytes of JSON."""

_DEPTH: Final = 8

PresetId = Annotated[int, Path(alias="id", ge=1, le=len(SHIPPED))]
ModelId = Annotated[str, Field(min_length=1, max_length=256)]
Parameter = Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")]


def _bounded(parameters: dict[str, Any]) -> dict[str, Any]:
    _look_into(parameters, 0)
    if len(msgspec.json.encode(parameters)) > _PARAMETERS:
        raise ValueError(f"at most {_PARAMETERS} bytes of JSON are taken")
    return parameters


def _look_into(value: Any, depth: int) -> None:
    if depth > _DEPTH:
        raise ValueError(f"at most {_DEPTH} levels of nesting are taken")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number is too large")
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for each in inner:
        _look_into(each, depth + 1)


class Preset(Body):
    """A way to ask. `parameters` are the provider's sampling fields, such as `temperature`.

    What was read can be written back: `id` is the address's own, and what the server works out is passed over.
    """

    id: int | None = None
    effective_model_id: Any = None
    nearest_model_ids: Any = None
    name: Annotated[str, Field(max_length=200)]
    model_id: ModelId
    fallback_model_ids: Annotated[list[ModelId], Field(default_factory=list, max_length=5)]
    system_prompt: Annotated[str, Field(max_length=32 * 1024)] = ""
    parameters: Annotated[dict[Parameter, Any], AfterValidator(_bounded), Field(default_factory=dict)]


class Default(Body):
    """Which preset is asked where none is named."""

    default_preset_id: Annotated[int, Field(ge=1, le=len(SHIPPED))]


async def list_presets(parts: Wired, owner: Owner) -> shapes.Presets:
    """The six presets."""
    return await _all(parts, owner)


async def put_preset(
    parts: Wired, owner: Owner, preset_id: PresetId, body: Annotated[Preset, Depends(body_of(Preset))]
) -> shapes.Preset:
    """Change a preset. A model that the provider does not offer is refused, with the nearest names."""
    if body.id not in (None, preset_id):
        raise Invalid("id: it is another one than the address names.")
    name = text.title(body.name)
    if not name:
        raise Invalid("name: a preset needs one that can be seen.")
    preset = domain.Preset(
        preset_id,
        name,
        body.model_id,
        tuple(dict.fromkeys(body.fallback_model_ids)),
        text.canonical(body.system_prompt).strip(),
        body.parameters,
    )
    await parts.presets.put(owner, preset)
    return await _one(parts, preset)


async def reset_preset(parts: Wired, owner: Owner, preset_id: PresetId) -> shapes.Preset:
    """Go back to the preset as it is shipped."""
    await parts.presets.reset(owner, preset_id)
    return await _one(parts, SHIPPED[preset_id - 1])


async def choose_default(
    parts: Wired, owner: Owner, body: Annotated[Default, Depends(body_of(Default))]
) -> shapes.Presets:
    """Choose which preset is asked where none is named."""
    await parts.presets.choose_default(owner, body.default_preset_id)
    return await _all(parts, owner)


async def _all(parts: Parts, owner: domain.OwnerId) -> shapes.Presets:
    presets, default_id = await parts.presets.list(owner)
    return shapes.Presets(items=[await _one(parts, preset) for preset in presets], default_preset_id=default_id)


async def _one(parts: Parts, preset: domain.Preset) -> shapes.Preset:
    effective = await parts.presets.model_for(preset)
    nearest = [] if effective == preset.model_id else await parts.presets.nearest(preset)
    return shapes.preset(preset, effective, nearest)
