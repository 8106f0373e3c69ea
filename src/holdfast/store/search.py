"""Search: titles and messages of one owner that have all the words, newest first.

Every hit costs the same however many there are: the index yields them in the order of their numbers, so a page of the
commonest word is read without looking at the rest. Ranking would have to see them all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    BigInteger,
    Connection,
    Integer,
    RowMapping,
    Select,
    Text,
    bindparam,
    column,
    exists,
    func,
    literal,
    literal_column,
    select,
    table,
    text,
)

from holdfast.domain import Conversation, OwnerId, Role, Status, TitleSource
from holdfast.store import rows, words
from holdfast.store.database import Noun, reading
from holdfast.store.schema import conversations, deleted, generations, messages, not_deleted
from holdfast.store.words import Part, Phrase

LIMIT: Final = 100_000
"""Characters of a message that are searched, from its start; the migration that made the index has the same number."""

_NEAR: Final = 2_000  # Messages that PostgreSQL looks through before it asks its index: 20 ms.
_BEYOND: Final = 10**18 - 1  # A number that no row has.


class Stage(IntEnum):
    """What is searched, in this order."""

    TITLES = 0
    MESSAGES = 1


class Place(NamedTuple):
    """Where a page begins: before the row with this number."""

    stage: Stage
    number: int


@dataclass(frozen=True, slots=True)
class Hit:
    """A title, or a message, that has the words."""

    conversation: Conversation
    message_id: str | None
    role: Role | None
    created_at: int
    snippet: tuple[Part, ...]


def _on_sqlite(index: str, gone: Select[Any]) -> Select[Any]:
    """The owner is a word of the index, lest somebody's few hits be picked out of everybody's many.

    `gone`: the numbers of what was deleted and may be in the index still.
    """
    found = table(index, column("rowid", Integer))
    return (
        select(found.c.rowid)
        .where(
            text(f"{index} MATCH :query"),
            found.c.rowid < bindparam("before", type_=Integer),
            found.c.rowid.not_in(gone),
        )
        .order_by(found.c.rowid.desc())
        .limit(bindparam("limit", type_=Integer))
    )


_before = bindparam("before", type_=BigInteger)
_limit = bindparam("limit", type_=Integer)
_has = "@@"  # What PostgreSQL calls it that a text has the words.
_wanted = func.to_tsquery(literal_column("'simple'"), bindparam("query", type_=Text))
_newest = (
    select(messages.c.number, messages.c.conversation_id, literal_column("messages.search").label("search"))
    .where(messages.c.number < _before)
    .order_by(messages.c.number.desc())
    .limit(_NEAR)
    .subquery()
)
_NEAR_MESSAGES: Final = (
    select(_newest.c.number)
    .join(conversations, conversations.c.id == _newest.c.conversation_id)
    .where(conversations.c.owner_id == bindparam("owner"), not_deleted, _newest.c.search.op(_has)(_wanted))
    .order_by(_newest.c.number.desc())
    .limit(_limit)
)
_ALL_MESSAGES: Final = (
    select(messages.c.number)
    .join(conversations, conversations.c.id == messages.c.conversation_id)
    .where(
        conversations.c.owner_id == bindparam("owner"),
        not_deleted,
        literal_column("messages.search").op(_has)(_wanted),
        messages.c.number < _before,
    )
    .order_by((messages.c.number + 0).desc())
    .limit(_limit)
)
_ALL_TITLES: Final = (
    select(conversations.c.number)
    .where(
        conversations.c.owner_id == bindparam("owner"),
        not_deleted,
        conversations.c.title_source != TitleSource.DEFAULT,
        func.search_words(conversations.c.title).op(_has)(_wanted),
        conversations.c.number < _before,
    )
    .order_by((conversations.c.number + 0).desc())
    .limit(_limit)
)

_gone_titles = select(conversations.c.number).where(conversations.c.id.in_(deleted))
_gone_messages = select(messages.c.number).where(messages.c.conversation_id.in_(deleted))
_FIND: Final[Mapping[tuple[str, Stage], Sequence[Select[Any]]]] = {
    ("sqlite", Stage.TITLES): [_on_sqlite("title_search", _gone_titles)],
    ("sqlite", Stage.MESSAGES): [_on_sqlite("message_search", _gone_messages)],
    ("postgresql", Stage.TITLES): [_ALL_TITLES],
    ("postgresql", Stage.MESSAGES): [_NEAR_MESSAGES, _ALL_MESSAGES],
}
"""How to find numbers: one statement, and the next where it did not find enough.

PostgreSQL's planner cannot tell a phrase that many messages have from one that none has, and would walk back through a
million for it. So the newest are looked through, which is enough for what one in a hundred has, and then the index is
asked; `number + 0` keeps the planner from walking there too.
"""

_running = exists().where(generations.c.conversation_id == conversations.c.id, generations.c.status == Status.STREAMING)
_owned = literal("", Text) + conversations.c.owner_id == bindparam("owner")  # Else SQLite reads all that the owner has.
_hit = select(conversations, _running.label("running")).where(_owned)
_SHOW: Final[Mapping[Stage, Select[Any]]] = {
    Stage.TITLES: _hit.where(conversations.c.number.in_(bindparam("numbers", expanding=True))).order_by(
        conversations.c.number.desc()
    ),
    Stage.MESSAGES: _hit.add_columns(
        messages.c.id.label("message_id"),
        messages.c.role,
        messages.c.created_at.label("said_at"),
        func.substr(messages.c.content, 1, LIMIT).label("content"),
    )
    .join(messages, messages.c.conversation_id == conversations.c.id)
    .where(messages.c.number.in_(bindparam("numbers", expanding=True)))
    .order_by(messages.c.number.desc()),
}


class Search(Noun):
    """What a person has said and was told."""

    @reading
    def list(
        self, connection: Connection, owner: OwnerId, query: str, *, limit: int, after: Place | None = None
    ) -> tuple[Sequence[Hit], Place | None]:
        """A page, titles first, and where the next one begins; None at the end. A query without words finds nothing.

        `words.phrases` tells what a query means.
        """
        wanted = words.phrases(query)
        hits: list[Hit] = []
        stage, before = after or Place(Stage.TITLES, _BEYOND)
        while wanted:
            room = limit - len(hits)
            numbers = _find(connection, owner, wanted, Place(stage, before), limit=room + 1)
            values = {"owner": owner, "numbers": numbers[:room]}
            if numbers[:room]:
                hits += [_hit_of(row, stage, wanted) for row in connection.execute(_SHOW[stage], values).mappings()]
            if len(numbers) > room:
                return hits, Place(stage, numbers[room - 1] if room else before)
            if stage is Stage.MESSAGES:
                break
            stage, before = Stage.MESSAGES, _BEYOND
        return hits, None


def _find(
    connection: Connection, owner: OwnerId, wanted: Sequence[Phrase], place: Place, *, limit: int
) -> Sequence[int]:
    """The numbers of what has the words, newest first."""
    dialect = connection.dialect.name
    values: dict[str, object] = {"before": place.number, "limit": limit}
    if dialect == "sqlite":
        values["query"] = _match(owner, wanted)
    else:
        values |= {"query": _tsquery(wanted), "owner": owner}
    found: Sequence[int] = ()
    for statement in _FIND[dialect, place.stage]:
        found = connection.execute(statement, values).scalars().all()
        if len(found) == limit:
            break
    return found


def _match(owner: OwnerId, wanted: Sequence[Phrase]) -> str:
    """In FTS5's language, where what stands in quotes is no operator; no word has a quote in it.

    https://sqlite.org/fts5.html#full_text_query_syntax
    """
    found = " AND ".join(f'"{" ".join(phrase.words)}"' + " *" * phrase.begins for phrase in wanted)
    quoted = owner.replace('"', '""')
    return f'owner : "{quoted}" AND - owner : ({found})'


def _tsquery(wanted: Sequence[Phrase]) -> str:
    """The same for PostgreSQL; https://www.postgresql.org/docs/current/datatype-textsearch.html#DATATYPE-TSQUERY."""
    return " & ".join("'" + "' <-> '".join(phrase.words) + "'" + ":*" * phrase.begins for phrase in wanted)


def _hit_of(row: RowMapping, stage: Stage, wanted: Sequence[Phrase]) -> Hit:
    conversation = rows.conversation(row)
    if stage is Stage.TITLES:
        return Hit(conversation, None, None, conversation.created_at, words.snippet(conversation.title, wanted))
    found = words.snippet(row["content"], wanted)
    return Hit(conversation, row["message_id"], Role(row["role"]), row["said_at"], found)
