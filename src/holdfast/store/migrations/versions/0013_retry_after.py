"""For how long to wait after an answer was refused, in seconds from its end."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; of the answers so far only their sentences tell it."""
    op.add_column("generations", sa.Column("error_retry_after", sa.Integer()))
