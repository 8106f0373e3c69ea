"""Generations: begun in one transaction with the messages they belong to, settled in another.

Whatever a generation writes lies in `pieces` until it is settled; then the same transaction that stores the final
text and state removes them and keeps a map from every seq to its place in the text.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Integer, bindparam, delete, func, insert, select, update

from holdfast.domain import Failure, Generation, Kind, Outcome, OwnerId, Piece, Role, Status, new_id, now
from holdfast.errors import GenerationRunning, IdempotencyConflict, Interrupted, Invalid, NotFound
from holdfast.events import STARTED, pack
from holdfast.store import conversations as conversations_
from holdfast.store import messages as messages_
from holdfast.store import rows
from holdfast.store.database import Noun, raw, reading, writing
from holdfast.store.schema import generations, messages, pieces

SIBLINGS: Final = 4
"""Answers to one user message that may be written at the same time."""


@dataclass(frozen=True, slots=True)
class Key:
    """A caller's name for a request, and a digest of its body: the same name and body is the same request."""

    client_message_id: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class Ask:
    """Whom to ask: the model, the preset it came from, and the caller's key if there is one."""

    model: str
    preset_id: int | None = None
    key: Key | None = None


@dataclass(frozen=True, slots=True)
class Begun:
    """A stored generation. `replayed`: an earlier request with the same key had begun it already."""

    generation: Generation
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class AtEnd:
    """Where a message goes that names no parent: the end of the current branch."""


@dataclass(frozen=True, slots=True)
class StoredPiece:
    """A piece with its place in a generation's log."""

    seq: int
    piece: Piece


PieceRow = tuple[str, int, int, str]
"""A piece on its way into the log: generation id, seq, kind, text. Bare, for there is one for every token."""

_id = generations.c.id == bindparam("generation_id")

_GET: Final = select(generations).where(generations.c.owner_id == bindparam("owner"), _id)
_GET_TO_SETTLE: Final = select(generations).where(_id).with_for_update()
_LIST_STREAMING: Final = select(generations).where(generations.c.status == Status.STREAMING)
_FIND_BY_KEY: Final = select(generations).where(
    generations.c.owner_id == bindparam("owner"), generations.c.client_message_id == bindparam("client_message_id")
)
_COUNT_RUNNING: Final = select(func.count()).where(
    generations.c.user_message_id == bindparam("user_message_id"), generations.c.status == Status.STREAMING
)
_GET_PARENT: Final = select(messages.c.role, messages.c.status).where(
    messages.c.conversation_id == bindparam("conversation_id"), messages.c.id == bindparam("parent_id")
)
_ADD: Final = insert(generations)
_IDENTIFY: Final = update(generations).where(_id).values(upstream_id=bindparam("upstream"))
_LAST_SEQ: Final = select(func.max(pieces.c.seq)).where(pieces.c.generation_id == bindparam("generation_id"))
_LOG: Final = (
    select(pieces.c.kind, pieces.c.text)
    .where(pieces.c.generation_id == bindparam("generation_id"))
    .order_by(pieces.c.seq)
)
_LOG_AFTER: Final = (
    select(pieces.c.seq, pieces.c.kind, pieces.c.text)
    .join(generations, generations.c.id == pieces.c.generation_id)
    .where(generations.c.owner_id == bindparam("owner"), _id, pieces.c.seq > bindparam("after"))
    .order_by(pieces.c.seq)
    .limit(bindparam("limit", type_=Integer))
)
_DROP_LOG: Final = delete(pieces).where(pieces.c.generation_id == bindparam("generation_id"))
_END: Final = update(generations).where(_id)
_END_MESSAGE: Final = (
    update(messages)
    .where(messages.c.id == bindparam("message_id"))
    .values(
        content=messages.c.content + bindparam("more_content"),
        reasoning=messages.c.reasoning + bindparam("more_reasoning"),
        status=bindparam("end_status"),
    )
)
_APPEND_SQLITE: Final = (
    "INSERT INTO pieces (generation_id, seq, kind, text) "
    "SELECT id, ?2, ?3, ?4 FROM generations WHERE id = ?1 AND status = 'streaming' "
    "ON CONFLICT DO NOTHING"  # It may be run again after a commit of which nobody heard.
)
_APPEND_POSTGRESQL: Final = (
    "INSERT INTO pieces (generation_id, seq, kind, text) "
    "SELECT id, new.seq, new.kind, new.text FROM generations "
    "JOIN unnest($1::text[], $2::bigint[], $3::smallint[], $4::text[]) AS new (generation_id, seq, kind, text) "
    "ON id = new.generation_id WHERE status = 'streaming' "
    "FOR KEY SHARE OF generations "  # Who waits for a settle looks again afterwards.
    "ON CONFLICT DO NOTHING"
)


class Generations(Noun):
    """The runs that write assistant messages."""

    @reading
    def get(self, connection: Connection, owner: OwnerId, generation_id: str) -> Generation:
        """One generation; of a running one `seq` is what is stored so far. Raises `NotFound`."""
        row = connection.execute(_GET, {"owner": owner, "generation_id": generation_id}).mappings().first()
        if row is None:
            raise NotFound
        generation = rows.generation(row)
        if generation.status is not Status.STREAMING:
            return generation
        last = connection.execute(_LAST_SEQ, {"generation_id": generation_id}).scalar()
        return dataclasses.replace(generation, seq=last or STARTED)

    @reading
    def find_by_key(self, connection: Connection, owner: OwnerId, key: Key) -> Generation | None:
        """The generation that a request with this key began. Raises `IdempotencyConflict` for another body."""
        return _find_by_key(connection, owner, key)

    @writing()
    def send(
        self,
        connection: Connection,
        owner: OwnerId,
        ask: Ask,
        *,
        content: str,
        conversation_id: str | None,
        parent: str | AtEnd | None,
    ) -> Begun:
        """Store a user's message, the empty answer to it and the generation that is to write it.

        Without a conversation a new one is made. Raises `NotFound`, `Invalid` for a parent that is no answer of this
        conversation, `GenerationRunning` for one that is still being written, and `IdempotencyConflict`.
        """
        if earlier := _find_begun(connection, owner, ask):
            return earlier
        run = _new(ask, conversation_id or new_id(), new_id())
        if conversation_id is None:
            parent_id = None if isinstance(parent, AtEnd) else parent
            conversations_.add(connection, owner, run.conversation_id, end=run.message_id)
        else:
            current = conversations_.lock(connection, owner, conversation_id)
            if earlier := _find_begun(connection, owner, ask):
                return earlier  # A copy of this request was faster to the lock.
            parent_id = current if isinstance(parent, AtEnd) else parent
            conversations_.end_at(connection, conversation_id, run.message_id)
        if parent_id is not None:
            _check_parent(connection, run.conversation_id, parent_id)
        question = (run.user_message_id, parent_id, Role.USER, content)
        answer = (run.message_id, run.user_message_id, Role.ASSISTANT, "")
        messages_.add(connection, run.conversation_id, [question, answer])
        _add(connection, owner, ask, run)
        return Begun(run)

    @writing()
    def answer_again(self, connection: Connection, owner: OwnerId, ask: Ask, *, user_message_id: str) -> Begun:
        """Store one more empty answer to a user's message, and its generation.

        Raises `NotFound`, `Invalid` for a message that is not a user's, `GenerationRunning` when `SIBLINGS` answers
        are being written already, and `IdempotencyConflict`.
        """
        if earlier := _find_begun(connection, owner, ask):
            return earlier
        row = messages_.get_row(connection, owner, user_message_id)
        if row["role"] != Role.USER:
            raise Invalid("Only a user's message can be answered again; name the message above this answer.")
        run = _new(ask, row["conversation_id"], user_message_id)
        conversations_.lock(connection, owner, run.conversation_id)
        if earlier := _find_begun(connection, owner, ask):
            return earlier  # A copy of this request was faster to the lock.
        running = connection.execute(_COUNT_RUNNING, {"user_message_id": user_message_id}).scalar_one()
        if running >= SIBLINGS:
            raise GenerationRunning(f"{SIBLINGS} answers to this message are being written already. Wait or stop one.")
        messages_.add(connection, run.conversation_id, [(run.message_id, user_message_id, Role.ASSISTANT, "")])
        conversations_.end_at(connection, run.conversation_id, run.message_id)
        _add(connection, owner, ask, run)
        return Begun(run)

    @writing(durable=False)
    def identify(self, connection: Connection, generation_id: str, upstream_id: str) -> None:
        """Keep the provider's id for the call, the only handle on its cost should the stream break off."""
        connection.execute(_IDENTIFY, {"generation_id": generation_id, "upstream": upstream_id})

    @writing(durable=False)
    def append(self, connection: Connection, batch: Sequence[PieceRow]) -> None:
        """Add to the logs of running generations; what is for one that ended or was deleted is dropped.

        Past SQLAlchemy's own statements, which would take 30 µs a row.
        """
        if connection.dialect.name == "sqlite":
            raw(connection).executemany(_APPEND_SQLITE, batch)
        else:
            columns = tuple(list(column) for column in zip(*batch, strict=True))
            connection.exec_driver_sql(_APPEND_POSTGRESQL, columns)

    @reading
    def list_pieces(
        self, connection: Connection, owner: OwnerId, generation_id: str, *, after: int, limit: int
    ) -> list[StoredPiece]:
        """The log of a running generation after a cursor, at most `limit` pieces; empty where it was settled."""
        values = {"owner": owner, "generation_id": generation_id, "after": after, "limit": limit}
        found = connection.execute(_LOG_AFTER, values)
        return [StoredPiece(seq, Piece(Kind(kind), text)) for seq, kind, text in found]

    @writing()
    def settle(
        self, connection: Connection, generation_id: str, status: Status, outcome: Outcome, failure: Failure | None
    ) -> Generation:
        """End a running generation: final text, outcome and state, once. Raises `NotFound` where it was deleted."""
        return _settle(connection, generation_id, status, outcome, failure)

    @writing()
    def settle_abandoned(self, connection: Connection) -> int:
        """End as interrupted whatever an earlier process left running; how many there were."""
        error = Interrupted()
        failure = Failure(error.code, error.message, error.retryable)
        found = [rows.generation(row) for row in connection.execute(_LIST_STREAMING).mappings()]
        for generation in found:
            _settle(connection, generation.id, Status.INTERRUPTED, generation.outcome, failure)
        return len(found)


def _find_by_key(connection: Connection, owner: OwnerId, key: Key) -> Generation | None:
    values = {"owner": owner, "client_message_id": key.client_message_id}
    row = connection.execute(_FIND_BY_KEY, values).mappings().first()
    if row is None:
        return None
    if row["request_digest"] != key.digest:
        raise IdempotencyConflict
    return rows.generation(row)


def _find_begun(connection: Connection, owner: OwnerId, ask: Ask) -> Begun | None:
    """What an earlier request with the same key began."""
    earlier = ask.key and _find_by_key(connection, owner, ask.key)
    return Begun(earlier, replayed=True) if earlier else None


def _check_parent(connection: Connection, conversation_id: str, parent_id: str) -> None:
    """A message follows an answer of the same conversation that is written to its end."""
    row = connection.execute(_GET_PARENT, {"conversation_id": conversation_id, "parent_id": parent_id}).first()
    if row is None or row.role != Role.ASSISTANT:
        raise Invalid("parent_message_id is not an answer in this conversation.")
    if row.status == Status.STREAMING:
        raise GenerationRunning


def _new(ask: Ask, conversation_id: str, user_message_id: str) -> Generation:
    """A generation that is about to begin."""
    return Generation(
        id=new_id(),
        conversation_id=conversation_id,
        user_message_id=user_message_id,
        message_id=new_id(),
        status=Status.STREAMING,
        model=ask.model,
        preset_id=ask.preset_id,
        seq=STARTED,
        offset=0,
        reasoning_offset=0,
        spans=b"",
        outcome=Outcome(),
        failure=None,
        created_at=now(),
        ended_at=None,
    )


def _add(connection: Connection, owner: OwnerId, ask: Ask, run: Generation) -> None:
    values: dict[str, Any] = {
        "id": run.id,
        "owner_id": owner,
        "conversation_id": run.conversation_id,
        "user_message_id": run.user_message_id,
        "message_id": run.message_id,
        "client_message_id": ask.key and ask.key.client_message_id,
        "request_digest": ask.key and ask.key.digest,
        "status": run.status,
        "model": run.model,
        "preset_id": run.preset_id,
        "seq": run.seq,
        "offset": run.offset,
        "reasoning_offset": run.reasoning_offset,
        "spans": run.spans,
        "created_at": run.created_at,
    }
    connection.execute(_ADD, values)


def _settle(
    connection: Connection, generation_id: str, status: Status, outcome: Outcome, failure: Failure | None
) -> Generation:
    row = connection.execute(_GET_TO_SETTLE, {"generation_id": generation_id}).mappings().first()
    if row is None:
        raise NotFound
    if row["status"] != Status.STREAMING:
        return rows.generation(row)  # Settled before: there is exactly one end.
    found = connection.execute(_LOG, {"generation_id": generation_id})
    log = [Piece(Kind(kind), text) for kind, text in found]
    settled = dataclasses.replace(
        rows.generation(row),
        status=status,
        seq=STARTED + len(log) + 2,  # The metadata and the terminal event.
        spans=pack(log),
        outcome=outcome,
        failure=failure,
        ended_at=now(),
    )
    _write_end(connection, settled, log)
    connection.execute(_DROP_LOG, {"generation_id": generation_id})
    conversations_.touch(connection, settled.conversation_id)
    return settled


def _write_end(connection: Connection, settled: Generation, log: Sequence[Piece]) -> None:
    text = {kind: "".join(piece.text for piece in log if piece.kind is kind) for kind in Kind}
    message = {
        "message_id": settled.message_id,
        "more_content": text[Kind.CONTENT],
        "more_reasoning": text[Kind.REASONING],
        "end_status": settled.status,
    }
    connection.execute(_END_MESSAGE, message)
    failure = settled.failure
    generation = {
        "generation_id": settled.id,
        "status": settled.status,
        "seq": settled.seq,
        "spans": settled.spans,
        "error_code": failure and failure.code,
        "error_message": failure and failure.message,
        "error_retryable": failure and failure.retryable,
        "ended_at": settled.ended_at,
    }
    connection.execute(_END, generation | rows.outcome_columns(settled.outcome))
