"""The tables that every service has, and those of versioned documents.

Revision ID: 0001
Revises:
"""

from alembic import op

from services.runtime.store.tables import create_rollouts, create_runtime_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_runtime_tables(op)
    create_rollouts(op)
