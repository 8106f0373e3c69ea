"""The tables. What a row means is said in `domain`; the migrations bring a database to this shape.

`number` columns give the order in which rows came, which no clock can disturb. What search keeps beside these tables
stands in its migration alone: the database fills it by itself, and SQLAlchemy has no words for it.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    false,
    select,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_Number = BigInteger().with_variant(Integer(), "sqlite")  # SQLite counts up by itself only for INTEGER.

owners = Table(
    "owners",
    metadata,
    Column("id", Text, primary_key=True),
    Column("created_at", BigInteger, nullable=False),
    Column("default_preset_id", SmallInteger),
)

conversations = Table(
    "conversations",
    metadata,
    Column("number", _Number, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),
    Column("owner_id", Text, ForeignKey("owners.id", ondelete="CASCADE"), nullable=False),
    Column("title", Text, nullable=False),
    Column("title_source", Text, nullable=False),
    Column("title_revision", Integer, nullable=False, server_default="0"),
    Column("current_message_id", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("pinned_at", BigInteger),
    Column("origin", Text),
    Column("deleted_at", BigInteger),
    Index("ix_conversations_owner_id_updated_at", "owner_id", "updated_at", "number"),
    Index(
        "ix_conversations_pinned",
        "owner_id",
        "pinned_at",
        sqlite_where=text("pinned_at IS NOT NULL"),
        postgresql_where=text("pinned_at IS NOT NULL"),
    ),
    Index(
        "ix_conversations_deleted",
        "deleted_at",
        sqlite_where=text("deleted_at IS NOT NULL"),
        postgresql_where=text("deleted_at IS NOT NULL"),
    ),
    Index(
        "uq_conversations_owner_id_origin",
        "owner_id",
        "origin",
        unique=True,
        sqlite_where=text("origin IS NOT NULL"),
        postgresql_where=text("origin IS NOT NULL"),
    ),
)

not_deleted = conversations.c.deleted_at.is_(None)
"""A part of every lookup that leads to a conversation or into one: some rows of a deleted one may be there still."""

deleted = select(conversations.c.id).where(conversations.c.deleted_at.is_not(None))
"""The ids of those, for what leads past the conversations: hardly ever any."""

messages = Table(
    "messages",
    metadata,
    Column("number", _Number, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),
    Column("conversation_id", Text, ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False),
    Column("parent_id", Text, ForeignKey("messages.id")),
    Column("role", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("reasoning", Text, nullable=False, server_default=""),
    Column("status", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("rating", SmallInteger),
    Column("rating_reasons", Text),
    Column("rating_comment", Text),
    Index("ix_messages_conversation_id", "conversation_id", "number"),
    Index("ix_messages_parent_id", "parent_id"),
)

generations = Table(
    "generations",
    metadata,
    Column("number", _Number, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),
    Column("owner_id", Text, ForeignKey("owners.id", ondelete="CASCADE"), nullable=False),
    Column("conversation_id", Text, ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False),
    Column("user_message_id", Text, ForeignKey("messages.id", ondelete="CASCADE"), nullable=False),
    Column("message_id", Text, ForeignKey("messages.id", ondelete="CASCADE"), nullable=False),
    Column("client_message_id", Text),
    Column("request_digest", LargeBinary),
    Column("status", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("preset_id", SmallInteger),
    Column("seq", BigInteger, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("reasoning_offset", BigInteger, nullable=False),
    Column("spans", LargeBinary, nullable=False),
    Column("model_id_used", Text),
    Column("provider", Text),
    Column("upstream_id", Text),
    Column("finish_reason", Text),
    Column("prompt_tokens", BigInteger),
    Column("completion_tokens", BigInteger),
    Column("reasoning_tokens", BigInteger),
    Column("cached_tokens", BigInteger),
    Column("cost", BigInteger),
    Column("first_token_ms", BigInteger),
    Column("reasoning_ms", BigInteger),
    Column("duration_ms", BigInteger),
    Column("left_out", Integer),
    Column("citations", Text),
    Column("error_code", Text),
    Column("error_message", Text),
    Column("error_retryable", Boolean),
    Column("error_retry_after", Integer),
    Column("veiled", Boolean, nullable=False, server_default=false()),
    Column("created_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Index(
        "uq_generations_owner_id_client_message_id",
        "owner_id",
        "client_message_id",
        unique=True,
        sqlite_where=text("client_message_id IS NOT NULL"),
        postgresql_where=text("client_message_id IS NOT NULL"),
    ),
    Index("ix_generations_owner_id_created_at", "owner_id", "created_at"),
    Index("ix_generations_conversation_id", "conversation_id"),
    Index("ix_generations_message_id", "message_id"),
    Index("ix_generations_user_message_id", "user_message_id"),
    Index(
        "ix_generations_streaming",
        "conversation_id",
        sqlite_where=text("status = 'streaming'"),
        postgresql_where=text("status = 'streaming'"),
    ),
)

# Which answers belong to it: the first `count` that the message has, for all of them were made with it.
comparisons = Table(
    "comparisons",
    metadata,
    Column("user_message_id", Text, ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True),
    Column("conversation_id", Text, ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False),
    Column("count", SmallInteger, nullable=False),
    Column("blind", Boolean, nullable=False),
    Column("picked_message_id", Text),
    Index("ix_comparisons_conversation_id", "conversation_id"),
    sqlite_with_rowid=False,
)

pieces = Table(
    "pieces",
    metadata,
    Column("generation_id", Text, ForeignKey("generations.id", ondelete="CASCADE"), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", SmallInteger, nullable=False),
    Column("text", Text, nullable=False),
    sqlite_with_rowid=False,
)

# What a call took is asked for also after its conversation was deleted, so this refers to nothing. Numbers do not come
# again: whoever does a task that went with its conversation would end another one.
tasks = Table(
    "tasks",
    metadata,
    Column("number", _Number, primary_key=True, autoincrement=True),
    Column("kind", Text, nullable=False),
    Column("generation_id", Text, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("wished_revision", Integer),
    Index("uq_tasks_generation_id_kind", "generation_id", "kind", unique=True),
    Index("ix_tasks_kind_due_at", "kind", "due_at"),
    sqlite_autoincrement=True,
)

# What was spent stays spent when its conversation is deleted, so this refers to nothing but its owner.
calls = Table(
    "calls",
    metadata,
    Column("number", _Number, primary_key=True, autoincrement=True),
    Column("owner_id", Text, ForeignKey("owners.id", ondelete="CASCADE"), nullable=False),
    Column("purpose", Text, nullable=False),
    Column("conversation_id", Text, nullable=False),
    Column("generation_id", Text, nullable=False),
    Column("preset_id", SmallInteger),
    Column("model", Text, nullable=False),
    Column("model_id_used", Text),
    Column("provider", Text),
    Column("upstream_id", Text),
    Column("finish_reason", Text),
    Column("prompt_tokens", BigInteger),
    Column("completion_tokens", BigInteger),
    Column("reasoning_tokens", BigInteger),
    Column("cached_tokens", BigInteger),
    Column("cost", BigInteger),
    Column("cost_source", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index("ix_calls_owner_id_created_at", "owner_id", "created_at"),
    Index("ix_calls_generation_id", "generation_id"),
)

# The keys of requests whose conversation was deleted: sent again, such a request must not begin anew.
spent_keys = Table(
    "spent_keys",
    metadata,
    Column("owner_id", Text, ForeignKey("owners.id", ondelete="CASCADE"), primary_key=True),
    Column("client_message_id", Text, primary_key=True),
    Column("request_digest", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

presets = Table(
    "presets",
    metadata,
    Column("owner_id", Text, ForeignKey("owners.id", ondelete="CASCADE"), primary_key=True),
    Column("preset_id", SmallInteger, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("model_id", Text, nullable=False),
    Column("fallback_model_ids", Text, nullable=False),
    Column("system_prompt", Text, nullable=False),
    Column("parameters", Text, nullable=False),
    sqlite_with_rowid=False,
)
