"""Where an imported conversation came from, so that the same file adds nothing the second time."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; nothing was imported yet."""
    op.add_column("conversations", sa.Column("origin", sa.Text()))
    op.create_index(
        "uq_conversations_owner_id_origin",
        "conversations",
        ["owner_id", "origin"],
        unique=True,
        sqlite_where=sa.text("origin IS NOT NULL"),
        postgresql_where=sa.text("origin IS NOT NULL"),
    )
