"""The provider's list of models, kept in memory and renewed behind the reader's back.

Nobody who sends waits for it longer than a moment, and a list that was once known outlives the provider's absence, on
the disk also this process.
"""

import asyncio
import time
from collections.abc import Callable
from difflib import get_close_matches

from holdfast.domain import Model, now
from holdfast.errors import ProviderError, UnknownModel
from holdfast.provider import Provider
from holdfast.provider.shelf import Shelf

_PATIENCE_SECONDS = 2.0
_RETRY_SECONDS = 30.0
_SUFFIXES = frozenset({"free", "nitro", "floor", "exacto", "online", "extended", "thinking"})
_MAX_ID_CHARACTERS = 256
_NEAREST = 3


class Catalogue:
    """What the provider offers. Create it inside the running loop's life and close it with the application."""

    def __init__(
        self,
        provider: Provider,
        shelf: Shelf | None = None,
        *,
        max_age: float = 600.0,
        patience: float = _PATIENCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keep lists for `max_age` seconds, wait at most `patience` seconds for the first one.

        What is on the `shelf` is the list until the provider has given another one.
        """
        self._provider = provider
        self._shelf = shelf
        self._max_age = max_age
        self._patience = patience
        self._clock = clock
        self._models: dict[str, Model] = {}
        self._due = float("-inf")  # when the list is to be renewed
        self._waited = float("-inf")  # until when a reader waits for the first list
        self._renewal: asyncio.Task[None] | None = None
        self.listed_at: int | None = None
        """When the provider gave the list, in microseconds."""
        if shelf and (kept := shelf.read()):
            self._models = {model.id: model for model in kept.models}
            self.listed_at = kept.listed_at

    async def models(self) -> list[Model]:
        """Return the list, empty while none is known; an old one is renewed in the background."""
        if self._clock() >= self._due and self._renewal is None:
            self._renewal = asyncio.create_task(self._renew(), name="renew the catalogue")
            self._waited = self._clock() + self._patience
        if self._renewal is not None and not self._models:
            await asyncio.wait({self._renewal}, timeout=max(0.0, self._waited - self._clock()))
        return list(self._models.values())

    async def knows(self, model_id: str) -> bool:
        """Whether a model may be asked for. With an empty list everything may, and the provider judges."""
        await self.models()
        if self.offers(model_id):
            return True
        well_formed = 0 < len(model_id) <= _MAX_ID_CHARACTERS and model_id.isprintable() and " " not in model_id
        return well_formed and (not self._models or _is_router(model_id))

    async def check(self, model_id: str) -> None:
        """Raises `UnknownModel` with the nearest names for a model that may not be asked for."""
        if not await self.knows(model_id) and not (await self._renewed() and await self.knows(model_id)):
            nearest = await self.nearest(model_id)
            hint = f" Did you mean {', '.join(nearest)}?" if nearest else ""
            raise UnknownModel(f"{UnknownModel.sentence}{hint}")

    async def _renewed(self) -> bool:
        """Whether a renewal was under way; it is waited for a moment, since a list from the disk may be an old one."""
        if self._renewal is None:
            return False
        await asyncio.wait({self._renewal}, timeout=max(0.0, self._waited - self._clock()))
        return True

    def offers(self, model_id: str) -> bool:
        """Whether the list has this model, or the one that it is a variant of."""
        return self.find(model_id) is not None

    def find(self, model_id: str) -> Model | None:
        """Return the entry that tells most about a model: its own, or the one it is a variant of."""
        return self._models.get(model_id) or self._models.get(_base(model_id))

    def context_length(self, model_id: str) -> int | None:
        """Return how many tokens the model takes in, where that is known."""
        model = self.find(model_id)
        return model.context_length if model else None

    async def nearest(self, model_id: str) -> list[str]:
        """Return up to three listed models that may have been meant. Apart, for it takes 0.2 s on a long list."""
        return await asyncio.to_thread(
            get_close_matches, model_id[:_MAX_ID_CHARACTERS], list(self._models), n=_NEAREST, cutoff=0.5
        )

    async def aclose(self) -> None:
        """End a renewal under way."""
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.wait({self._renewal})

    async def _renew(self) -> None:
        try:
            listed = await self._provider.list_models()
        except ProviderError:
            self._due = self._clock() + min(_RETRY_SECONDS, self._max_age)
        else:
            self._due = self._clock() + self._max_age
            if listed:
                await self._take(listed)
        finally:
            self._renewal = None

    async def _take(self, listed: list[Model]) -> None:
        self._models = {model.id: model for model in listed}
        self.listed_at = now()
        if self._shelf:
            told = self._provider.keeps_records
            await asyncio.to_thread(self._shelf.write, listed, self.listed_at, is_openrouter=told)


def _base(model_id: str) -> str:
    """Take a known suffix off: "acme/chat:nitro" is a variant of "acme/chat", "llama3:8b" is a model of its own."""
    base, _, suffix = model_id.rpartition(":")
    return base if suffix in _SUFFIXES else model_id


def _is_router(model_id: str) -> bool:
    return (
        model_id.startswith(("openrouter/", "@preset/"))
        or "@preset/" in model_id
        or (model_id.startswith("~") and "/" in model_id)
    )
