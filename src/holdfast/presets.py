"""Six ways to ask, by number, and what stands in for a preset whose model the provider does not offer."""

from collections.abc import Sequence
from typing import Final

from holdfast.domain import OwnerId, Preset
from holdfast.errors import Invalid
from holdfast.provider.catalogue import Catalogue
from holdfast.store import Store

DEFAULT_ID: Final = 1
"""The preset of a message that names none."""

SHIPPED: Final = (
    Preset(1, "Everyday", "openrouter/auto", ("openrouter/free",)),
    Preset(2, "Fast", "~google/gemini-flash-latest", ("openrouter/auto",), parameters={"temperature": 0.7}),
    Preset(
        3,
        "Writing",
        "~anthropic/claude-sonnet-latest",
        ("openrouter/auto",),
        "You are a careful editor and writer. Write plainly, prefer short sentences, and keep the author's voice.",
    ),
    Preset(
        4,
        "Code",
        "~openai/gpt-latest",
        ("~anthropic/claude-sonnet-latest",),
        "You are a senior software engineer. Answer with working code first, then the reasons in a few sentences. "
        "Say what you are not sure of.",
        {"temperature": 0.2},
    ),
    Preset(
        5,
        "Thorough",
        "~anthropic/claude-opus-latest",
        ("~openai/gpt-latest",),
        "Think the question through before answering. Name your assumptions, weigh the alternatives, and end with a "
        "clear recommendation.",
    ),
    Preset(6, "Free", "openrouter/free"),
)


class Presets:
    """The six presets as an owner has them: changed ones in place of those that are shipped."""

    def __init__(self, store: Store, catalogue: Catalogue) -> None:
        self._store = store
        self._catalogue = catalogue

    async def list(self, owner: OwnerId) -> tuple[list[Preset], int]:
        """All six in order, and the number of the default."""
        changed, default_id = await self._store.presets.list(owner)
        own = {preset.id: preset for preset in changed}
        return [own.get(preset.id, preset) for preset in SHIPPED], default_id or DEFAULT_ID

    async def get(self, owner: OwnerId, preset_id: int | None) -> Preset:
        """The preset of a number, None: the default. Raises `Invalid`."""
        presets, default_id = await self.list(owner)
        return presets[checked(default_id if preset_id is None else preset_id) - 1]

    async def put(self, owner: OwnerId, preset: Preset) -> None:
        """Keep a preset under its number. Raises `Invalid` and, for a model that is not offered, `UnknownModel`."""
        checked(preset.id)
        for model_id in (preset.model_id, *preset.fallback_model_ids):
            await self._catalogue.check(model_id)
        await self._store.presets.put(owner, preset)

    async def reset(self, owner: OwnerId, preset_id: int) -> None:
        """Go back to the shipped one. Raises `Invalid`."""
        await self._store.presets.remove(owner, checked(preset_id))

    async def choose_default(self, owner: OwnerId, preset_id: int) -> None:
        """Ask this one where none is named. Raises `Invalid`."""
        await self._store.presets.choose_default(owner, checked(preset_id))

    async def model_for(self, preset: Preset) -> str:
        """The preset's model, or what stands in where the provider does not offer it.

        That is the first of its fallbacks that is offered; at a router's the model with the nearest name, for another
        kind of model would be another price; else the first one that the server lists.
        """
        models = await self._catalogue.models()
        routes = any(model.id.startswith("openrouter/") for model in models)
        if not models:
            return preset.model_id
        for model_id in (preset.model_id, *preset.fallback_model_ids):
            if self._catalogue.offers(model_id) or (routes and model_id.startswith(("openrouter/", "~"))):
                return model_id
        nearest = await self.nearest(preset) if routes else ()
        return nearest[0] if nearest else models[0].id

    async def nearest(self, preset: Preset) -> Sequence[str]:
        """Listed models that may stand in for the preset's."""
        return await self._catalogue.nearest(preset.model_id)


def checked(preset_id: int) -> int:
    """A preset's number. Raises `Invalid`."""
    if not 1 <= preset_id <= len(SHIPPED):
        raise Invalid(f"preset_id is 1 to {len(SHIPPED)}.")
    return preset_id
