"""When a conversation was deleted: what is left of it goes in steps, and is found by nobody meanwhile."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; what was deleted before is gone."""
    op.add_column("conversations", sa.Column("deleted_at", sa.BigInteger()))
    op.create_index(
        "ix_conversations_deleted",
        "conversations",
        ["deleted_at"],
        sqlite_where=sa.text("deleted_at IS NOT NULL"),
        postgresql_where=sa.text("deleted_at IS NOT NULL"),
    )
