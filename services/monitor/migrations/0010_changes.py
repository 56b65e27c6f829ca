"""What followers of the lists need: what happened to an alert last, and which transaction last wrote a failure."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.execute("ALTER TABLE alerts ADD COLUMN became text NOT NULL DEFAULT 'raised'")
    # By what is known of them; from now on it is written with each change.
    op.execute("""
        UPDATE alerts SET became = CASE WHEN withdrawn_at IS NOT NULL THEN 'withdrawn' ELSE 'closed' END
        WHERE withdrawn_at IS NOT NULL OR ended_at IS NOT NULL
    """)
    op.execute("COMMENT ON COLUMN alerts.became IS 'what happened to it in the transaction of \"changed\"'")
    op.execute("ALTER TABLE operations ADD COLUMN changed xid8 NOT NULL DEFAULT pg_current_xact_id()")
    op.execute("CREATE INDEX operations_changed ON operations (changed, number)")
