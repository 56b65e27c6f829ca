"""Editions of the rules; and a rung that was withdrawn because its deadline moved may be raised once more."""

from alembic import op

from services.runtime.store.tables import create_editions

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    create_editions(op)
    op.execute("ALTER TABLE alerts ADD COLUMN turn integer NOT NULL DEFAULT 1")
    op.execute("ALTER TABLE alerts DROP CONSTRAINT alerts_pkey")
    op.execute("ALTER TABLE alerts ADD PRIMARY KEY (case_id, commitment, rung, turn)")
