"""The runtime's tables, the lists of alerts and platform issues, the journal, and notifications.

Revision ID: 0001
Revises:
"""

from alembic import op

from services.runtime.store.tables import (
    create_changed_cases,
    create_journal,
    create_proposals,
    create_rollouts,
    create_runtime_tables,
)

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# The key makes a rung fire once: a repeated message adds no row. ``notify_at`` is a moment of the shared clock, at
# which the next notification of the alert is due; ``level`` counts its notifications so far. ``changed_xid`` is the
# transaction that last changed any other column: readers of the change feed miss no change, in whatever order
# transactions commit.
#
# Alerts are listed by number, in the order of insertion. All deadlines end at the same minute of the day: an index by
# moment or case id would take a million entries at a million places, an ascending number takes them at one.
_ALERTS = (
    """
    CREATE TABLE alerts (
        case_id text NOT NULL,
        commitment text NOT NULL,
        rung text NOT NULL CHECK (rung IN ('warning', 'yellow', 'red', 'oversight')),
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
        acknowledged_for text,
        acknowledgement text,
        appealed_at timestamptz,
        appealed_by text,
        appealed_for text,
        appeal text,
        appeal_decided_at timestamptz,
        appeal_decided_by text,
        appeal_decided_for text,
        appeal_upheld boolean,
        appeal_decision text,
        notify_at timestamptz,
        level smallint NOT NULL DEFAULT 0,
        changed_xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
        last_event text NOT NULL DEFAULT 'raised',
        PRIMARY KEY (case_id, commitment, rung, occurrence)
    )
    """,
    "COMMENT ON COLUMN alerts.acknowledged_for IS 'the person on leave for whom it was done; so for the others'",
    "COMMENT ON COLUMN alerts.last_event IS 'the event in the transaction changed_xid'",
    # Both are read backwards: the newest alerts of all, and of one owner.
    "CREATE UNIQUE INDEX alerts_newest ON alerts (number)",
    "CREATE INDEX alerts_owner ON alerts (owner, number)",
    "CREATE INDEX alerts_raised ON alerts USING brin (raised_at)",
    "CREATE INDEX alerts_to_notify ON alerts (notify_at) WHERE notify_at IS NOT NULL",
    "CREATE INDEX alerts_standing ON alerts (number) WHERE withdrawn_at IS NULL AND ended_at IS NULL",
    """
    CREATE INDEX alerts_undecided ON alerts (number)
    WHERE appealed_at IS NOT NULL AND appeal_decided_at IS NULL AND withdrawn_at IS NULL
    """,
    "CREATE INDEX alerts_changed ON alerts (changed_xid, number)",
    """
    CREATE TABLE platform_issues (
        case_id text NOT NULL,
        commitment text NOT NULL,
        issue text NOT NULL,
        number bigint GENERATED ALWAYS AS IDENTITY,
        owner text NOT NULL,
        matter text NOT NULL,
        region text NOT NULL,
        raised_at timestamptz NOT NULL,
        settled_at timestamptz,
        changed_xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
        PRIMARY KEY (case_id, commitment, issue)
    )
    """,
    "CREATE UNIQUE INDEX platform_issues_newest ON platform_issues (number)",
    "CREATE INDEX platform_issues_open ON platform_issues (number) WHERE settled_at IS NULL",
    "CREATE INDEX platform_issues_changed ON platform_issues (changed_xid, number)",
    """
    CREATE TABLE doubtful_times (
        case_id text NOT NULL,
        step text NOT NULL,
        procedure text NOT NULL,
        field text NOT NULL,
        number bigint GENERATED ALWAYS AS IDENTITY,
        claimed timestamptz NOT NULL,
        counts_at timestamptz,
        owner text NOT NULL,
        matter text NOT NULL,
        region text NOT NULL,
        doubted_at timestamptz NOT NULL,
        settled_at timestamptz,
        settled_by text,
        reason text,
        resolved_at timestamptz,
        digests bigint[],
        PRIMARY KEY (case_id, step, procedure, field)
    )
    """,
    "COMMENT ON COLUMN doubtful_times.procedure IS 'empty for a time of the step'",
    "COMMENT ON COLUMN doubtful_times.digests IS 'the digests that report it as new; NULL before it is collected'",
    "CREATE UNIQUE INDEX doubtful_times_newest ON doubtful_times (number)",
    "CREATE INDEX doubtful_times_open ON doubtful_times (number) WHERE resolved_at IS NULL",
    """
    CREATE INDEX doubtful_times_to_notify ON doubtful_times (number)
    WHERE digests IS NULL AND settled_at IS NULL AND resolved_at IS NULL
    """,
)

# Entries are collected in one open digest a person. A digest that is built does not change any more, and is delivered
# to each of the person's addresses. Digests of several people that go to one address are one delivery.
# ``added_at`` is a moment of the shared clock; all others are machine time.
_NOTIFICATIONS = (
    """
    CREATE TABLE digests (
        number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        person text NOT NULL,
        opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        last_entry_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        built_at timestamptz,
        subject text
    )
    """,
    "COMMENT ON COLUMN digests.subject IS 'NULL where no entry was left'",
    # One open digest a person, however many processes collect.
    "CREATE UNIQUE INDEX digests_open ON digests (person) WHERE built_at IS NULL",
    """
    CREATE TABLE digest_entries (
        case_id text NOT NULL,
        commitment text NOT NULL,
        rung text NOT NULL,
        occurrence integer NOT NULL,
        kind text NOT NULL CHECK (kind IN ('rung', 'withdrawn', 'appeal', 'decision')),
        level smallint NOT NULL,
        person text NOT NULL,
        digest bigint NOT NULL,
        owner text NOT NULL,
        due_at timestamptz NOT NULL,
        added_at timestamptz NOT NULL,
        PRIMARY KEY (case_id, commitment, rung, occurrence, kind, level, person)
    )
    """,
    "COMMENT ON COLUMN digest_entries.level IS 'the escalation level of the rung'",
    "CREATE INDEX digest_entries_digest ON digest_entries (digest)",
    "CREATE INDEX digest_entries_withdrawn ON digest_entries (digest) WHERE kind = 'withdrawn'",
    """
    CREATE TABLE digest_deliveries (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        digest_numbers bigint[] NOT NULL,
        people text[] NOT NULL,
        address text NOT NULL,
        content text NOT NULL,
        retry_since timestamptz NOT NULL DEFAULT clock_timestamp(),
        attempts integer NOT NULL DEFAULT 0,
        next_attempt_at timestamptz DEFAULT clock_timestamp(),
        sent_at timestamptz,
        error text,
        given_up_at timestamptz
    )
    """,
    "COMMENT ON COLUMN digest_deliveries.content IS 'the text of these digests together, JSON'",
    "COMMENT ON COLUMN digest_deliveries.retry_since IS 'the beginning of the time after which it is given up'",
    "COMMENT ON COLUMN digest_deliveries.next_attempt_at IS 'the next attempt; during one, the end of its lease'",
    "CREATE INDEX digest_deliveries_next ON digest_deliveries (next_attempt_at) WHERE next_attempt_at IS NOT NULL",
    "CREATE INDEX digest_deliveries_digests ON digest_deliveries USING gin (digest_numbers)",
    "CREATE INDEX digest_deliveries_unsent ON digest_deliveries USING gin (digest_numbers) WHERE sent_at IS NULL",
    "CREATE INDEX digest_deliveries_given_up ON digest_deliveries (given_up_at) WHERE given_up_at IS NOT NULL",
)

_COUNTED = (
    *("received", "closed", "on_time", "early", "same_day", "days_used", "days_committed", "days_statutory"),
    *("due_open", "warnings", "acknowledged_in_time", "yellow_cards", "red_cards", "oversights"),
    *("appeals", "appeals_upheld", "appeals_rejected", "platform_faults"),
)

# The facts outlive the states of closed cases, which are deleted. Nearly all are written once, in the order of time.
# Each row of figures counts commitments: `level` tells by what (see `counting.LEVELS`), and an empty text stands for
# everything that is counted together. Regions are compared by their beginning, so by bytes.
_BOARD = (
    """
    CREATE TABLE commitment_facts (
        case_id text NOT NULL,
        commitment text NOT NULL,
        kind text NOT NULL,
        owner text NOT NULL,
        region text COLLATE "C" NOT NULL,
        matter text NOT NULL,
        opened_on date NOT NULL,
        due_on date NOT NULL,
        paused boolean NOT NULL,
        ended_on date,
        on_time boolean,
        days_used integer,
        days_committed integer,
        days_statutory integer,
        events text[],
        event_days date[],
        PRIMARY KEY (case_id, commitment)
    )
    """,
    "COMMENT ON TABLE commitment_facts IS 'what the figures count of each commitment; days are those of the place'",
    "COMMENT ON COLUMN commitment_facts.events IS 'what else is counted, each on the day at the same place'",
    "CREATE INDEX commitment_facts_opened ON commitment_facts USING brin (opened_on) WITH (autosummarize = on)",
    "CREATE INDEX commitment_facts_ended ON commitment_facts USING brin (ended_on) WITH (autosummarize = on)",
    "CREATE INDEX commitment_facts_open ON commitment_facts (due_on) WHERE ended_on IS NULL",
    "CREATE INDEX commitment_facts_events ON commitment_facts (opened_on) WHERE events IS NOT NULL",
    f"""
    CREATE TABLE figures (
        level smallint NOT NULL,
        kind text NOT NULL,
        day date NOT NULL,
        owner text NOT NULL,
        region text COLLATE "C" NOT NULL,
        matter text NOT NULL,
        {", ".join(f"{name} integer NOT NULL" for name in _COUNTED)},
        PRIMARY KEY (level, kind, day, owner, region, matter)
    ) WITH (fillfactor = 70)
    """,
    "COMMENT ON TABLE figures IS 'the facts of commitments, counted by day and by month'",
    "COMMENT ON COLUMN figures.level IS 'by what it counts: 1 owner, 2 region, 4 matter, 8 month instead of day'",
    "CREATE INDEX figures_region ON figures (level, kind, region, day) WHERE owner <> '' AND matter <> ''",
    "CREATE INDEX figures_matter ON figures (level, kind, matter, day) WHERE region <> ''",
)


def upgrade() -> None:
    create_runtime_tables(op)
    create_rollouts(op)
    create_proposals(op)
    create_changed_cases(op)
    create_journal(op)
    for statement in (*_ALERTS, *_NOTIFICATIONS, *_BOARD):
        op.execute(statement)
