"""Editions of the almanac."""

from alembic import op

from services.runtime.store.tables import create_editions

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    create_editions(op)
