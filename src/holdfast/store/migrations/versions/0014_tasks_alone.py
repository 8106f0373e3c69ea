"""What a call took is asked for also after its conversation was deleted, so a task outlives its generation."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let a task refer to nothing; SQLite makes the table anew for that."""
    with op.batch_alter_table("tasks") as tasks:
        tasks.drop_constraint(op.f("fk_tasks_generation_id"), type_="foreignkey")
