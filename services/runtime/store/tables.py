"""The runtime's tables, and bringing a service's database up to date.

Each service has a database and a migration history of its own: the numbered files of its ``migrations/``
folder. The first of them calls `create_runtime_tables_v1`. A later change of the runtime's tables is another
function here, called by one more file in each service's history.
"""

from pathlib import Path
from typing import Protocol

from services.runtime.store import documents

HERE = Path(__file__).parent

_TABLES_V1 = (
    """
    CREATE TABLE cases (
        case_id text PRIMARY KEY,
        version integer NOT NULL,
        state text NOT NULL,
        seen bytea NOT NULL,
        wake_at timestamptz,
        call text,
        call_at timestamptz,
        closed_at timestamptz
    ) WITH (fillfactor = 50, toast_tuple_target = 8160)
    """,
    "COMMENT ON COLUMN cases.state IS 'the core''s state, JSON'",
    "COMMENT ON COLUMN cases.seen IS 'ids of the messages this case has heard, 16 bytes each, oldest first'",
    "COMMENT ON COLUMN cases.wake_at IS 'when the case wants to be looked at next, by the settable clock'",
    "COMMENT ON COLUMN cases.call IS 'the question the case has open to the outside world, JSON'",
    "COMMENT ON COLUMN cases.call_at IS 'when to put that question; while it is being put, the end of the lease'",
    "CREATE INDEX cases_wake ON cases (wake_at) WHERE wake_at IS NOT NULL",
    "CREATE INDEX cases_call ON cases (call_at) WHERE call_at IS NOT NULL",
    "CREATE INDEX cases_closed ON cases (closed_at) WHERE closed_at IS NOT NULL",
    """
    CREATE TABLE outbox (
        case_id text NOT NULL,
        message_id uuid NOT NULL,
        topic text NOT NULL,
        event text NOT NULL,
        said_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (case_id, message_id)
    )
    """,
    "COMMENT ON TABLE outbox IS 'every message this service has said: the ledger'",
    "CREATE INDEX outbox_said ON outbox USING brin (said_at)",
    """
    CREATE TABLE unpublished (
        case_id text NOT NULL,
        message_id uuid NOT NULL,
        said_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (case_id, message_id)
    )
    """,
    "COMMENT ON TABLE unpublished IS 'rows of the outbox that are not known to be in Kafka yet'",
    """
    CREATE TABLE dead_letters (
        case_id text NOT NULL,
        letter_id uuid NOT NULL,
        number bigint GENERATED ALWAYS AS IDENTITY,
        status text NOT NULL DEFAULT 'parked' CHECK (status IN ('parked', 'replayed', 'dropped')),
        blocking boolean NOT NULL,
        reason text NOT NULL CHECK (reason <> ''),
        topic text NOT NULL,
        origin text NOT NULL,
        key bytea,
        value bytea,
        parked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        settled_at timestamptz,
        PRIMARY KEY (case_id, letter_id)
    )
    """,
    "COMMENT ON COLUMN dead_letters.case_id IS 'the case, or the empty string where it is not known'",
    "COMMENT ON COLUMN dead_letters.blocking IS 'later messages of this case wait behind it'",
    "COMMENT ON COLUMN dead_letters.origin IS 'where it came from: partition and offset, or the outside world'",
    "CREATE INDEX dead_letters_parked ON dead_letters (case_id) WHERE status = 'parked'",
    "CREATE UNIQUE INDEX dead_letters_number ON dead_letters (number)",
)

_TABLES_V2 = (
    # A batch's messages are published together, and one row for all of them is written and deleted.
    "ALTER TABLE unpublished RENAME TO unpublished_v1",
    """
    CREATE TABLE unpublished (
        batch_id uuid PRIMARY KEY,
        said_at timestamptz NOT NULL DEFAULT now(),
        case_ids text[] NOT NULL,
        message_ids uuid[] NOT NULL
    )
    """,
    "COMMENT ON TABLE unpublished IS 'batches whose rows of the outbox are not all known to be in Kafka yet'",
    """
    INSERT INTO unpublished (batch_id, said_at, case_ids, message_ids)
    SELECT gen_random_uuid(), min(said_at), array_agg(case_id ORDER BY said_at), array_agg(message_id ORDER BY said_at)
    FROM unpublished_v1 HAVING count(*) > 0
    """,
    "DROP TABLE unpublished_v1",
    # Both carry the moment of their transaction, so that one is never taken for older than the other.
    "ALTER TABLE outbox ALTER COLUMN said_at SET DEFAULT now()",
    # The question a case has open follows from its state.
    "ALTER TABLE cases DROP COLUMN call",
    # Lawful time is told by a clock that may be set, patience by one that nobody sets: each has its alarm.
    "ALTER TABLE cases ADD COLUMN again_at timestamptz",
    "COMMENT ON COLUMN cases.wake_at IS 'when the case wants to be looked at next, by the settable clock: a deadline'",
    "COMMENT ON COLUMN cases.again_at IS 'until when the case waits for an answer, by the machine''s clock'",
    "COMMENT ON COLUMN cases.call_at IS 'when to put the question, or the end of its lease, by the machine''s clock'",
    "CREATE INDEX cases_again ON cases (again_at) WHERE again_at IS NOT NULL",
    "ALTER TABLE outbox SET (toast_tuple_target = 8160)",
)


class Operations(Protocol):
    """What of alembic's operations is needed here."""

    def execute(self, sqltext: str) -> None: ...


def create_runtime_tables_v1(op: Operations) -> None:
    """The tables that every service has: states, outbox, dead letters."""
    for statement in _TABLES_V1:
        op.execute(statement)


def change_runtime_tables_v2(op: Operations) -> None:
    """One row a batch for what waits for publication; patience apart from deadlines; no question beside its state."""
    for statement in _TABLES_V2:
        op.execute(statement)


def create_editions(op: Operations) -> None:
    """For services that keep to rules of which there are editions."""
    for statement in documents.TABLE:
        op.execute(statement)


def divide_editions(op: Operations) -> None:
    """Several processes share in having open cases follow an edition."""
    for statement in documents.LANES:
        op.execute(statement)


def head(migrations: Path) -> str:
    """The newest revision in a service's history, by the number its file name starts with."""
    return max(path.name.split("_")[0] for path in migrations.glob("[0-9]*_*.py"))


def migrate(service: str, migrations: Path, database: str) -> None:
    """Bring one database up to the newest revision. Safe to repeat, and to run from several places at once."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(HERE / "migrations"))
    config.set_main_option("version_locations", str(migrations))
    config.set_main_option("path_separator", "newline")
    config.attributes["database"] = database
    config.attributes["service"] = service
    command.upgrade(config, "head")
