"""One row a batch for what waits for publication."""

from alembic import op

from services.runtime.store.tables import change_runtime_tables_v2

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    change_runtime_tables_v2(op)
