"""Search: an index over the words of messages and titles, which the database itself keeps up with every change.

On SQLite an FTS5 table beside a view, and triggers; on PostgreSQL a generated column. No statement of ours has to
think of it. What a word is, and why, stands in docs/decisions/0012-search.md.
"""

from collections.abc import Iterator

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_LIMIT = 100_000  # Characters of a message that are searched.
_UNSPACED = "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9d"
_UNSPACED_BEYOND = ("\U00020000", "\U0003ffff")  # Kana and Han: written without spaces, so each is a word.
_PUNCTUATION = (
    "!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~'"  # Else PostgreSQL sees addresses, paths and numbers with a sign.
    "\u00a1\u00a7\u00ab\u00b6\u00b7\u00bb\u00bf\u2010\u2011\u2012\u2013\u2014\u2018\u2019\u201a\u201c\u201d\u201e\u2022\u2026"
    "\u3001\u3002\u300c\u300d\u300e\u300f\uff01\uff08\uff09\uff0c\uff1a\uff1f"
)

# Halves the text until a part is one character or has none that is a word by itself: linear, and all in SQL, so that
# the triggers work on every connection. Letter for letter `substr(text, n, 1)` would take the square of the length.
_SPACED = """
CASE WHEN {text} GLOB '*{unspaced}*' THEN (
  WITH RECURSIVE part (place, size, text) AS (
    SELECT 0, length({text}), {text}
    UNION ALL
    SELECT place + side * (size / 2), CASE side WHEN 0 THEN size / 2 ELSE size - size / 2 END,
      CASE side WHEN 0 THEN substr(text, 1, size / 2) ELSE substr(text, size / 2 + 1) END
    FROM part, (SELECT 0 AS side UNION ALL SELECT 1) WHERE size > 1 AND text GLOB '*{unspaced}*'
  )
  SELECT group_concat(text, '') FROM (
    SELECT CASE WHEN text GLOB '{unspaced}' THEN ' ' || text || ' ' ELSE text END AS text FROM part
    WHERE size = 1 OR NOT text GLOB '*{unspaced}*' ORDER BY place
  )
) ELSE {text} END
"""

# ruff: noqa: S608 - every part of these statements stands in this file

_PUT_TITLE = """INSERT INTO title_search (rowid, owner, title)
SELECT number, owner, title FROM title_search_source WHERE number = new.number"""
_DROP_TITLE = """INSERT INTO title_search (title_search, rowid, owner, title)
SELECT 'delete', number, owner, title FROM title_search_source WHERE number = old.number"""

_POSTGRESQL_WORDS = """
CREATE FUNCTION search_words(content text) RETURNS tsvector
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE COST 1000 AS $words$
SELECT to_tsvector('pg_catalog.simple', translate(
  CASE WHEN octet_length(start) = length(start) THEN start ELSE regexp_replace(
    left(normalize(regexp_replace(normalize(start, NFD), '[\\u0300-\\u036f]+', '', 'g'), NFC), {limit}),
    '([{unspaced}])', ' \\1 ', 'g') END,
  '{punctuation}', repeat(' ', {count})))
FROM (SELECT left($1, {limit}) AS start) AS searched
$words$
"""


def upgrade() -> None:
    """Add the index, with what is there already."""
    connection = op.get_bind()
    statements = _sqlite() if connection.dialect.name == "sqlite" else _postgresql()
    for statement in statements:
        connection.exec_driver_sql(statement)


def _sqlite() -> list[str]:
    unspaced = f"[{_UNSPACED}{'-'.join(_UNSPACED_BEYOND)}]"
    content = _SPACED.format(text=f"substr(messages.content, 1, {_LIMIT})", unspaced=unspaced)
    title = _SPACED.format(text="title", unspaced=unspaced)
    tokens = "columnsize = 0, prefix = '2 3', tokenize = \"unicode61 remove_diacritics 2 categories 'L* M* N* Co'\""
    return [
        f"""CREATE VIEW message_search_source AS
        SELECT messages.number AS number, conversation_id, owner_id AS owner, {content} AS content
        FROM messages JOIN conversations ON conversations.id = conversation_id WHERE messages.content <> ''""",
        f"""CREATE VIEW title_search_source AS
        SELECT number, owner_id AS owner, {title} AS title FROM conversations WHERE title_source <> 'default'""",
        f"""CREATE VIRTUAL TABLE message_search USING fts5(
        owner, content, content = 'message_search_source', content_rowid = 'number', {tokens})""",
        f"""CREATE VIRTUAL TABLE title_search USING fts5(
        owner, title, content = 'title_search_source', content_rowid = 'number', {tokens})""",
        *_triggers(),
        "INSERT INTO message_search (message_search) VALUES ('rebuild')",
        "INSERT INTO title_search (title_search) VALUES ('rebuild')",
    ]


def _triggers() -> Iterator[str]:
    """What leaves the index is read from its view before it changes, what comes in after it did.

    A conversation takes its messages out of the index before it goes: the view shows them no longer to the triggers
    that its cascade sets off.
    """
    edited, moved = "old.content IS NOT new.content", "old.owner_id IS NOT new.owner_id"
    named = f"{moved} OR old.title IS NOT new.title OR old.title_source IS NOT new.title_source"
    content, owner = "UPDATE OF content ON messages", "UPDATE OF owner_id ON conversations"
    names = "UPDATE OF title, title_source, owner_id ON conversations"
    yield _trigger("message_search_add", "AFTER INSERT ON messages", "new.content <> ''", _put_message("number"))
    yield _trigger("message_search_unset", f"BEFORE {content}", edited, _drop_message("number"))
    yield _trigger("message_search_set", f"AFTER {content}", edited, _put_message("number"))
    yield _trigger("message_search_remove", "BEFORE DELETE ON messages", "1", _drop_message("number"))
    yield _trigger("message_search_leave", f"BEFORE {owner}", moved, _drop_message("conversation_id", "id"))
    yield _trigger("message_search_join", f"AFTER {owner}", moved, _put_message("conversation_id", "id"))
    yield _trigger(
        "message_search_clear", "BEFORE DELETE ON conversations", "1", _drop_message("conversation_id", "id")
    )
    yield _trigger("title_search_add", "AFTER INSERT ON conversations", "1", _PUT_TITLE)
    yield _trigger("title_search_unset", f"BEFORE {names}", named, _DROP_TITLE)
    yield _trigger("title_search_set", f"AFTER {names}", named, _PUT_TITLE)
    yield _trigger("title_search_remove", "BEFORE DELETE ON conversations", "1", _DROP_TITLE)


def _trigger(name: str, when: str, condition: str, statement: str) -> str:
    return f"CREATE TRIGGER {name} {when} WHEN {condition} BEGIN {statement}; END"


def _put_message(column: str, of: str = "number") -> str:
    return f"""INSERT INTO message_search (rowid, owner, content)
    SELECT number, owner, content FROM message_search_source WHERE {column} = new.{of}"""


def _drop_message(column: str, of: str = "number") -> str:
    return f"""INSERT INTO message_search (message_search, rowid, owner, content)
    SELECT 'delete', number, owner, content FROM message_search_source WHERE {column} = old.{of}"""


def _postgresql() -> list[str]:
    words = _POSTGRESQL_WORDS.format(
        limit=_LIMIT,
        unspaced=_UNSPACED + "-".join(_UNSPACED_BEYOND),
        punctuation=_PUNCTUATION.replace("'", "''"),
        count=len(_PUNCTUATION),
    )
    return [
        words,
        "ALTER TABLE messages ADD COLUMN search tsvector GENERATED ALWAYS AS (search_words(content)) STORED",
        "CREATE INDEX ix_messages_search ON messages USING gin (search)",
        "CREATE INDEX ix_conversations_search ON conversations USING gin (search_words(title))",
    ]
