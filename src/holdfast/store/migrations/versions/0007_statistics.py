"""Statistics look at an owner's latest runs: an index that finds them."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the index."""
    op.create_index("ix_generations_owner_id_created_at", "generations", ["owner_id", "created_at"], unique=False)
