"""What follows an answer: tasks that outlive the process, the ledger of calls, and keys that outlive a deletion."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_FROM_GENERATIONS = """
INSERT INTO calls (owner_id, purpose, conversation_id, generation_id, preset_id, model, model_id_used, provider,
    upstream_id, finish_reason, prompt_tokens, completion_tokens, reasoning_tokens, cached_tokens, cost, cost_source,
    created_at)
SELECT owner_id, 'answer', conversation_id, id, preset_id, model, model_id_used, provider,
    upstream_id, finish_reason, prompt_tokens, completion_tokens, reasoning_tokens, cached_tokens, cost,
    CASE WHEN cost IS NULL THEN 'unknown' ELSE 'stream' END, created_at
FROM generations WHERE status <> 'streaming' AND (upstream_id IS NOT NULL OR model_id_used IS NOT NULL)
ORDER BY number
"""


def upgrade() -> None:
    """Add the tables, and a line in the ledger for every call that was made before there was one."""
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "tasks",
        sa.Column("number", number, autoincrement=True, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("generation_id", sa.Text(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["generation_id"], ["generations.id"], name=op.f("fk_tasks_generation_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_tasks")),
    )
    op.create_index("uq_tasks_generation_id_kind", "tasks", ["generation_id", "kind"], unique=True)
    op.create_index("ix_tasks_due_at", "tasks", ["due_at"], unique=False)
    op.create_table(
        "calls",
        sa.Column("number", number, autoincrement=True, nullable=False),
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("generation_id", sa.Text(), nullable=False),
        sa.Column("preset_id", sa.SmallInteger()),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("model_id_used", sa.Text()),
        sa.Column("provider", sa.Text()),
        sa.Column("upstream_id", sa.Text()),
        sa.Column("finish_reason", sa.Text()),
        sa.Column("prompt_tokens", sa.BigInteger()),
        sa.Column("completion_tokens", sa.BigInteger()),
        sa.Column("reasoning_tokens", sa.BigInteger()),
        sa.Column("cached_tokens", sa.BigInteger()),
        sa.Column("cost", sa.BigInteger()),
        sa.Column("cost_source", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.id"], name=op.f("fk_calls_owner_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_calls")),
    )
    op.create_index("ix_calls_owner_id_created_at", "calls", ["owner_id", "created_at"], unique=False)
    op.create_index("ix_calls_generation_id", "calls", ["generation_id"], unique=False)
    op.create_table(
        "spent_keys",
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("client_message_id", sa.Text(), nullable=False),
        sa.Column("request_digest", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.id"], name=op.f("fk_spent_keys_owner_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("owner_id", "client_message_id", name=op.f("pk_spent_keys")),
        sqlite_with_rowid=False,
    )
    op.execute(sa.text(_FROM_GENERATIONS))
