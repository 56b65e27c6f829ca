"""The audit from beginning to end."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from services.operator.audit.checksum_compare import Comparison, Twice, compare, sample, suspects
from services.operator.audit.invariants import Grounds, Invariant
from services.operator.audit.recheck import Recheck
from services.operator.audit.report import Report
from services.operator.audit.targets import MARGIN, Tables, Targets, opened

_UNPUBLISHED = """
    SELECT u.case_id, count(*) AS messages FROM unpublished, unnest(case_ids, message_ids) AS u (case_id, message_id)
    WHERE coalesce((SELECT settled_at FROM dead_letters AS d
        WHERE d.case_id = u.case_id AND d.letter_id = u.message_id AND d.status = 'replayed'), created_at)
        < clock_timestamp() - interval '1 minute'
    GROUP BY u.case_id ORDER BY u.case_id
"""
"""A letter that is handed back is said anew when it is, whatever its mark says."""

_PARKED = "SELECT count(*) FROM dead_letters WHERE status = 'parked'"
_UNREASONED = """
    SELECT case_id, number FROM dead_letters WHERE status = 'parked' AND coalesce(btrim(reason), '') = '' ORDER BY 1, 2
"""

_TASKS_WITH = """
    SELECT case_id, {column} AS number FROM (
        SELECT case_id, task -> 'request' ->> 'task_id' AS task_id,
            coalesce(task -> 'decision' ->> 'reference', task -> 'receipt' ->> 'reference') AS reference,
            task -> 'decision' ->> 'document' AS document
        FROM cases, jsonb_array_elements(state::jsonb -> 'tasks') AS task
    ) AS tasks
    WHERE hashtextextended({column}, 1) = ANY($1)
"""
_ENTRIES_WITH = """
    SELECT split_part(task_id, '/', 1) AS case_id, number FROM (%books%) AS books
    WHERE hashtextextended(number, 1) = ANY($1) AND task_id IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the operator asked for: how many cases are folded anew (None: all), and how long messages may take."""

    replay: int | None = 1000
    patience_s: float = 60.0


async def audit(places: Targets, wanted: Wanted, console: Console) -> Report:
    """Examine everything. Raises `Unreachable` if a service's database cannot be read."""
    began = time.monotonic()
    report = Report()
    async with AsyncExitStack() as stack:
        # A connection reads one thing at a time: whole tables or single cases, which cases those are, their messages.
        tables, lists, ledgers = [await stack.enter_async_context(opened(places)) for _ in range(3)]
        kept_since = await places.kept_since(tables)
        grounds = Grounds(
            now=places.clock.now(),
            soon=datetime.now(UTC),
            kept_since=kept_since,
            closed_since=places.clock.now() - places.closed_kept + MARGIN,
        )
        with _progress(console) as progress:
            # Each leaves a processor idle at times: the reading to the end of its last statement, the folding at all.
            async with asyncio.TaskGroup() as both:
                reading = both.create_task(compare(tables, places, kept_since, _reading(progress)))
                folded = Recheck(ledgers, places, grounds, report, wanted.patience_s)
                chosen = sample(lists.services["intake"], wanted.replay)
                say = _looking(progress, "folding messages anew", wanted.replay)
                both.create_task(folded.look(chosen, say, fold=True))
            sifted = reading.result()
            _count(report, sifted)
            await _waiting(tables, report)
            await _given_twice(tables, places, sifted, report)
            inquest = Recheck(tables, places, grounds, report, wanted.patience_s)
            await inquest.look(suspects(lists, places, sifted), _looking(progress, "looking at single cases", None))
        _note(report, tables, kept_since, wanted, sifted)
    report.seconds = time.monotonic() - began
    return report


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True)


def _reading(progress: Progress) -> Callable[[str, int, int], None]:
    task = progress.add_task("reading the databases", total=None)

    def say(database: str, done: int, wanted: int) -> None:
        progress.update(task, description=f"reading the databases: {database}", completed=done, total=wanted)
        if not progress.console.is_terminal:
            progress.console.print(f"read {done} of {wanted} tables: {database}")

    return say


def _looking(progress: Progress, what: str, total: int | None) -> Callable[[int], None]:
    task = progress.add_task(what, total=total)
    shown = time.monotonic()

    def say(done: int) -> None:
        nonlocal shown
        progress.update(task, completed=done)
        if not progress.console.is_terminal and time.monotonic() - shown > 5:
            shown = time.monotonic()
            progress.console.print(f"{what}: {done:,}")

    return say


def _count(report: Report, sifted: Comparison) -> None:
    report.differing = {fact.value: buckets for fact, buckets in sifted.differing.items() if buckets}
    examined = {
        Invariant.DECIDED: ("cases",),
        Invariant.TASKS: ("tasks",),
        Invariant.COMMITMENTS: ("commitments",),
        Invariant.RUNGS: ("rungs",),
        Invariant.PUBLISHED: ("messages",),
        Invariant.UNIQUE: ("cases", "entries", "held", "documents", "fees"),
    }
    for invariant, names in examined.items():
        report.findings[invariant].examined = sum(sifted.counts[name] for name in names)


async def _waiting(tables: Tables, report: Report) -> None:
    """What lies unpublished or parked: a handful of rows, or something is wrong."""
    for name, connection in tables.services.items():
        async with connection.transaction(readonly=True):
            async for row in connection.cursor(_UNPUBLISHED):
                what = f"{name} has {row['messages']} messages that are unpublished for more than a minute"
                report.breaks(Invariant.PUBLISHED, row["case_id"], [what])
            report.findings[Invariant.PARKED].examined += await connection.fetchval(_PARKED)
            async for row in connection.cursor(_UNREASONED):
                report.breaks(Invariant.PARKED, row["case_id"], [f"letter {row['number']} of {name} has no reason"])


async def _given_twice(tables: Tables, places: Targets, sifted: Comparison, report: Report) -> None:
    """Numbers of which the reading found the hash twice, looked up by themselves."""
    for twice in sifted.twice:
        query, connection = _lookup(twice, tables, places)
        holders: dict[str, list[str]] = {}
        for row in await connection.fetch(query, twice.hashes):
            holders.setdefault(row["number"], []).append(row["case_id"])
        where = f"the books of {twice.system}" if twice.in_books else twice.system
        for number, case_ids in holders.items():
            if len(case_ids) > 1:
                what = f"{number} stands in {where} {len(case_ids)} times: {', '.join(sorted(case_ids)[:5])}"
                report.breaks(Invariant.UNIQUE, min(case_ids), [what])


def _lookup(twice: Twice, tables: Tables, places: Targets) -> tuple[str, Any]:
    if twice.in_books:
        return _ENTRIES_WITH.replace("%books%", places.books[twice.system].query), tables.books[twice.system]
    column = "document" if twice.column == "document_twice" else "reference"
    return _TASKS_WITH.format(column=column), tables.services[twice.system]


def _note(report: Report, tables: Tables, kept_since: datetime, wanted: Wanted, sifted: Comparison) -> None:
    for system, why in tables.closed_books.items():
        report.notes.append(f"the books of {system} are not examined: {why}")
    report.notes.append(f"ledgers are compared since {kept_since:%Y-%m-%d %H:%M}; before, they may have been forgotten")
    if wanted.replay is not None and wanted.replay < sifted.counts["cases"]:
        report.notes.append(
            f"messages are folded anew for {wanted.replay:,} of {sifted.counts['cases']:,} cases, spread over all; "
            "--replay all folds every one"
        )
