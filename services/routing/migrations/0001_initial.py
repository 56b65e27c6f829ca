"""The tables every service has; routing needs no others."""

from alembic import op

from services.runtime.store.tables import create_runtime_tables_v1

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_runtime_tables_v1(op)
