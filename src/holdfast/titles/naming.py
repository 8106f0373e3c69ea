"""Name a conversation after its first exchange, and again when its owner asks for that.

It is work of its own: no answer and no request waits for it. A title that a person gave, or took away, is replaced
only where that person asked for it since.
"""

import asyncio
from dataclasses import replace
from typing import Final

import structlog

from holdfast.domain import Call, CompletionRequest, Exchange, Kind, Prompt, Purpose, Task, TitleSource
from holdfast.errors import NotFound, ProviderError
from holdfast.feed import ChangeKind, Feed
from holdfast.presets import Presets
from holdfast.provider import Completion, Provider
from holdfast.provider.catalogue import Catalogue
from holdfast.store import Store
from holdfast.titles.cleaning import WORDS, clean, first_words

_SHOWN: Final = 250
"""Characters of the question, and of the answer, that the title model is shown."""

_PATIENCE: Final = 60.0
"""Seconds that a model may take for a title."""

_ENOUGH: Final = 2000
"""Characters after which a model is not naming but talking."""

_AT_ONCE: Final = 0.0
_ATTEMPTS: Final = 2
_TITLE_PRESET: Final = 6
_PARAMETERS: Final = {"max_tokens": 40, "temperature": 0.3, "reasoning": {"effort": "none"}}
_ASK: Final = (
    f"Name this conversation in at most {WORDS} words, in the language of its first message. "
    "Answer with the name alone: no quotes, no full stop, no explanation."
)
_log = structlog.get_logger(__name__)


class Titles:
    """Does the task of naming. `model`: the model to ask; None for preset 6's; `ask_nobody`: use the first words."""

    def __init__(
        self,
        store: Store,
        feed: Feed,
        provider: Provider,
        catalogue: Catalogue,
        presets: Presets,
        *,
        model: str | None,
        ask_nobody: bool,
    ) -> None:
        self._store = store
        self._feed = feed
        self._provider = provider
        self._catalogue = catalogue
        self._presets = presets
        self._model = model
        self._ask_nobody = ask_nobody

    async def __call__(self, task: Task) -> float | None:
        """Name the conversation once. Raises `StorageError`."""
        try:
            exchange = await self._store.titles.get_exchange(task)
        except NotFound:
            return None  # It was deleted, and the task with it.
        if not exchange.may_be_named:
            left = await self._store.titles.leave(task, exchange)
            return None if left else _AT_ONCE
        title, calls = await self._find(task, exchange)
        taken = await self._store.titles.name(task, exchange, title, calls)
        if not taken:
            _log.info("title.not_taken", generation_id=task.generation_id)
        if taken or exchange.wished_revision is not None:  # Who asked wants to know that it is over.
            self._feed.announce(exchange.owner_id, ChangeKind.CONVERSATION_UPDATED, exchange.conversation_id)
        return None

    async def _find(self, task: Task, exchange: Exchange) -> tuple[str, list[Call]]:
        """A title, empty to leave the present one, and the calls that were made for it."""
        calls: list[Call] = []
        models = await self._models(exchange)
        for model in models if task.attempts < _ATTEMPTS else ():
            title, call = await self._ask(model, exchange)
            calls += [call] if call else []
            if title:
                return title, calls
        if models and exchange.title_source is not TitleSource.DEFAULT:
            return "", calls  # A name that was good enough so far is better than the first words.
        return first_words(exchange.opening or exchange.question), calls

    async def _models(self, exchange: Exchange) -> list[str]:
        """Whom to ask: the title model, and a second one that costs nothing should that fail."""
        if self._ask_nobody:
            return []
        offered = await self._catalogue.models()
        first = self._model or await self._preset_model(exchange)
        second = [
            model.id for model in offered if model.free and model.id != first and "text" in model.output_modalities
        ]
        return [first, *second[:1]]

    async def _preset_model(self, exchange: Exchange) -> str:
        """The title preset's model or fallback; a server of one's own has neither, but whoever answered is warm."""
        preset = await self._presets.get(exchange.owner_id, _TITLE_PRESET)
        stand_in = await self._presets.model_for(preset)
        is_presets = stand_in in (preset.model_id, *preset.fallback_model_ids)
        return stand_in if is_presets or not self._catalogue.offers(exchange.model) else exchange.model

    async def _ask(self, model: str, exchange: Exchange) -> tuple[str, Call | None]:
        """One model's title, empty where it gave none, and the ledger's line for a call that was taken."""
        said = ""
        call: Call | None = None
        completion: Completion | None = None
        request = CompletionRequest(
            model=model, prompt=_prompt(exchange), conversation_id=exchange.conversation_id, parameters=_PARAMETERS
        )
        try:
            async with asyncio.timeout(_PATIENCE), self._provider.stream(request) as completion:
                call = await self._store.titles.note(_call(model, exchange, completion))
                said = await _read(completion)
        except (ProviderError, TimeoutError) as error:
            _log.info("title.not_given", model=model, error=type(error).__name__)
        return clean(said), replace(call, outcome=completion.outcome) if call and completion else None


def _call(model: str, exchange: Exchange, completion: Completion) -> Call:
    return Call(
        owner_id=exchange.owner_id,
        purpose=Purpose.TITLE,
        conversation_id=exchange.conversation_id,
        generation_id=exchange.generation_id,
        preset_id=None,
        model=model,
        outcome=completion.outcome,
    )


async def _read(completion: Completion) -> str:
    said = ""
    async for pieces in completion:
        said += "".join(piece.text for piece in pieces if piece.kind is Kind.CONTENT)
        if len(said) > _ENOUGH:
            break
    return said[:_ENOUGH]


def _prompt(exchange: Exchange) -> Prompt:
    """The exchange as one quoted message, so that the model names it rather than goes on with it."""
    opening = f"First message:\n{_shorten(exchange.opening)}\n\n" if exchange.opening else ""
    shown = f"Message:\n{_shorten(exchange.question)}\n\nAnswer:\n{_shorten(exchange.answer)}"
    return Prompt((("system", _ASK), ("user", opening + shown)))


def _shorten(message: str) -> str:
    return message if len(message) <= _SHOWN else f"{message[:_SHOWN]}…"
