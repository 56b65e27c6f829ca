"""Reads every database once and tells in which buckets of cases something may be wrong.

All databases are read as they were at nearly the same moment, each in one snapshot, without a lock. What moved just
then differs between them, and is looked at by itself afterwards like everything else that differs.
"""

import asyncio
import os
from array import array
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from services.operator.audit import checksum_queries
from services.operator.audit.checksum import Checksum, Fact
from services.operator.audit.targets import Connection, Tables, Targets

MOST_BUCKETS = 1 << 17
"""A sum over so many takes a megabyte; of a million cases, eight share one."""
FEWEST_BUCKETS = 1 << 12

_MEANS = "SET LOCAL work_mem = '96MB'; SET LOCAL effective_io_concurrency = 0"
"""For one statement at a time in each database. What does not fit into memory goes to PostgreSQL's temporary files.

Whole tables are read from front to back: the operating system reads ahead, and a page that the statement's own process
fetches is in its processor's cache. Fetched by others, as PostgreSQL 18 would, pages cost a tenth of the time."""

_JUST_NOW = timedelta(seconds=5)
"""Answers younger than this are not compared with the books: they are on their way."""

AT_ONCE = max(2, os.cpu_count() or 2)
"""Statements that run at the same time."""

_PAGE = 2000

_OF_THE_BOOKS = (Fact.IN_THE_BOOKS, Fact.OUTCOME_IN_THE_BOOKS)

_WHERE = "(hashtextextended(case_id, 0) & $1)::int = ANY($2::int[])"
_IDS = f"SELECT case_id FROM cases WHERE {_WHERE} UNION SELECT case_id FROM outbox WHERE {_WHERE}"
_ALERTED = f" UNION SELECT case_id FROM alerts WHERE {_WHERE}"
_BOOKED = (
    f"SELECT DISTINCT case_id FROM (SELECT split_part(task_id, '/', 1) AS case_id FROM (%books%) b) c WHERE {_WHERE}"
)

Said = Callable[[str, int, int], None]
"""Tells how far it is: what is being read, how many are done, of how many."""


@dataclass(frozen=True, slots=True)
class Twice:
    """Hashes of numbers that were given twice: ``number_twice`` or ``document_twice`` of a system or of its books."""

    system: str
    in_books: bool
    column: str
    hashes: list[int]


@dataclass(slots=True)
class Comparison:
    """What the reading came to."""

    buckets: int
    suspicious: list[int] = field(default_factory=list)
    """The buckets whose cases are to be looked at by themselves."""
    counts: Counter[str] = field(default_factory=Counter)
    twice: list[Twice] = field(default_factory=list)
    differing: Counter[Fact] = field(default_factory=Counter)
    """In how many buckets the two sides of a fact differ."""


async def compare(tables: Tables, places: Targets, kept_since: datetime, say: Said) -> Comparison:
    """Read all of it."""
    work = _scans(tables, places)
    wanted = sum(len(of_database) for _, _, of_database in work)
    estimate = await tables.services["intake"].fetchval("SELECT reltuples FROM pg_class WHERE oid = 'cases'::regclass")
    buckets = FEWEST_BUCKETS
    while buckets < min(estimate, MOST_BUCKETS):
        buckets *= 2
    sifted = Comparison(buckets)
    sums = dict.fromkeys(Fact, 0)
    numbers = {fact: [0, 0] for fact in Fact}
    flags = 0
    until = (places.clock.now() - _JUST_NOW).replace(microsecond=0)
    since = kept_since.replace(microsecond=0)
    arguments = (buckets - 1, _text(since), since, _text(until), until)
    done = 0

    def add(database: str, scan: Checksum, row: Any) -> None:
        nonlocal done, flags
        done += 1
        say(database, done, wanted)
        for fact in scan.all:
            if fact in _OF_THE_BOOKS and database in tables.closed_books:
                continue
            sums[fact] ^= int.from_bytes(row[f"{fact}_x"])
            numbers[fact][fact in scan.second] += int.from_bytes(row[f"{fact}_n"])
        flags |= int.from_bytes(row["flag"])
        for name in scan.counts:
            sifted.counts[name] += row[name] or 0
        for name in scan.unique:
            if row[name]:
                sifted.twice.append(Twice(database, scan is checksum_queries.BOOKS, name, row[name]))

    slots = asyncio.Semaphore(AT_ONCE)
    async with AsyncExitStack() as stack:
        for connection, _, _ in work:
            await stack.enter_async_context(connection.transaction(isolation="repeatable_read", readonly=True))
            await connection.execute("SELECT")  # takes the snapshot
        async with asyncio.TaskGroup() as tasks:
            for connection, database, of_database in work:
                tasks.create_task(_read(connection, database, of_database, arguments, slots, add))
    suspicious = set(_unlike(flags, "I", buckets))
    for fact in Fact:
        one, other = numbers[fact]
        unlike = {*_unlike(sums[fact], "Q", buckets), *_unlike(one ^ other, "I", buckets)}
        sifted.differing[fact] = len(unlike)
        suspicious |= unlike
    sifted.suspicious = sorted(suspicious)
    return sifted


def _unlike(lanes: int, kind: str, buckets: int) -> list[int]:
    """Which elements are not zero, of one number that holds all of them side by side."""
    elements = array(kind)
    elements.frombytes(lanes.to_bytes(buckets * elements.itemsize))
    return [bucket for bucket, element in enumerate(elements) if element]


async def _read(
    connection: Connection,
    database: str,
    of_database: Sequence[tuple[Checksum, str]],
    arguments: tuple[object, ...],
    slots: asyncio.Semaphore,
    add: Callable[[str, Checksum, Any], None],
) -> None:
    """One database's checksum_queries, one after another."""
    for scan, statement in of_database:
        async with slots:
            await connection.execute(_MEANS)
            row = await connection.fetchrow(statement, *arguments)
        add(database, scan, row)


def _text(moment: datetime) -> str:
    """As it stands in JSON, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _scans(tables: Tables, places: Targets) -> list[tuple[Connection, str, list[tuple[Checksum, str]]]]:
    """What is read where, the longest first."""
    of_core = {
        "routing": (checksum_queries.ROUTING_SAID, checksum_queries.ROUTING_CASES),
        "monitor": (checksum_queries.MONITOR_CASES, checksum_queries.MONITOR_SAID, checksum_queries.MONITOR_ALERTS),
        "intake": (checksum_queries.INTAKE_CASES, checksum_queries.INTAKE_SAID),
    }
    work = []
    for name, of_service in of_core.items():
        work.append((tables.services[name], name, [(scan, scan.statement) for scan in of_service]))
    for system in places.systems:
        of_department = (checksum_queries.DEPARTMENT_CASES, checksum_queries.DEPARTMENT_SAID)
        work.append((tables.services[system], system, [(scan, scan.statement) for scan in of_department]))
    for system, connection in tables.books.items():
        statement = checksum_queries.BOOKS.statement.replace("%books%", places.books[system].query)
        work.append((connection, system, [(checksum_queries.BOOKS, statement)]))
    return work


async def suspects(tables: Tables, places: Targets, sifted: Comparison) -> AsyncIterator[str]:
    """The numbers of the cases to be looked at, in order, each once."""
    if not sifted.suspicious:
        return
    arguments = (sifted.buckets - 1, sifted.suspicious)
    queries = [
        (connection, _IDS + (_ALERTED if name == "monitor" else "")) for name, connection in tables.services.items()
    ]
    queries += [
        (connection, _BOOKED.replace("%books%", places.books[s].query)) for s, connection in tables.books.items()
    ]
    async with AsyncExitStack() as stack:
        streams = []
        for connection, query in queries:
            await stack.enter_async_context(connection.transaction(readonly=True))
            ordered = f'SELECT case_id FROM ({query}) AS ids ORDER BY case_id COLLATE "C"'
            streams.append(_stream(connection, ordered, arguments))
        async for case_id in merged(streams):
            yield case_id


async def sample(connection: Connection, wanted: int | None) -> AsyncIterator[str]:
    """So many cases, spread over all by a hash of their numbers; all of them for None."""
    query = 'SELECT case_id FROM cases ORDER BY case_id COLLATE "C"'
    if wanted is not None:
        query = f"SELECT case_id FROM cases ORDER BY hashtextextended(case_id, 2) LIMIT {wanted}"
    async with connection.transaction(readonly=True):
        async for case_id in _stream(connection, query, ()):
            yield case_id


async def _stream(connection: Connection, query: str, arguments: tuple[object, ...]) -> AsyncIterator[str]:
    async for row in connection.cursor(query, *arguments, prefetch=_PAGE):
        yield row["case_id"]


async def merged(streams: Sequence[AsyncIterator[str]]) -> AsyncIterator[str]:
    """Ordered streams as one, each number once. Holds one number a stream."""
    heads = [(await anext(stream, None), stream) for stream in streams]
    while waiting := [head for head, _ in heads if head is not None]:
        least = min(waiting)
        yield least
        heads = [(await anext(stream, None) if head == least else head, stream) for head, stream in heads]
