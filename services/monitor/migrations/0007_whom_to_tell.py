"""What becomes of an alert: whom to tell of it next, who has taken it in hand, its appeal, its end.

``tell_at`` is a moment of the settable clock: from then on somebody is to be told something of this alert. ``level``
counts how far it has climbed since. ``changed`` names the transaction that last changed anything else of the row: so
whoever follows the list misses nothing, in whatever order transactions commit.
"""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute("ALTER TABLE alerts DROP CONSTRAINT alerts_rung_check")
    op.execute("""
        ALTER TABLE alerts ADD CHECK (rung IN ('warning', 'yellow', 'red', 'further')),
            ADD COLUMN ended_at timestamptz,
            ADD COLUMN acknowledged_at timestamptz,
            ADD COLUMN acknowledged_by text,
            ADD COLUMN acknowledgement text,
            ADD COLUMN appealed_at timestamptz,
            ADD COLUMN appealed_by text,
            ADD COLUMN appeal text,
            ADD COLUMN appeal_decided_at timestamptz,
            ADD COLUMN appeal_decided_by text,
            ADD COLUMN appeal_upheld boolean,
            ADD COLUMN appeal_decision text,
            ADD COLUMN tell_at timestamptz,
            ADD COLUMN level smallint NOT NULL DEFAULT 0,
            ADD COLUMN changed xid8 NOT NULL DEFAULT pg_current_xact_id()
    """)
    # What has been answered by now is not said to be any more.
    op.execute("""
        UPDATE alerts SET ended_at = found.ended_at FROM (
            SELECT case_id, watch ->> 'key' AS commitment, least(
                CAST(watch ->> 'ended_at' AS timestamptz),
                CAST(jsonb_path_query_first(state, '$.watches[*] ? (@.key == "case").ended_at') #>> '{}' AS timestamptz)
            ) AS ended_at
            FROM (SELECT case_id, CAST(state AS jsonb) AS state FROM cases) AS stated
            CROSS JOIN LATERAL jsonb_array_elements(state -> 'watches') AS held (watch)
        ) AS found WHERE (alerts.case_id, alerts.commitment) = (found.case_id, found.commitment)
    """)
    op.execute("CREATE INDEX alerts_to_tell ON alerts (tell_at) WHERE tell_at IS NOT NULL")
    op.execute("CREATE INDEX alerts_standing ON alerts (number) WHERE withdrawn_at IS NULL AND ended_at IS NULL")
    op.execute("CREATE INDEX alerts_changed ON alerts (changed, number)")
