"""The runtime's tables, and the versions of the almanac."""

from alembic import op

from services.runtime.store.tables import create_journal, create_rollouts, create_runtime_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_runtime_tables(op)
    create_rollouts(op)
    create_journal(op)
