"""Presets of one's own, and which one is asked where none is named."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table; until something is in it, the shipped ones hold."""
    op.create_table(
        "presets",
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("preset_id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("model_id", sa.Text(), nullable=False),
        sa.Column("fallback_model_ids", sa.Text(), nullable=False),
        sa.Column("system_prompt", sa.Text(), nullable=False),
        sa.Column("parameters", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.id"], name=op.f("fk_presets_owner_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("owner_id", "preset_id", name=op.f("pk_presets")),
        sqlite_with_rowid=False,
    )
    op.add_column("owners", sa.Column("default_preset_id", sa.SmallInteger()))
