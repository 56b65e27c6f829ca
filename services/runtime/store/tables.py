"""The tables of the runtime, and the migration of a service's database.

Each service has a database and a migration history of its own: the numbered files of its ``migrations/`` folder. The
first of them calls `create_runtime_tables`. A later change of the runtime's tables is another function here, which one
more file in each service's history calls.
"""

import asyncio
from pathlib import Path
from typing import Protocol

from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.bilingual import Bilingual
from services.runtime.store import access_record, chains, changed_cases, documents, proposals, rollouts

HERE = Path(__file__).parent

_TABLES = (
    """
    CREATE TABLE cases (
        case_id text PRIMARY KEY,
        version integer NOT NULL,
        state text NOT NULL,
        processed_ids bytea NOT NULL,
        timer_at timestamptz,
        retry_at timestamptz,
        call_due_at timestamptz,
        closed_at timestamptz
    ) WITH (fillfactor = 50, toast_tuple_target = 8160)
    """,
    "COMMENT ON COLUMN cases.state IS 'the state of the core, JSON'",
    "COMMENT ON COLUMN cases.processed_ids IS 'ids of the processed messages, 16 bytes each, oldest first'",
    "COMMENT ON COLUMN cases.timer_at IS 'when the next timer of the case is due, by the shared clock'",
    "COMMENT ON COLUMN cases.retry_at IS 'until when the case waits for an answer, in machine time'",
    "COMMENT ON COLUMN cases.call_due_at IS 'when the external call is due, or its lease ends, in machine time'",
    "CREATE INDEX cases_timer ON cases (timer_at) WHERE timer_at IS NOT NULL",
    "CREATE INDEX cases_retry ON cases (retry_at) WHERE retry_at IS NOT NULL",
    "CREATE INDEX cases_call ON cases (call_due_at) WHERE call_due_at IS NOT NULL",
    "CREATE INDEX cases_closed ON cases (closed_at) WHERE closed_at IS NOT NULL",
    """
    CREATE TABLE outbox (
        case_id text NOT NULL,
        message_id uuid NOT NULL,
        topic text NOT NULL,
        event text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (case_id, message_id)
    ) WITH (toast_tuple_target = 8160)
    """,
    "COMMENT ON TABLE outbox IS 'every message that this service has published or has yet to publish'",
    "CREATE INDEX outbox_created ON outbox USING brin (created_at)",
    # The messages of a batch are published together, so one row stands for all of them. Its default time is that of the
    # transaction, as in the outbox, so that both are equally old.
    """
    CREATE TABLE unpublished (
        batch_id uuid PRIMARY KEY,
        created_at timestamptz NOT NULL DEFAULT now(),
        case_ids text[] NOT NULL,
        message_ids uuid[] NOT NULL,
        refused_topic text
    )
    """,
    "COMMENT ON COLUMN unpublished.refused_topic IS 'the topic of all its messages, if Kafka has refused it'",
    "COMMENT ON TABLE unpublished IS 'batches with messages that Kafka has not acknowledged yet'",
    """
    CREATE TABLE dead_letters (
        case_id text NOT NULL,
        letter_id uuid NOT NULL,
        number bigint GENERATED ALWAYS AS IDENTITY,
        status text NOT NULL DEFAULT 'parked'
            CHECK (status IN ('parked', 'replayed', 'corrected', 'dropped')),
        blocking boolean NOT NULL,
        reason text NOT NULL CHECK (reason <> ''),
        topic text NOT NULL,
        origin text NOT NULL,
        key bytea,
        value bytea,
        parked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        settled_at timestamptz,
        settled_by text,
        settled_on_behalf_of text,
        settled_reason text,
        PRIMARY KEY (case_id, letter_id)
    )
    """,
    "COMMENT ON COLUMN dead_letters.case_id IS 'the case, or the empty string where it is not known'",
    "COMMENT ON COLUMN dead_letters.blocking IS 'later messages of this case wait for it'",
    "COMMENT ON COLUMN dead_letters.origin IS 'partition and offset of the record, or the service that received it'",
    "CREATE INDEX dead_letters_parked ON dead_letters (case_id) WHERE status = 'parked'",
    "CREATE INDEX dead_letters_settled ON dead_letters (settled_at) WHERE status <> 'parked'",
    "CREATE UNIQUE INDEX dead_letters_number ON dead_letters (number)",
)


class Operations(Protocol):
    """The part of alembic's operations that is needed here."""

    def execute(self, sqltext: str) -> None: ...


def create_runtime_tables(op: Operations) -> None:
    """Create the tables that every service has: cases, outbox, dead letters, documents, record of access."""
    for statement in (*_TABLES, *documents.TABLES, *access_record.TABLES):
        op.execute(statement)


def create_rollouts(op: Operations) -> None:
    """Create the tables of roll-outs, for services whose cases follow a document."""
    for statement in rollouts.TABLES:
        op.execute(statement)


def create_journal(op: Operations) -> None:
    """Create the tables of the journal, for services that have decisions in it."""
    # The journal reads the newest rows of the outbox every few seconds. The index must include their pages.
    for statement in ("ALTER INDEX outbox_created SET (autosummarize = on)", *chains.tables_of(chains.JOURNAL.table)):
        op.execute(statement)


def create_proposals(op: Operations) -> None:
    """Create the table of proposals, for services whose documents a second person puts in force."""
    for statement in proposals.TABLES:
        op.execute(statement)


def create_changed_cases(op: Operations) -> None:
    """Create the table of changed cases, for services that record them."""
    for statement in changed_cases.TABLES:
        op.execute(statement)


def head(migrations: Path) -> str:
    """The newest revision in a service's history, by the number its file name starts with."""
    return max(path.name.split("_")[0] for path in migrations.glob("[0-9]*_*.py"))


async def revision_of(database: AsyncEngine) -> str | None:
    """The revision to which a database is migrated, or None if it has no tables yet."""
    try:
        async with database.connect() as connection:
            revision: str | None = await connection.scalar(text("SELECT version_num FROM alembic_version"))
    except ProgrammingError:
        return None
    return revision


async def database_faults(database: AsyncEngine, migrations: Path) -> list[Bilingual]:
    """Why a program with this history cannot use the database now; none if it can."""
    try:
        expected = head(migrations)
        async with asyncio.timeout(2):
            found = await revision_of(database)
    except Exception as error:
        kind = type(error).__name__
        return [Bilingual(f"database: {kind}", f"数据库：{kind}")]
    if found is None:
        return [
            Bilingual(
                "database: it has no tables yet; run 'onedoor migrate'", "数据库：尚无数据表；请运行 onedoor migrate"
            )
        ]
    if found != expected:
        return [
            Bilingual(
                f"database: at revision {found}, this program needs {expected}; run 'onedoor migrate'",
                f"数据库：版本为 {found}，本程序需要 {expected}；请运行 onedoor migrate",
            )
        ]
    return []


def migrate(service: str, migrations: Path, database: str) -> None:
    """Migrate one database to the newest revision. Safe to repeat, and to run from several processes at once."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(HERE / "migrations"))
    config.set_main_option("version_locations", str(migrations))
    config.set_main_option("path_separator", "newline")
    config.attributes["database"] = database
    config.attributes["service"] = service
    command.upgrade(config, "head")
