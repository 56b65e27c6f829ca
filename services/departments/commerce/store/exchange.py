"""The SQL of the adapter: it writes tasks into the exchange tables, and reads and marks the answers."""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple

from asyncpg import PostgresError
from pydantic_core import to_json
from sqlalchemy import LargeBinary, Row, TextualSelect, TypeDecorator, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.departments.commerce.refusal import Refusal
from services.departments.commerce.store.tables import insert
from services.departments.commerce.translate import ACCEPT_COLUMNS
from services.runtime.files.encoding import InvalidFile, read_text
from services.runtime.store.database import driver_error, refuses_data

_UPSERT = text(
    insert(
        "up_pro_accept",
        ACCEPT_COLUMNS,
        "DO UPDATE SET cd_operation = 'U', cd_batch = excluded.cd_batch, cd_time = excluded.cd_time, fetched_at = NULL",
    )
)

_CONSTRAINED = text("""
    SELECT attname FROM pg_constraint JOIN pg_attribute ON attrelid = conrelid AND attnum = ANY(conkey)
    WHERE conrelid = CAST('up_pro_accept' AS regclass) AND conname = :constraint ORDER BY attnum
""")
_TYPE = text("""
    SELECT format_type(atttypid, atttypmod) FROM pg_attribute
    WHERE attrelid = CAST('up_pro_accept' AS regclass) AND attname = :column
""")
_FITS = text("SELECT jsonb_populate_record(CAST(NULL AS up_pro_accept), CAST(:row AS jsonb)) IS NULL")

_ANY_UNREAD = text("SELECT EXISTS (SELECT FROM up_pro_accept WHERE row_guid = ANY(:task_ids) AND fetched_at IS NULL)")


MOST_CHARACTERS = 10_000
"""The part of a text that is read. The longest valid ones have 2000, and perhaps spaces around them."""


def _bytes(column: str) -> str:
    """The bytes of a text, in UTF-8, as far as it can be valid.

    In a database without an encoding (SQL_ASCII) they may be any, and as text the server would give no row at all if
    those of one row are not UTF-8.
    """
    encoding = "CASE getdatabaseencoding() WHEN 'SQL_ASCII' THEN 'SQL_ASCII' ELSE 'UTF8' END"
    return f"convert_to(left({column}::text, {MOST_CHARACTERS}), {encoding}) AS {column}"


def _time(column: str) -> str:
    """A time as text: one that Python cannot express, such as 'infinity', must not keep other rows from being read."""
    return f"left({column}::text, 100) AS {column}"


class _Text(TypeDecorator[str]):
    """A text that is read as bytes."""

    impl = LargeBinary
    cache_ok = True

    def process_result_value(self, value: bytes | None, dialect: object) -> str | None:
        """The text in UTF-8 or GB18030; in another encoding with replacement characters."""
        if value is None:
            return None
        try:
            return value.decode()
        except UnicodeDecodeError:
            try:
                return read_text(value).text
            except InvalidFile:
                return value.decode(errors="replace")


_PROCESS = (
    ("project_no", "event_name", "remark"),
    f"""
    SELECT id, {_bytes("project_no")}, {_bytes("event_name")}, {_time("event_start_time")}, {_bytes("remark")},
        hashtextextended(one::text, 0) AS version
    FROM up_pro_process AS one
""",
)
_PROCEDURE = (
    ("project_no", "cd_operation", "special_name", "special_reason"),
    f"""
    SELECT id, {_bytes("project_no")}, {_bytes("cd_operation")}, {_time("cd_time")}, {_bytes("special_name")},
        {_bytes("special_reason")}, {_time("special_time")}, {_time("end_time")},
        hashtextextended(one::text, 0) AS version
    FROM up_pro_special_procedure AS one
""",
)
_RESULT = (
    ("project_no", "cd_operation", "result_type", "result_explain", "result_cetr_no"),
    f"""
    SELECT id, {_bytes("project_no")}, {_bytes("cd_operation")}, {_bytes("result_type")}, {_time("result_date")},
        {_bytes("result_explain")}, {_bytes("result_cetr_no")}, hashtextextended(one::text, 0) AS version
    FROM up_pro_result AS one
""",
)


def _reading(rows: tuple[Sequence[str], str], which: str) -> TextualSelect:
    """A statement that reads some rows of a table, given by the names of its texts and its columns."""
    texts, columns = rows
    return text(f"{columns} {which}").columns(**dict.fromkeys(texts, _Text()))


_OF_TASKS = "WHERE project_no = ANY(:task_ids) ORDER BY id"
_PROCESSES_OF = _reading(_PROCESS, _OF_TASKS)
_RESULTS_OF = _reading(_RESULT, _OF_TASKS)

_UNREAD = "WHERE fetched_at IS NULL ORDER BY id LIMIT :limit"
_PROCESSES_UNREAD = _reading(_PROCESS, _UNREAD)
_PROCEDURES_UNREAD = _reading(_PROCEDURE, _UNREAD)
_RESULTS_UNREAD = _reading(_RESULT, _UNREAD)

_LOCKED = text("""
    WITH free AS (SELECT row_guid FROM up_pro_accept WHERE row_guid = ANY(:task_ids) FOR UPDATE SKIP LOCKED)
    SELECT row_guid FROM up_pro_accept WHERE row_guid = ANY(:task_ids) AND row_guid NOT IN (SELECT row_guid FROM free)
""")


def _mark(table: str) -> str:
    """Marks rows read. A row that the department has changed meanwhile, or keeps locked, stays unread."""
    return f"""
        UPDATE {table} SET fetched_at = now() WHERE id IN (
            SELECT one.id
            FROM unnest(CAST(:{table} AS bigint[]), CAST(:{table}_versions AS bigint[])) AS read (id, version)
            JOIN {table} AS one ON one.id = read.id
            WHERE one.fetched_at IS NULL AND hashtextextended(one::text, 0) = read.version
            FOR UPDATE OF one SKIP LOCKED)
        RETURNING id
    """


class Table(Enum):
    """A table that the department writes."""

    PROCESS = "up_pro_process"
    PROCEDURE = "up_pro_special_procedure"
    RESULT = "up_pro_result"


_MARK_READ = text(
    f"WITH processes AS ({_mark(Table.PROCESS.value)}), procedures AS ({_mark(Table.PROCEDURE.value)}), "
    f"results AS ({_mark(Table.RESULT.value)}) SELECT (SELECT count(*) FROM processes) "
    "+ (SELECT count(*) FROM procedures) + (SELECT count(*) FROM results)"
)


class Read(NamedTuple):
    """A row that has been read, for `mark_read`."""

    table: Table
    id: int
    version: int
    """A hash of the row, which the department may change in place."""


async def put_tasks(connection: AsyncConnection, rows: Sequence[Mapping[str, str | None]]) -> None:
    """Write the rows of tasks, all or none. A task that is there already is marked as changed and unread."""
    await connection.execute(_UPSERT, {"rows": to_json(rows).decode()})


async def locked(connection: AsyncConnection, task_ids: Sequence[str]) -> set[str]:
    """The tasks whose rows another session keeps locked."""
    return set((await connection.scalars(_LOCKED, {"task_ids": task_ids})).all())


async def refusal(
    connection: AsyncConnection, row: Mapping[str, str | None], error: Exception, likely: Sequence[str]
) -> Refusal:
    """The database's account of its refusal of a row. ``likely``: the columns that are tried first."""
    cause = driver_error(error)
    if not isinstance(cause, PostgresError):
        return Refusal("up_pro_accept", "unknown", {})
    constraint: str | None = cause.constraint_name
    names: Sequence[str] = ()
    if cause.column_name:
        names = [cause.column_name]
    elif constraint:
        names = (await connection.scalars(_CONSTRAINED, {"constraint": constraint})).all()
    if not names:
        for column in (*likely, *(each for each in row if each not in likely)):
            if not await _fits(connection, {column: row[column]}):
                names = [column]
                break
    types = {name: str(await connection.scalar(_TYPE, {"column": name})) for name in names}
    return Refusal("up_pro_accept", cause.sqlstate or "unknown", types, constraint)


async def _fits(connection: AsyncConnection, value: Mapping[str, str | None]) -> bool:
    """Whether a column takes a value. The server names the column of a value only if it violates a constraint."""
    try:
        await connection.execute(_FITS, {"row": to_json(value).decode()})
    except DBAPIError as error:
        if not refuses_data(error):
            raise
        return False
    return True


async def any_unread(connection: AsyncConnection, task_ids: Sequence[str]) -> bool:
    """Whether the department has not yet read one of these tasks."""
    return bool(await connection.scalar(_ANY_UNREAD, {"task_ids": task_ids}))


async def answers(connection: AsyncConnection, task_ids: Sequence[str]) -> list[tuple[Read, Row[Any]]]:
    """The rows about these tasks, read or not: receipts first, each kind in the order of its writing."""
    return [
        (Read(table, row.id, row.version), row)
        for table, statement in ((Table.PROCESS, _PROCESSES_OF), (Table.RESULT, _RESULTS_OF))
        for row in await connection.execute(statement, {"task_ids": task_ids})
    ]


async def processes(connection: AsyncConnection, task_ids: Sequence[str]) -> Sequence[Row[Any]]:
    """The rows of ``up_pro_process`` about these tasks, read or not, in the order of their writing."""
    return (await connection.execute(_PROCESSES_OF, {"task_ids": task_ids})).all()


async def unread(connection: AsyncConnection, limit: int) -> list[tuple[Read, Row[Any]]]:
    """At most ``limit`` rows that are not marked read. Receipts come first: a task is delivered before its decision."""
    results = (await connection.execute(_RESULTS_UNREAD, {"limit": limit})).all()
    left = limit - len(results)
    processes = (await connection.execute(_PROCESSES_UNREAD, {"limit": left})).all() if left else ()
    left -= len(processes)
    procedures = (await connection.execute(_PROCEDURES_UNREAD, {"limit": left})).all() if left else ()
    tables = ((Table.PROCESS, processes), (Table.PROCEDURE, procedures), (Table.RESULT, results))
    return [(Read(table, row.id, row.version), row) for table, rows in tables for row in rows]


async def mark_read(connection: AsyncConnection, read: Sequence[Read]) -> int:
    """Mark these rows read, but those that have changed since or are locked. Returns how many were marked."""
    if not read:
        return 0
    marks: dict[str, list[int]] = {}
    for table in Table:
        marks[table.value] = [one.id for one in read if one.table is table]
        marks[f"{table.value}_versions"] = [one.version for one in read if one.table is table]
    return int(await connection.scalar(_MARK_READ, marks) or 0)
