"""What is due is looked up by kind: none waits for one of another kind."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Put another index in the place of the first one."""
    op.drop_index("ix_tasks_due_at", "tasks")
    op.create_index("ix_tasks_kind_due_at", "tasks", ["kind", "due_at"])
