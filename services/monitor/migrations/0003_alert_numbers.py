"""Alerts are listed in the order in which they were written.

All deadlines end at the same minute of the day. Indexes by moment and case id then take a million entries at a million
places; a number that counts up takes them at one.
"""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("DROP INDEX alerts_newest")
    op.execute("DROP INDEX alerts_owner")
    op.execute("ALTER TABLE alerts ADD COLUMN number bigint")
    op.execute("""
        UPDATE alerts SET number = ordered.number FROM (
            SELECT case_id, commitment, rung,
                row_number() OVER (ORDER BY raised_at, case_id, commitment, rung) AS number
            FROM alerts
        ) AS ordered WHERE (alerts.case_id, alerts.commitment, alerts.rung) = (ordered.case_id, ordered.commitment,
            ordered.rung)
    """)
    op.execute("ALTER TABLE alerts ALTER COLUMN number SET NOT NULL")
    op.execute("ALTER TABLE alerts ALTER COLUMN number ADD GENERATED ALWAYS AS IDENTITY")
    op.execute("""
        SELECT setval(pg_get_serial_sequence('alerts', 'number'),
            (SELECT coalesce(max(number), 0) + 1 FROM alerts), false)
    """)
    # Both are read backwards: the newest alerts of all, and of one owner.
    op.execute("CREATE UNIQUE INDEX alerts_newest ON alerts (number)")
    op.execute("CREATE INDEX alerts_owner ON alerts (owner, number)")
    op.execute("CREATE INDEX alerts_raised ON alerts USING brin (raised_at)")
