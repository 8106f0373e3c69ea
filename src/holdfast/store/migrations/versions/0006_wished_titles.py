"""Another name on request: a task of naming knows which revision of a title its owner asked to have replaced."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; nobody asked yet."""
    op.add_column("tasks", sa.Column("wished_revision", sa.Integer()))
