"""The runtime's tables, and the alerts as they are listed.

Revision ID: 0001
Revises:
"""

from alembic import op

from services.runtime.store.tables import create_runtime_tables_v1

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_runtime_tables_v1(op)
    # The key is what makes a rung fire once: however often an alert is said, there is one row for it.
    op.execute("""
        CREATE TABLE alerts (
            case_id text NOT NULL,
            commitment text NOT NULL,
            rung text NOT NULL CHECK (rung IN ('warning', 'yellow', 'red')),
            owner text NOT NULL,
            matter text NOT NULL,
            region text NOT NULL,
            due_at timestamptz NOT NULL,
            raised_at timestamptz NOT NULL,
            withdrawn_at timestamptz,
            reason text,
            PRIMARY KEY (case_id, commitment, rung)
        )
    """)
    # Both are read backwards: the newest alerts of all, and of one owner.
    op.execute("CREATE INDEX alerts_newest ON alerts (raised_at, case_id, commitment, rung)")
    op.execute("CREATE INDEX alerts_owner ON alerts (owner, raised_at, case_id, commitment, rung)")
