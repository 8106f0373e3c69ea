"""What a person can do in a conversation: send, answer again, continue, rate, rename, have named, pin, stop, delete."""

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import SystemRandom
from typing import Final

import msgspec

from holdfast import context, text
from holdfast.domain import (
    Comparison,
    CompletionRequest,
    Conversation,
    Generation,
    Message,
    OwnerId,
    Preset,
    Rating,
    Role,
    Status,
    Turn,
)
from holdfast.errors import Invalid, NotFound
from holdfast.feed import ChangeKind, Feed
from holdfast.generation import Engine
from holdfast.presets import Presets
from holdfast.provider.catalogue import Catalogue
from holdfast.store import Store
from holdfast.store.generations import Ask, AtEnd, Begun, Key

_LOT: Final = SystemRandom()


@dataclass(frozen=True, slots=True)
class Choice:
    """Whom a caller wants to be answered by, and the caller's own name for the request."""

    model_id: str | None = None
    preset_id: int | None = None
    client_message_id: str | None = None


class Chat:
    """Conversations as a person acts in them. Every method takes the owner."""

    def __init__(
        self,
        store: Store,
        feed: Feed,
        engine: Engine,
        catalogue: Catalogue,
        presets: Presets,
        *,
        on_due: Callable[[], None],
        on_deleted: Callable[[], None],
    ) -> None:
        """`on_due` is called when there is a task to do, `on_deleted` when there may be rows to take away."""
        self._on_due = on_due
        self._on_deleted = on_deleted
        self._store = store
        self._feed = feed
        self._engine = engine
        self._catalogue = catalogue
        self._presets = presets

    async def send(
        self,
        owner: OwnerId,
        content: str,
        choice: Choice,
        *,
        conversation_id: str | None = None,
        parent: str | AtEnd | None = AtEnd(),  # noqa: B008 - a frozen value
        compare: Sequence[Choice] = (),
        blind: bool = False,
    ) -> Generation:
        """Accept a message and have it answered. Once this returns, both are stored.

        `compare`: have these answer too, side by side; `blind`: without telling who is who until one is picked. The
        generation is then the first of them. Raises what `text.message`, `Engine.admit` and `store.generations.send`
        raise, `UnknownModel`, and `Invalid` for one that is asked twice.
        """
        place = ["end"] if isinstance(parent, AtEnd) else [parent]
        several = [[(each.model_id, each.preset_id) for each in compare], blind] if compare else []
        key = _key(choice, "send", text.canonical(content), conversation_id, place, *several)
        if key and (earlier := await self._store.generations.find_by_key(owner, key)):
            return earlier
        content = text.message(content)
        with self._engine.admit(1 + len(compare)):
            asked = await self._ask_each(owner, [choice, *compare], key, blind=blind)
            _, ask = asked[0]
            begun = await self._store.generations.send(
                owner,
                ask,
                content=content,
                conversation_id=conversation_id,
                parent=parent,
                others=[other for _, other in asked[1:]],
                blind=blind,
            )
            opening = [Turn(Role.USER, content, Status.COMPLETE)] if conversation_id is None else None
            if opening and not begun.replayed:
                self._feed.announce(owner, ChangeKind.CONVERSATION_CREATED, begun.generation.conversation_id)
            self._run(owner, begun, asked[0][0], opening)
            for (preset, _), other in zip(asked[1:], begun.others, strict=False):
                self._run(owner, Begun(other), preset, opening)
            return begun.generation

    async def answer_again(self, owner: OwnerId, message_id: str, choice: Choice) -> Generation:
        """Have a user's message answered once more, beside the answers it has.

        Raises what `Engine.admit` and `store.generations.answer_again` raise, and `UnknownModel`.
        """
        key = _key(choice, "answer", message_id)
        if key and (earlier := await self._store.generations.find_by_key(owner, key)):
            return earlier
        with self._engine.admit():
            preset, ask = await self._ask(owner, choice, key)
            begun = await self._store.generations.answer_again(owner, ask, user_message_id=message_id)
            return self._run(owner, begun, preset)

    async def continue_answer(self, owner: OwnerId, message_id: str, choice: Choice) -> Generation:
        """Go on with an answer that ended before its end, by the model that wrote it unless another one is chosen.

        Raises what `Engine.admit` and `store.generations.continue_answer` raise, and `UnknownModel`.
        """
        key = _key(choice, "continue", message_id)
        if key and (earlier := await self._store.generations.find_by_key(owner, key)):
            return earlier
        with self._engine.admit():
            if choice.model_id is None and choice.preset_id is None:
                choice = _same_again(choice, await self._store.messages.get(owner, message_id))
            preset, ask = await self._ask(owner, choice, key)
            begun = await self._store.generations.continue_answer(owner, ask, message_id=message_id)
            return self._run(owner, begun, preset)

    async def stop(self, owner: OwnerId, generation_id: str) -> Generation:
        """Ask a running generation to end with the text so far; an ended one stays as it is. Raises `NotFound`."""
        generation = await self._store.generations.get(owner, generation_id)
        if generation.status is Status.STREAMING:
            self._engine.stop(generation_id)
        return generation

    async def begin(self, owner: OwnerId) -> Conversation:
        """An empty conversation."""
        conversation = await self._store.conversations.add(owner)
        self._feed.announce(owner, ChangeKind.CONVERSATION_CREATED, conversation.id)
        return conversation

    async def rate(self, owner: OwnerId, message_id: str, rating: Rating | None) -> Message:
        """Keep what a person thinks of an answer; None takes it back. Raises `NotFound` and `Invalid`."""
        message = await self._store.messages.rate(owner, message_id, rating)
        self._feed.announce(owner, ChangeKind.CONVERSATION_UPDATED, message.conversation_id, rated=message)
        return message

    async def change(
        self,
        owner: OwnerId,
        conversation_id: str,
        *,
        title: str | None,
        current_message_id: str | None,
        pinned: bool | None,
    ) -> Conversation:
        """Rename a conversation, choose its branch, keep it at hand. Raises `NotFound` and `Invalid`."""
        conversation = await self._store.conversations.get(owner, conversation_id)
        if current_message_id is not None:
            conversation = await self._store.conversations.choose(owner, conversation_id, current_message_id)
        if title is not None:
            conversation = await self._store.conversations.rename(owner, conversation_id, text.title(title))
        if pinned is not None:
            conversation = await self._store.conversations.pin(owner, conversation_id, pinned=pinned)
        self._feed.announce(owner, ChangeKind.CONVERSATION_UPDATED, conversation_id)
        return conversation

    async def name_again(self, owner: OwnerId, conversation_id: str) -> Conversation:
        """Have a conversation named once more; the name comes later. Raises what `store.titles.wish` raises."""
        conversation = await self._store.titles.wish(owner, conversation_id)
        self._on_due()
        return conversation

    async def delete(self, owner: OwnerId, conversation_id: str) -> None:
        """Delete a conversation for good and end what runs in it. Raises `NotFound`."""
        self._engine.delete(await self._store.conversations.delete(owner, conversation_id))
        self._on_deleted()
        self._on_due()
        self._feed.announce(owner, ChangeKind.CONVERSATION_DELETED, conversation_id)

    async def pick(self, owner: OwnerId, user_message_id: str, message_id: str) -> Comparison:
        """Go on with one of several answers. Raises what `store.comparisons.pick` raises."""
        comparison = await self._store.comparisons.pick(owner, user_message_id, message_id)
        conversation_id = comparison.answers[0].conversation_id
        self._feed.announce(owner, ChangeKind.CONVERSATION_UPDATED, conversation_id)
        return comparison

    async def _ask_each(
        self, owner: OwnerId, choices: Sequence[Choice], key: Key | None, *, blind: bool
    ) -> list[tuple[Preset | None, Ask]]:
        """Whom to ask, in the order in which they are shown; the first bears the key. Raises `Invalid`.

        For eyes that are not to know it that order is drawn by lot: everything that is numbered later follows it.
        """
        asked = [await self._ask(owner, choice, None) for choice in choices]
        if len({(ask.model, ask.preset_id) for _, ask in asked}) < len(asked):
            raise Invalid("The same model is asked twice. Name different ones to compare.")
        if blind:
            _LOT.shuffle(asked)
        preset, first = asked[0]
        return [(preset, dataclasses.replace(first, key=key)), *asked[1:]]

    async def _ask(self, owner: OwnerId, choice: Choice, key: Key | None) -> tuple[Preset | None, Ask]:
        """The preset and the model that a choice comes down to; a model that is named wins over the preset."""
        if choice.model_id is not None:
            await self._catalogue.check(choice.model_id)
            if choice.preset_id is None:
                return None, Ask(choice.model_id, None, key)
        preset = await self._presets.get(owner, choice.preset_id)
        return preset, Ask(choice.model_id or await self._presets.model_for(preset), preset.id, key)

    def _run(
        self, owner: OwnerId, begun: Begun, preset: Preset | None, opening: Sequence[Turn] | None = None
    ) -> Generation:
        """Start what was begun. `opening` is the whole history where that is known without a look into the store."""
        generation = begun.generation

        async def prepare() -> CompletionRequest:
            history = opening or await self._store.messages.list_turns(owner, generation.user_message_id)
            if not history:
                raise NotFound  # Deleted since.
            text_begun = ""
            if generation.offset:
                text_begun = (await self._store.messages.get(owner, generation.message_id)).content
            window = self._catalogue.context_length(generation.model)
            own_model = preset is not None and preset.model_id == generation.model
            return CompletionRequest(
                model=generation.model,
                prompt=context.build(history, preset.system_prompt if preset else "", window, begun=text_begun),
                conversation_id=generation.conversation_id,
                begun=text_begun,
                fallback_models=preset.fallback_model_ids if preset and own_model else (),
                parameters=preset.parameters if preset else {},
            )

        if not begun.replayed:
            self._engine.start(owner, generation, prepare)
            self._feed.announce(owner, ChangeKind.GENERATION_STARTED, generation.conversation_id, generation)
        return generation


def _same_again(choice: Choice, message: Message) -> Choice:
    """The model and preset that a message was last written by; what came from elsewhere may not say which model."""
    last = message.generation
    if last is None:
        return choice
    return dataclasses.replace(choice, model_id=last.model or None, preset_id=last.preset_id)


def _key(choice: Choice, *body: object) -> Key | None:
    """The idempotency key with a digest over everything that makes the request what it is."""
    if choice.client_message_id is None:
        return None
    digest = hashlib.sha256(msgspec.json.encode([*body, choice.model_id, choice.preset_id])).digest()
    return Key(choice.client_message_id, digest)
