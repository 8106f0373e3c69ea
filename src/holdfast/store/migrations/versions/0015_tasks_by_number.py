"""A task's number is never another's: who comes late, for a task that went with its conversation, must end no other."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Have SQLite remember the highest number, for which it makes the table anew; PostgreSQL does."""
    if op.get_context().dialect.name == "sqlite":
        with op.batch_alter_table("tasks", recreate="always", table_kwargs={"sqlite_autoincrement": True}):
            pass
