"""What a person can do in a conversation: send, answer again, rename, choose a branch, stop, delete."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from holdfast import context, presets, text
from holdfast.domain import CompletionRequest, Conversation, Generation, OwnerId, Preset, Role, Status, Turn
from holdfast.errors import NotFound, UnknownModel
from holdfast.generation import Engine
from holdfast.provider.catalogue import Catalogue
from holdfast.store import Store
from holdfast.store.generations import Ask, AtEnd, Begun, Key


@dataclass(frozen=True, slots=True)
class Choice:
    """Whom a caller wants to be answered by, and the caller's own name for the request."""

    model_id: str | None = None
    preset_id: int | None = None
    client_message_id: str | None = None


class Chat:
    """Conversations as a person acts in them. Every method takes the owner."""

    def __init__(self, store: Store, engine: Engine, catalogue: Catalogue) -> None:
        self._store = store
        self._engine = engine
        self._catalogue = catalogue

    async def send(
        self,
        owner: OwnerId,
        content: str,
        choice: Choice,
        *,
        conversation_id: str | None = None,
        parent: str | AtEnd | None = AtEnd(),  # noqa: B008 - a frozen value
    ) -> Generation:
        """Accept a message and have it answered. Once this returns, both are stored.

        Raises what `text.message`, `Engine.admit` and `store.generations.send` raise, and `UnknownModel`.
        """
        place = ["end"] if isinstance(parent, AtEnd) else [parent]
        key = _key(choice, "send", text.canonical(content), conversation_id, place)
        if key and (earlier := await self._store.generations.find_by_key(owner, key)):
            return earlier
        content = text.message(content)
        with self._engine.admit():
            preset, ask = await self._ask(choice, key)
            begun = await self._store.generations.send(
                owner, ask, content=content, conversation_id=conversation_id, parent=parent
            )
            opening = [Turn(Role.USER, content, Status.COMPLETE)] if conversation_id is None else None
            return self._run(owner, begun, preset, opening)

    async def answer_again(self, owner: OwnerId, message_id: str, choice: Choice) -> Generation:
        """Have a user's message answered once more, beside the answers it has.

        Raises what `Engine.admit` and `store.generations.answer_again` raise, and `UnknownModel`.
        """
        key = _key(choice, "answer", message_id)
        if key and (earlier := await self._store.generations.find_by_key(owner, key)):
            return earlier
        with self._engine.admit():
            preset, ask = await self._ask(choice, key)
            begun = await self._store.generations.answer_again(owner, ask, user_message_id=message_id)
            return self._run(owner, begun, preset)

    async def stop(self, owner: OwnerId, generation_id: str) -> Generation:
        """Ask a running generation to end with the text so far; an ended one stays as it is. Raises `NotFound`."""
        generation = await self._store.generations.get(owner, generation_id)
        if generation.status is Status.STREAMING:
            self._engine.stop(generation_id)
        return generation

    async def change(
        self, owner: OwnerId, conversation_id: str, *, title: str | None, current_message_id: str | None
    ) -> Conversation:
        """Rename a conversation, choose its branch, or both. Raises `NotFound` and `Invalid`."""
        conversation = await self._store.conversations.get(owner, conversation_id)
        if current_message_id is not None:
            conversation = await self._store.conversations.choose(owner, conversation_id, current_message_id)
        if title is not None:
            conversation = await self._store.conversations.rename(owner, conversation_id, text.title(title))
        return conversation

    async def delete(self, owner: OwnerId, conversation_id: str) -> None:
        """Delete a conversation for good and end what runs in it. Raises `NotFound`."""
        self._engine.delete(await self._store.conversations.delete(owner, conversation_id))

    async def _ask(self, choice: Choice, key: Key | None) -> tuple[Preset | None, Ask]:
        """The preset and the model that a choice comes down to; a model that is named wins over the preset."""
        preset = None
        if choice.model_id is None or choice.preset_id is not None:
            preset = presets.get(presets.DEFAULT_ID if choice.preset_id is None else choice.preset_id)
        if choice.model_id is not None:
            model = await self._known(choice.model_id)
        else:
            model = await presets.model_for(preset or presets.get(presets.DEFAULT_ID), self._catalogue)
        return preset, Ask(model, preset.id if preset else None, key)

    async def _known(self, model_id: str) -> str:
        if not await self._catalogue.knows(model_id):
            nearest = self._catalogue.nearest(model_id)
            hint = f" Did you mean {', '.join(nearest)}?" if nearest else ""
            raise UnknownModel(f"{UnknownModel.sentence}{hint}")
        return model_id

    def _run(
        self, owner: OwnerId, begun: Begun, preset: Preset | None, opening: Sequence[Turn] | None = None
    ) -> Generation:
        """Start what was begun. `opening` is the whole history where that is known without a look into the store."""
        generation = begun.generation

        async def prepare() -> CompletionRequest:
            history = opening or await self._store.messages.list_turns(owner, generation.user_message_id)
            if not history:
                raise NotFound  # Deleted since.
            window = self._catalogue.context_length(generation.model)
            own_model = preset is not None and preset.model_id == generation.model
            return CompletionRequest(
                model=generation.model,
                prompt=context.build(history, preset.system_prompt if preset else "", window),
                conversation_id=generation.conversation_id,
                fallback_models=preset.fallback_model_ids if preset and own_model else (),
                parameters=preset.parameters if preset else {},
            )

        if not begun.replayed:
            self._engine.start(generation, prepare)
        return generation


def _key(choice: Choice, *body: object) -> Key | None:
    """The idempotency key with a digest over everything that makes the request what it is."""
    if choice.client_message_id is None:
        return None
    digest = hashlib.sha256(msgspec.json.encode([*body, choice.model_id, choice.preset_id])).digest()
    return Key(choice.client_message_id, digest)
