"""A task outlives its generation, for what a call took is asked for also after its conversation was deleted.

And its number is never another's: who comes late, for one that went with its conversation, must end no other.
"""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """SQLite makes the table anew for that, and remembers the highest number from here on, as PostgreSQL does."""
    with op.batch_alter_table("tasks", table_kwargs={"sqlite_autoincrement": True}) as tasks:
        tasks.drop_constraint(op.f("fk_tasks_generation_id"), type_="foreignkey")
