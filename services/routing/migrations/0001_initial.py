"""The runtime's tables; routing has none of its own."""

from alembic import op

from services.runtime.store.tables import create_runtime_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_runtime_tables(op)
