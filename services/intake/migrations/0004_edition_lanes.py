"""Several processes share in having open cases follow an edition."""

from alembic import op

from services.runtime.store.tables import divide_editions

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    divide_editions(op)
