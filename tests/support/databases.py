"""Databases on the engines of the session, each for one test."""

import asyncio
import uuid
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Row

from contracts.messages.documents import PostsPublished
from deploy.local.engines import Engines
from services.operator.databases import connected
from services.runtime.kafka.documents import FOLLOWED
from services.runtime.store import access_record, documents
from services.runtime.store.access_record import RecordFilter


@contextmanager
def own_database(engines: Engines) -> Iterator[str]:
    """The address of a new database without tables. It is removed at the end."""
    name = f"test_{uuid.uuid4().hex}"
    asyncio.run(engines.postgres.create_database(name, template="template0"))
    yield engines.database_url(name)
    asyncio.run(engines.postgres.drop_database(name))


@contextmanager
def service_database(engines: Engines, service: str, migrations: Path) -> Iterator[str]:
    """The address of an empty database with the tables of a service.

    A later test has it again, emptied: to make and remove one takes longer than most tests. One whose tables a test has
    changed is removed.
    """
    template = _migrated(engines, service, migrations)
    free = _FREE[engines.database_url(template)]
    if free:
        name = free.pop()
    else:
        asyncio.run(engines.postgres.create_database(name := f"test_{uuid.uuid4().hex}", template=template))
    yield engines.database_url(name)
    if asyncio.run(_emptied(engines, name, template)):
        free.append(name)
    else:
        asyncio.run(engines.postgres.drop_database(name))


_FREE: dict[str, list[str]] = defaultdict(list)
"""The databases that are empty, by the address of their template."""

_TABLES = """
    SELECT md5(string_agg(found, chr(10) ORDER BY found)) FROM (
        SELECT format('%s %s %s %s %s', oid, relname, relkind, relpersistence, reloptions) AS found
        FROM pg_class WHERE relnamespace = 'public'::regnamespace
        UNION ALL SELECT format('%s %s %s %s %s', attrelid, attname, atttypid, attnotnull, attstorage)
        FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
        WHERE relnamespace = 'public'::regnamespace AND attnum > 0
        UNION ALL SELECT format('%s %s', oid, tgenabled) FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL SELECT format('%s %s', oid, pg_get_constraintdef(oid)) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace
        UNION ALL SELECT format('%s %s', oid, prosrc) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        UNION ALL SELECT format('%s', setconfig) FROM pg_db_role_setting
        JOIN pg_database ON pg_database.oid = setdatabase WHERE datname = current_database()
    ) AS everything
"""

_USED = """
    SELECT array_agg(relname::text) FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'alembic_version'
    AND pg_relation_size(oid) > 0
"""

_RESTART = """
    SELECT setval(format('%I.%I', schemaname, sequencename), start_value, false) FROM pg_sequences
    WHERE last_value IS NOT NULL
"""

_END_OTHERS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


class _Template(NamedTuple):
    """A template: what its tables are, and the rows of those that have any, JSON."""

    tables: str
    rows: dict[str, str]


_TEMPLATES: dict[str, _Template] = {}


async def _emptied(engines: Engines, name: str, template: str) -> bool:
    """Empty a database. Returns whether it is like its template again."""
    wanted = await _content(engines, template)
    connection = await engines.postgres.connect(name)
    try:
        await connection.execute(_END_OTHERS)
        if await connection.fetchval(_TABLES) != wanted.tables:
            return False
        # Tables to which rows may only be added have triggers that would refuse this.
        await connection.execute("SET session_replication_role = replica")
        if used := {*(await connection.fetchval(_USED) or ()), *wanted.rows}:
            await connection.execute(f"TRUNCATE {', '.join(used)} CASCADE")
        for table, rows in wanted.rows.items():
            await connection.execute(
                f"INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM json_populate_recordset(NULL::{table}, $1)",
                rows,
            )
        await connection.execute(_RESTART)
        return True
    finally:
        await connection.close()


async def _content(engines: Engines, template: str) -> _Template:
    address = engines.database_url(template)
    if address not in _TEMPLATES:
        connection = await engines.postgres.connect(template)
        try:
            rows = {
                table: await connection.fetchval(f"SELECT json_agg(row) FROM {table} AS row")
                for table in await connection.fetchval(_USED) or ()
            }
            _TEMPLATES[address] = _Template(str(await connection.fetchval(_TABLES)), rows)
        finally:
            await connection.close()
    return _TEMPLATES[address]


def _migrated(engines: Engines, service: str, migrations: Path) -> str:
    """The name of an empty database of a service, for copies: a copy takes a third of the time of a migration."""
    from services.runtime.store.tables import migrate

    name = f"migrated_{service}"
    address = engines.database_url(name)
    if address not in _FREE and asyncio.run(engines.postgres.create_database(name, template="template0")):
        migrate(service, migrations, address)
    return name


def put_posts_in_force(address: str, posts: PostsPublished) -> None:
    """Put the posts of a directory in force in the database of a service."""

    async def main() -> None:
        async with connected(address) as database, database.begin() as connection:
            await documents.put(connection, FOLLOWED[posts.kind], posts, "for a test")

    asyncio.run(main())


def on_record(address: str) -> list[Row[Any]]:
    """The record of access in the database of a service, the oldest entry first."""

    async def main() -> list[Row[Any]]:
        async with connected(address) as database, database.connect() as connection:
            return [*await access_record.newest(connection, RecordFilter(), 1000)][::-1]

    return asyncio.run(main())
