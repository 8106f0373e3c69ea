"""The pages on the web that an answer cites, as JSON."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; of the answers so far it is not known what they cite."""
    op.add_column("generations", sa.Column("citations", sa.Text()))
