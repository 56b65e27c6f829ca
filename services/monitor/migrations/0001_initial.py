"""The runtime's tables, the lists of alerts and platform issues, the journal, and notifications.

Revision ID: 0001
Revises:
"""

from alembic import op

from services.runtime.store.tables import create_documents, create_runtime_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# The key makes a rung fire once: however often an alert is published, there is one row for it. ``tell_at`` is a moment
# of the settable clock, from which on somebody is to be notified of the alert; ``level`` counts how far it has climbed
# since. ``changed`` names the transaction that last changed anything else of the row: whoever follows the list so
# misses nothing, in whatever order transactions commit.
#
# Alerts are listed in the order in which they were written. All deadlines end at the same minute of the day: indexes by
# moment and case id would take a million entries at a million places, a number that counts up takes them at one.
_ALERTS = (
    """
    CREATE TABLE alerts (
        case_id text NOT NULL,
        commitment text NOT NULL,
        rung text NOT NULL CHECK (rung IN ('warning', 'yellow', 'red', 'further')),
        owner text NOT NULL,
        matter text NOT NULL,
        region text NOT NULL,
        due_at timestamptz NOT NULL,
        raised_at timestamptz NOT NULL,
        withdrawn_at timestamptz,
        reason text,
        number bigint GENERATED ALWAYS AS IDENTITY,
        occurrence integer NOT NULL DEFAULT 1,
        ended_at timestamptz,
        acknowledged_at timestamptz,
        acknowledged_by text,
        acknowledgement text,
        appealed_at timestamptz,
        appealed_by text,
        appeal text,
        appeal_decided_at timestamptz,
        appeal_decided_by text,
        appeal_upheld boolean,
        appeal_decision text,
        tell_at timestamptz,
        level smallint NOT NULL DEFAULT 0,
        changed xid8 NOT NULL DEFAULT pg_current_xact_id(),
        became text NOT NULL DEFAULT 'raised',
        PRIMARY KEY (case_id, commitment, rung, occurrence)
    )
    """,
    "COMMENT ON COLUMN alerts.became IS 'what happened to it in the transaction of \"changed\"'",
    # Both are read backwards: the newest alerts of all, and of one owner.
    "CREATE UNIQUE INDEX alerts_newest ON alerts (number)",
    "CREATE INDEX alerts_owner ON alerts (owner, number)",
    "CREATE INDEX alerts_raised ON alerts USING brin (raised_at)",
    "CREATE INDEX alerts_to_tell ON alerts (tell_at) WHERE tell_at IS NOT NULL",
    "CREATE INDEX alerts_standing ON alerts (number) WHERE withdrawn_at IS NULL AND ended_at IS NULL",
    "CREATE INDEX alerts_changed ON alerts (changed, number)",
    """
    CREATE TABLE operations (
        case_id text NOT NULL,
        commitment text NOT NULL,
        issue text NOT NULL,
        number bigint GENERATED ALWAYS AS IDENTITY,
        owner text NOT NULL,
        matter text NOT NULL,
        region text NOT NULL,
        raised_at timestamptz NOT NULL,
        settled_at timestamptz,
        changed xid8 NOT NULL DEFAULT pg_current_xact_id(),
        PRIMARY KEY (case_id, commitment, issue)
    )
    """,
    "CREATE UNIQUE INDEX operations_newest ON operations (number)",
    "CREATE INDEX operations_open ON operations (number) WHERE settled_at IS NULL",
    "CREATE INDEX operations_changed ON operations (changed, number)",
)

_APPEND_ONLY = "FOR EACH STATEMENT EXECUTE FUNCTION journal_is_append_only()"

_JOURNAL = (
    """
    CREATE TABLE journal (
        region text NOT NULL,
        number bigint NOT NULL,
        day date NOT NULL,
        previous bytea NOT NULL,
        hash bytea NOT NULL,
        entries text[] NOT NULL,
        chained_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (region, number)
    )
    """,
    "CREATE INDEX journal_day ON journal (day)",
    # The newest rows of the outbox are read every few seconds. The index has to find their pages.
    "ALTER INDEX outbox_created SET (autosummarize = on)",
    """
    CREATE TABLE journal_roots (
        region text NOT NULL,
        day date NOT NULL,
        first bigint NOT NULL,
        last bigint NOT NULL,
        entries bigint NOT NULL,
        hash bytea NOT NULL,
        key bytea NOT NULL,
        signature bytea NOT NULL,
        PRIMARY KEY (region, day)
    )
    """,
    # The outbox stands in the chains up to this moment of the database's own clock.
    "CREATE TABLE journal_reached (one boolean PRIMARY KEY CHECK (one), created_at timestamptz, key bytea)",
    "INSERT INTO journal_reached VALUES (true, NULL)",
    """
    CREATE FUNCTION journal_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'the journal is append-only'; END $$
    """,
    f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON journal {_APPEND_ONLY}",
    f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON journal_roots {_APPEND_ONLY}",
    # A row that has been read is not read again, and no row is passed over.
    f"CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON journal_reached {_APPEND_ONLY}",
    """
    CREATE TRIGGER only_on BEFORE UPDATE ON journal_reached FOR EACH ROW
    WHEN (NEW.created_at IS NULL OR NEW.created_at < OLD.created_at) EXECUTE FUNCTION journal_is_append_only()
    """,
)

# Entries gather in one open digest a person. A sealed digest is not changed any more, and each of the person's
# addresses has a row by which it is sent. ``told_at`` is a moment of the settable clock; all others are machine time.
_NOTIFICATIONS = (
    """
    CREATE TABLE digests (
        number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        person text NOT NULL,
        began_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        joined_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        sealed_at timestamptz,
        subject text,
        content text
    )
    """,
    "COMMENT ON COLUMN digests.content IS 'its text, JSON; NULL where no entry was left'",
    # One open digest a person, whichever process collects.
    "CREATE UNIQUE INDEX digests_open ON digests (person) WHERE sealed_at IS NULL",
    """
    CREATE TABLE told (
        case_id text NOT NULL,
        commitment text NOT NULL,
        rung text NOT NULL,
        occurrence integer NOT NULL,
        what text NOT NULL CHECK (what IN ('rung', 'withdrawn', 'appeal', 'decision')),
        level smallint NOT NULL,
        person text NOT NULL,
        digest bigint NOT NULL,
        owner text NOT NULL,
        due_at timestamptz NOT NULL,
        told_at timestamptz NOT NULL,
        PRIMARY KEY (case_id, commitment, rung, occurrence, what, level, person)
    )
    """,
    "COMMENT ON COLUMN told.level IS 'how far the rung had climbed'",
    "CREATE INDEX told_digest ON told (digest)",
    "CREATE INDEX told_withdrawn ON told (digest) WHERE what = 'withdrawn'",
    """
    CREATE TABLE sendings (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        digest bigint NOT NULL,
        address text NOT NULL,
        since timestamptz NOT NULL DEFAULT clock_timestamp(),
        attempts integer NOT NULL DEFAULT 0,
        next_at timestamptz DEFAULT clock_timestamp(),
        sent_at timestamptz,
        fault text,
        given_up_at timestamptz
    )
    """,
    "COMMENT ON COLUMN sendings.since IS 'from when on it is tried, before it is given up'",
    "COMMENT ON COLUMN sendings.next_at IS 'when to try, or while it is tried the end of the lease'",
    "CREATE INDEX sendings_next ON sendings (next_at) WHERE next_at IS NOT NULL",
    "CREATE INDEX sendings_digest ON sendings (digest)",
    "CREATE INDEX sendings_unsent ON sendings (digest) WHERE sent_at IS NULL",
    "CREATE INDEX sendings_given_up ON sendings (digest) WHERE given_up_at IS NOT NULL",
)


def upgrade() -> None:
    create_runtime_tables(op)
    create_documents(op)
    for statement in (*_ALERTS, *_JOURNAL, *_NOTIFICATIONS):
        op.execute(statement)
