"""What people say of an answer, and which conversations they keep at hand."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; nothing is rated or pinned yet."""
    op.add_column("messages", sa.Column("rating", sa.SmallInteger()))
    op.add_column("messages", sa.Column("rating_reasons", sa.Text()))
    op.add_column("messages", sa.Column("rating_comment", sa.Text()))
    op.add_column("conversations", sa.Column("pinned_at", sa.BigInteger()))
    op.create_index(
        "ix_conversations_pinned",
        "conversations",
        ["owner_id", "pinned_at"],
        unique=False,
        sqlite_where=sa.text("pinned_at IS NOT NULL"),
        postgresql_where=sa.text("pinned_at IS NOT NULL"),
    )
