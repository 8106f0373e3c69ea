"""Generations: begun in one transaction with the messages they belong to, settled in another.

Whatever a generation writes lies in `pieces` until it is settled; then the same transaction that stores the final
text and state removes them and keeps a map from every seq to its place in the text.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Connection, Integer, RowMapping, bindparam, func, insert, select, update

from holdfast.domain import (
    Failure,
    Generation,
    Kind,
    Outcome,
    OwnerId,
    Piece,
    Role,
    Status,
    Task,
    cited,
    new_id,
    now,
    standing,
)
from holdfast.errors import GenerationRunning, IdempotencyConflict, Interrupted, Invalid, NotFound
from holdfast.events import STARTED
from holdfast.store import comparisons as comparisons_
from holdfast.store import conversations as conversations_
from holdfast.store import ending, rows
from holdfast.store import messages as messages_
from holdfast.store import tasks as tasks_
from holdfast.store.database import Noun, raw, reading, writing
from holdfast.store.schema import conversations, generations, messages, not_deleted, pieces, spent_keys

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
    """A stored generation. `replayed`: an earlier request with the same key had begun it already.

    `others`: those that were begun with it, beside it.
    """

    generation: Generation
    replayed: bool = False
    others: tuple[Generation, ...] = ()


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

_GET: Final = (
    select(generations)
    .join(conversations, conversations.c.id == generations.c.conversation_id)
    .where(generations.c.owner_id == bindparam("owner"), _id, not_deleted)
)
_GET_BY_ID: Final = select(generations).where(_id)
_LIST_STREAMING: Final = select(generations).where(generations.c.status == Status.STREAMING)
_LIST_RUNNING: Final = _LIST_STREAMING.where(generations.c.owner_id == bindparam("owner")).order_by(
    generations.c.number
)
_FIND_BY_KEY: Final = (
    select(generations, conversations.c.deleted_at)
    .join(conversations, conversations.c.id == generations.c.conversation_id)
    .where(
        generations.c.owner_id == bindparam("owner"), generations.c.client_message_id == bindparam("client_message_id")
    )
)
_FIND_SPENT: Final = select(spent_keys.c.request_digest).where(
    spent_keys.c.owner_id == bindparam("owner"), spent_keys.c.client_message_id == bindparam("client_message_id")
)
_OF_MESSAGE: Final = (
    select(generations).where(generations.c.message_id == bindparam("message_id")).order_by(generations.c.number)
)
_VEILED: Final = select(generations.c.id).where(
    generations.c.message_id == bindparam("message_id"), generations.c.veiled
)
_COUNT_RUNNING: Final = select(func.count()).where(
    generations.c.user_message_id == bindparam("user_message_id"), generations.c.status == Status.STREAMING
)
_GET_PARENT: Final = select(messages.c.role, messages.c.status, messages.c.parent_id).where(
    messages.c.conversation_id == bindparam("conversation_id"), messages.c.id == bindparam("parent_id")
)
_ADD: Final = insert(generations)
_IDENTIFY: Final = update(generations).where(_id).values(upstream_id=bindparam("upstream"))
_LAST_SEQ: Final = select(func.max(pieces.c.seq)).where(pieces.c.generation_id == bindparam("generation_id"))
_LOG_AFTER: Final = (
    select(pieces.c.seq, pieces.c.kind, pieces.c.text)
    .join(generations, generations.c.id == pieces.c.generation_id)
    .where(generations.c.owner_id == bindparam("owner"), _id, pieces.c.seq > bindparam("after"))
    .order_by(pieces.c.seq)
    .limit(bindparam("limit", type_=Integer))
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
        return replace(generation, seq=last or STARTED)

    @reading
    def list_running(self, connection: Connection, owner: OwnerId) -> Sequence[Generation]:
        """What is being written for an owner, longest first."""
        return [rows.generation(row) for row in connection.execute(_LIST_RUNNING, {"owner": owner}).mappings()]

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
        others: Sequence[Ask] = (),
        blind: bool = False,
    ) -> Begun:
        """Store a user's message, the empty answer to it and the generation that is to write it.

        `others`: ask these too; the answers are to be compared, where `blind` without knowing whose they are.
        Without a conversation a new one is made. Raises `NotFound`, `Invalid` for a parent that is no answer of this
        conversation, `GenerationRunning` for one that is still being written, `ComparisonOpen` for one of several of
        which none is picked, and `IdempotencyConflict`.
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
        asks = (ask, *others)
        more = [_new(other, run.conversation_id, run.user_message_id) for other in others]
        runs = [replace(each, veiled=blind) for each in (run, *more)]
        answers = [(each.message_id, each.user_message_id, Role.ASSISTANT, "") for each in runs]
        messages_.add(connection, run.conversation_id, [question, *answers])
        if others:
            comparisons_.add(connection, run.conversation_id, run.user_message_id, count=len(runs), blind=blind)
        for each, asked in zip(runs, asks, strict=True):
            _add(connection, owner, asked, each)
        return Begun(runs[0], others=tuple(runs[1:]))

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
        _check_siblings(connection, user_message_id)
        messages_.add(connection, run.conversation_id, [(run.message_id, user_message_id, Role.ASSISTANT, "")])
        conversations_.end_at(connection, run.conversation_id, run.message_id)
        _add(connection, owner, ask, run)
        return Begun(run)

    @writing()
    def continue_answer(self, connection: Connection, owner: OwnerId, ask: Ask, *, message_id: str) -> Begun:
        """Store a generation that goes on with an answer where its text stops.

        Raises `NotFound`, `Invalid` for what is no answer or has come to its end, `GenerationRunning` for one that is
        being written or has `SIBLINGS` running beside it, and `IdempotencyConflict`.
        """
        if earlier := _find_begun(connection, owner, ask):
            return earlier
        conversation_id = messages_.get_row(connection, owner, message_id)["conversation_id"]
        conversations_.lock(connection, owner, conversation_id)
        if earlier := _find_begun(connection, owner, ask):
            return earlier  # A copy of this request was faster to the lock.
        row = messages_.get_row(connection, owner, message_id)
        runs = _runs_of_unfinished(connection, row)
        _check_siblings(connection, row["parent_id"])
        run = replace(
            _new(ask, conversation_id, row["parent_id"]),
            message_id=message_id,
            offset=len(row["content"]),
            reasoning_offset=len(row["reasoning"]),
            outcome=Outcome(citations=cited(each for run in runs for each in run.outcome.citations)),
            veiled=_is_veiled(connection, message_id),
        )
        messages_.reopen(connection, message_id)
        conversations_.touch(connection, conversation_id)
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
        self, connection: Connection, owner: OwnerId, generation_id: str, *, after: int, limit: int, size: int
    ) -> list[StoredPiece]:
        """The log of a running generation after a cursor; empty where it was settled.

        At most `limit` pieces, and no further one once they have `size` code points.
        """
        values = {"owner": owner, "generation_id": generation_id, "after": after, "limit": limit}
        log: list[StoredPiece] = []
        taken = 0
        with connection.execute(_LOG_AFTER, values) as found:
            for seq, kind, text in found:
                log.append(StoredPiece(seq, Piece(Kind(kind), text)))
                taken += len(text)
                if taken >= size:
                    break
        return log

    @writing()
    def settle(
        self, connection: Connection, generation_id: str, status: Status, outcome: Outcome, failure: Failure | None
    ) -> Generation:
        """End a running generation, once: final text, outcome, state, the ledger's line, and what is left to do.

        Raises `NotFound` where it was deleted.
        """
        return ending.settle(connection, generation_id, status, outcome, failure)

    @writing()
    def settle_abandoned(self, connection: Connection) -> int:
        """End as interrupted whatever an earlier process left running; how many there were."""
        error = Interrupted()
        failure = Failure(error.code, error.message, error.retryable)
        found = [rows.generation(row) for row in connection.execute(_LIST_STREAMING).mappings()]
        for generation in found:
            ending.settle(connection, generation.id, Status.INTERRUPTED, generation.outcome, failure)
        return len(found)

    @reading
    def get_outcome(self, connection: Connection, task: Task) -> Outcome:
        """What is known of the generation that a task is about. Raises `NotFound`."""
        row = connection.execute(_GET_BY_ID, {"generation_id": task.generation_id}).mappings().first()
        if row is None:
            raise NotFound
        return rows.generation(row).outcome

    @writing()
    def reconcile(self, connection: Connection, task: Task, found: Outcome) -> tuple[OwnerId, str]:
        """Fill in what the provider's records know beyond the stream, and end the task. Raises `NotFound`.

        Returns whose it is and the id of its conversation.
        """
        tasks_.remove(connection, task)
        return ending.fill(connection, task.generation_id, found)


def _find_by_key(connection: Connection, owner: OwnerId, key: Key) -> Generation | None:
    """Raises `NotFound` where what it began was deleted: it must not begin again."""
    values = {"owner": owner, "client_message_id": key.client_message_id}
    row = connection.execute(_FIND_BY_KEY, values).mappings().first()
    if row is None:
        spent = connection.execute(_FIND_SPENT, values).scalar()
        if spent is None:
            return None
        raise NotFound if spent == key.digest else IdempotencyConflict
    if row["request_digest"] != key.digest:
        raise IdempotencyConflict
    if row["deleted_at"] is not None:
        raise NotFound
    return rows.generation(row)


def _find_begun(connection: Connection, owner: OwnerId, ask: Ask) -> Begun | None:
    """What an earlier request with the same key began."""
    earlier = ask.key and _find_by_key(connection, owner, ask.key)
    return Begun(earlier, replayed=True) if earlier else None


def _check_parent(connection: Connection, conversation_id: str, parent_id: str) -> None:
    """A message follows an answer of the same conversation that is written to its end, and picked if it has to be."""
    row = connection.execute(_GET_PARENT, {"conversation_id": conversation_id, "parent_id": parent_id}).first()
    if row is None or row.role != Role.ASSISTANT:
        raise Invalid("parent_message_id is not an answer in this conversation.")
    if row.status == Status.STREAMING:
        raise GenerationRunning
    comparisons_.check_picked(connection, parent_id, row.parent_id)


def _is_veiled(connection: Connection, message_id: str) -> bool:
    """Whether who writes an answer is not told yet."""
    return connection.execute(_VEILED, {"message_id": message_id}).first() is not None


def _runs_of_unfinished(connection: Connection, row: RowMapping) -> Sequence[Generation]:
    """The runs of an answer that can be continued: it ended before its end, also by the limit on its length."""
    if row["role"] != Role.ASSISTANT:
        raise Invalid("Only an answer can be continued; a user's message can be answered again.")
    if row["parent_id"] is None:
        raise Invalid("This answer came from elsewhere and answers no message, so it cannot be continued.")
    if row["status"] == Status.STREAMING:
        raise GenerationRunning
    runs = [rows.generation(run) for run in connection.execute(_OF_MESSAGE, {"message_id": row["id"]}).mappings()]
    if row["status"] == Status.COMPLETE and not (runs and standing(runs).outcome.finish_reason == "length"):
        raise Invalid("This answer is complete, so there is nothing to continue. Answer the message again instead.")
    return runs


def _check_siblings(connection: Connection, user_message_id: str) -> None:
    running = connection.execute(_COUNT_RUNNING, {"user_message_id": user_message_id}).scalar_one()
    if running >= SIBLINGS:
        raise GenerationRunning(f"{SIBLINGS} answers to this message are being written already. Wait or stop one.")


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
        "veiled": run.veiled,
        "created_at": run.created_at,
    } | rows.outcome_columns(run.outcome)
    connection.execute(_ADD, values)
