"""Answers of several models to one message, side by side."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table and the mark; nothing was compared yet."""
    op.create_table(
        "comparisons",
        sa.Column("user_message_id", sa.Text(), nullable=False),
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("count", sa.SmallInteger(), nullable=False),
        sa.Column("blind", sa.Boolean(), nullable=False),
        sa.Column("picked_message_id", sa.Text()),
        sa.ForeignKeyConstraint(
            ["user_message_id"], ["messages.id"], name=op.f("fk_comparisons_user_message_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversations.id"], name=op.f("fk_comparisons_conversation_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_message_id", name=op.f("pk_comparisons")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_comparisons_conversation_id", "comparisons", ["conversation_id"], unique=False)
    op.add_column("generations", sa.Column("veiled", sa.Boolean(), nullable=False, server_default=sa.false()))
