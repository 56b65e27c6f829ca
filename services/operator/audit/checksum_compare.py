"""Reads every database once and finds the buckets of cases in which something may be wrong.

Each database is read in one snapshot, without a lock, and all snapshots are of nearly the same moment. Cases that
change at that moment differ between them and are checked singly afterwards, like every other difference.
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

from services.operator.audit.invariants import MAX_CLOCK_STEP
from services.operator.audit.queries import case_queries, checksum_queries
from services.operator.audit.queries.checksum import Checksum, Fact
from services.operator.audit.targets import Connection, Connections, Targets

MAX_BUCKETS = 1 << 17
"""A checksum over so many takes a megabyte. With a million cases, eight share a bucket."""
MIN_BUCKETS = 1 << 12

_IN_TRANSIT = timedelta(seconds=5)
"""Answers younger than this are not compared with the ledgers: the service may not have them yet."""

STATEMENTS_AT_ONCE = max(2, os.cpu_count() or 2)

_PAGE = 2000

_LEDGER_FACTS = (Fact.IN_LEDGER, Fact.OUTCOME_IN_LEDGER)

OnProgress = Callable[[str, int, int], None]
"""Called with the database that was read, how many tables are done, and of how many."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Hashes of numbers given twice: ``number_hash`` or ``document_hash`` of a system's service or of its ledger."""

    system: str
    in_ledger: bool
    column: str
    hashes: list[int]


@dataclass(slots=True)
class Comparison:
    """The result of comparing all checksums."""

    buckets: int
    suspicious: list[int] = field(default_factory=list)
    """The buckets whose cases must be checked singly."""
    counts: Counter[str] = field(default_factory=Counter)
    duplicates: list[Duplicate] = field(default_factory=list)
    differing: Counter[Fact] = field(default_factory=Counter)
    """In how many buckets the two sides of a fact differ."""


async def compare(tables: Connections, targets: Targets, kept_since: datetime, on_progress: OnProgress) -> Comparison:
    """Read all databases and compare their checksums."""
    work = _statements(tables, targets)
    total = sum(len(of_database) for _, _, of_database in work)
    estimate = await tables.services["intake"].fetchval(case_queries.ESTIMATED_CASES)
    buckets = MIN_BUCKETS
    while buckets < min(estimate, MAX_BUCKETS):
        buckets *= 2
    comparison = Comparison(buckets)
    sums = dict.fromkeys(Fact, 0)
    numbers = {fact: [0, 0] for fact in Fact}
    flags = 0
    until = (targets.clock.now() - _IN_TRANSIT).replace(microsecond=0)
    since = kept_since.replace(microsecond=0)
    ahead = targets.clock.now() + MAX_CLOCK_STEP
    arguments = (buckets - 1, _text(since), since, _text(until), until, _text(ahead))
    done = 0

    def add(database: str, checksum: Checksum, row: Any) -> None:
        nonlocal done, flags
        done += 1
        on_progress(database, done, total)
        for fact in checksum.all:
            if fact in _LEDGER_FACTS and database in tables.unread_ledgers:
                continue
            sums[fact] ^= int.from_bytes(row[f"{fact}_x"])
            numbers[fact][fact in checksum.second] += int.from_bytes(row[f"{fact}_n"])
        flags |= int.from_bytes(row["flag"])
        for name in checksum.counts:
            comparison.counts[name] += row[name] or 0
        for name in checksum.unique:
            if row[name]:
                comparison.duplicates.append(Duplicate(database, checksum is checksum_queries.LEDGER, name, row[name]))

    slots = asyncio.Semaphore(STATEMENTS_AT_ONCE)
    async with AsyncExitStack() as stack:
        for connection, _, _ in work:
            await stack.enter_async_context(connection.transaction(isolation="repeatable_read", readonly=True))
            await connection.execute(checksum_queries.TAKE_SNAPSHOT)
        async with asyncio.TaskGroup() as tasks:
            for connection, database, of_database in work:
                tasks.create_task(_read(connection, database, of_database, arguments, slots, add))
    suspicious = set(_nonzero(flags, "I", buckets))
    for fact in Fact:
        one, other = numbers[fact]
        differing = {*_nonzero(sums[fact], "Q", buckets), *_nonzero(one ^ other, "I", buckets)}
        comparison.differing[fact] = len(differing)
        suspicious |= differing
    comparison.suspicious = sorted(suspicious)
    return comparison


def _nonzero(lanes: int, kind: str, buckets: int) -> list[int]:
    """The indices of the elements that are not zero, of one number that holds all of them side by side."""
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
    """Run the statements of one database, one after another."""
    for checksum, statement in of_database:
        async with slots:
            await connection.execute(checksum_queries.SESSION)
            row = await connection.fetchrow(statement, *arguments)
        add(database, checksum, row)


def _text(moment: datetime) -> str:
    """The moment as JSON has it, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _statements(tables: Connections, targets: Targets) -> list[tuple[Connection, str, list[tuple[Checksum, str]]]]:
    """The statements for each connection, the longest first."""
    of_core = {
        "routing": (checksum_queries.ROUTING_OUTBOX, checksum_queries.ROUTING_CASES),
        "monitor": (checksum_queries.MONITOR_CASES, checksum_queries.MONITOR_OUTBOX, checksum_queries.MONITOR_ALERTS),
        "intake": (checksum_queries.INTAKE_CASES, checksum_queries.INTAKE_OUTBOX),
    }
    work = []
    for name, of_service in of_core.items():
        work.append((tables.services[name], name, [(checksum, checksum.statement) for checksum in of_service]))
    for system in targets.systems:
        of_department = (checksum_queries.DEPARTMENT_CASES, checksum_queries.DEPARTMENT_OUTBOX)
        work.append((tables.services[system], system, [(checksum, checksum.statement) for checksum in of_department]))
    for system, connection in tables.ledgers.items():
        statement = targets.ledgers[system].statement(checksum_queries.LEDGER.statement)
        work.append((connection, system, [(checksum_queries.LEDGER, statement)]))
    return work


async def suspects(tables: Connections, targets: Targets, comparison: Comparison) -> AsyncIterator[str]:
    """The numbers of the cases that must be checked singly, in order, each once."""
    if not comparison.suspicious:
        return
    arguments = (comparison.buckets - 1, comparison.suspicious)
    queries = [
        (connection, case_queries.ALERTED_SUSPECTS if name == "monitor" else case_queries.SUSPECTS)
        for name, connection in tables.services.items()
    ]
    queries += [
        (connection, targets.ledgers[system].statement(case_queries.LEDGER_SUSPECTS))
        for system, connection in tables.ledgers.items()
    ]
    async with AsyncExitStack() as stack:
        streams = []
        for connection, query in queries:
            await stack.enter_async_context(connection.transaction(readonly=True))
            streams.append(_stream(connection, case_queries.ordered(query), arguments))
        async for case_id in merged(streams):
            yield case_id


async def sample(connection: Connection, count: int | None) -> AsyncIterator[str]:
    """So many cases, spread over all by a hash of their numbers; None means all."""
    query = case_queries.ALL_CASES if count is None else case_queries.sample_of(count)
    async with connection.transaction(readonly=True):
        async for case_id in _stream(connection, query, ()):
            yield case_id


async def _stream(connection: Connection, query: str, arguments: tuple[object, ...]) -> AsyncIterator[str]:
    async for row in connection.cursor(query, *arguments, prefetch=_PAGE):
        yield row["case_id"]


async def merged(streams: Sequence[AsyncIterator[str]]) -> AsyncIterator[str]:
    """Ordered streams merged into one, each number once. Holds one number a stream."""
    heads = [(await anext(stream, None), stream) for stream in streams]
    while waiting := [head for head, _ in heads if head is not None]:
        least = min(waiting)
        yield least
        heads = [(await anext(stream, None) if head == least else head, stream) for head, stream in heads]
