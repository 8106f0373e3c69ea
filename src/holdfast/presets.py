"""Six ways to ask, by number, and what stands in for a preset whose model the provider does not offer."""

from typing import Final

from holdfast.domain import Preset
from holdfast.errors import Invalid
from holdfast.provider.catalogue import Catalogue

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


def get(preset_id: int) -> Preset:
    """The preset of a number. Raises `Invalid`."""
    for preset in SHIPPED:
        if preset.id == preset_id:
            return preset
    raise Invalid(f"preset_id is 1 to {len(SHIPPED)}.")


async def model_for(preset: Preset, catalogue: Catalogue) -> str:
    """The preset's model; on a server that does not offer it, as any but OpenRouter, the first one that it lists."""
    models = await catalogue.models()
    routes = any(model.id.startswith("openrouter/") for model in models)
    is_router = preset.model_id.startswith(("openrouter/", "~"))
    if not models or catalogue.lists(preset.model_id) or (routes and is_router):
        return preset.model_id
    return models[0].id
