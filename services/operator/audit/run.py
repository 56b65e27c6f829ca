"""Runs the audit from beginning to end."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from contracts.bilingual import both
from services.operator.audit.checksum_compare import Comparison, Duplicate, compare, sample, suspects
from services.operator.audit.invariants import Invariant, Moments
from services.operator.audit.queries import case_queries
from services.operator.audit.recheck import Recheck
from services.operator.audit.report import Report
from services.operator.audit.targets import MARGIN, Connection, Connections, Targets, opened

READING = both("reading the databases", "读取数据库")

_PROGRESS_EVERY_S = 5.0


@dataclass(frozen=True, slots=True)
class AuditOptions:
    """Options of an audit.

    ``replay`` is the number of cases whose messages are replayed, None for all. A message that is not processed
    after ``lost_after_s`` seconds counts as lost.
    """

    replay: int | None = 1000
    lost_after_s: float = 60.0


async def audit(targets: Targets, options: AuditOptions, console: Console) -> Report:
    """Examine everything. Raises `Unreachable` if a service's database cannot be read."""
    began = time.monotonic()
    report = Report()
    async with AsyncExitStack() as stack:
        # A connection reads one thing at a time: whole tables or single cases, lists of cases, cases to replay.
        tables, lists, replayed = [await stack.enter_async_context(opened(targets)) for _ in range(3)]
        kept_since = await targets.kept_since(tables)
        moments = Moments(
            now=targets.clock.now(),
            soon=datetime.now(UTC),
            kept_since=kept_since,
            closed_since=targets.clock.now() - targets.closed_retention + MARGIN,
        )
        with _progress(console) as progress:
            # At the same time, since each leaves a CPU idle at times.
            async with asyncio.TaskGroup() as tasks:
                comparing = tasks.create_task(compare(tables, targets, kept_since, _reading(progress)))
                replay = Recheck(replayed, targets, moments, report, options.lost_after_s, replay=True)
                cases = sample(lists.services["intake"], options.replay)
                tasks.create_task(
                    replay.check(cases, _checking(progress, both("replaying messages", "重演消息"), options.replay))
                )
            comparison = comparing.result()
            _count(report, comparison)
            await _check_letters_and_outboxes(tables, report)
            await _check_duplicates(tables, targets, comparison, report)
            recheck = Recheck(tables, targets, moments, report, options.lost_after_s)
            cases = suspects(lists, targets, comparison)
            await recheck.check(cases, _checking(progress, both("checking single cases", "逐件检查"), None))
        _note(report, tables, kept_since, options, comparison)
    report.seconds = time.monotonic() - began
    return report


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True)


def _reading(progress: Progress) -> Callable[[str, int, int], None]:
    task = progress.add_task(READING, total=None)

    def on_progress(database: str, done: int, total: int) -> None:
        progress.update(task, description=f"{READING}: {database}", completed=done, total=total)
        if not progress.console.is_terminal:
            progress.console.print(f"{both(f'read {done} of {total} tables', f'已读 {done}/{total} 张表')}: {database}")

    return on_progress


def _checking(progress: Progress, what: str, total: int | None) -> Callable[[int], None]:
    task = progress.add_task(what, total=total)
    shown = time.monotonic()

    def on_progress(done: int) -> None:
        nonlocal shown
        progress.update(task, completed=done)
        if not progress.console.is_terminal and time.monotonic() - shown > _PROGRESS_EVERY_S:
            shown = time.monotonic()
            progress.console.print(f"{what}: {done:,}")

    return on_progress


def _count(report: Report, comparison: Comparison) -> None:
    report.differing = {fact.value: buckets for fact, buckets in comparison.differing.items() if buckets}
    examined = {
        Invariant.DECIDED: ("cases",),
        Invariant.TASKS: ("tasks",),
        Invariant.COMMITMENTS: ("commitments",),
        Invariant.RUNGS: ("rungs",),
        Invariant.PUBLISHED: ("messages",),
        Invariant.UNIQUE: ("cases", "entries", "held", "documents", "fees"),
    }
    for invariant, names in examined.items():
        report.findings[invariant].examined = sum(comparison.counts[name] for name in names)


async def _check_letters_and_outboxes(tables: Connections, report: Report) -> None:
    """Report unpublished messages and parked letters without a reason: few rows, unless something is wrong."""
    for name, connection in tables.services.items():
        async with connection.transaction(readonly=True):
            async for row in connection.cursor(case_queries.OVERDUE_UNPUBLISHED):
                what = both(
                    f"{name} has {row['messages']} messages that are unpublished for more than a minute",
                    f"{name} 有 {row['messages']} 条消息超过一分钟未发出",
                )
                report.add_broken(Invariant.PUBLISHED, row["case_id"], [what])
            report.findings[Invariant.PARKED].examined += await connection.fetchval(case_queries.PARKED_COUNT)
            async for row in connection.cursor(case_queries.PARKED_WITHOUT_REASON):
                what = both(
                    f"letter {row['number']} of {name} has no reason", f"{name} 的死信 {row['number']} 没有原因"
                )
                report.add_broken(Invariant.PARKED, row["case_id"], [what])


async def _check_duplicates(tables: Connections, targets: Targets, comparison: Comparison, report: Report) -> None:
    """Look up the numbers whose hashes were found twice, since two numbers may share a hash."""
    for duplicate in comparison.duplicates:
        query, connection = _lookup(duplicate, tables, targets)
        holders: dict[str, list[str]] = {}
        for row in await connection.fetch(query, duplicate.hashes):
            holders.setdefault(row["number"], []).append(row["case_id"])
        where = (f"the ledger of {duplicate.system}", f"{duplicate.system} 的台账")
        en, zh = where if duplicate.in_ledger else (duplicate.system, duplicate.system)
        for number, case_ids in holders.items():
            if len(case_ids) > 1:
                holders_shown = ", ".join(sorted(case_ids)[:5])
                what = both(
                    f"{number} is in {en} {len(case_ids)} times: {holders_shown}",
                    f"{number} 在 {zh} 中出现 {len(case_ids)} 次",
                )
                report.add_broken(Invariant.UNIQUE, min(case_ids), [what])


def _lookup(duplicate: Duplicate, tables: Connections, targets: Targets) -> tuple[str, Connection]:
    if duplicate.in_ledger:
        query = targets.ledgers[duplicate.system].statement(case_queries.LEDGER_ROWS_WITH_NUMBER)
        return query, tables.ledgers[duplicate.system]
    column = "document" if duplicate.column == "document_hash" else "reference"
    return case_queries.tasks_with(column), tables.services[duplicate.system]


def _note(
    report: Report, tables: Connections, kept_since: datetime, options: AuditOptions, comparison: Comparison
) -> None:
    for system, reason in tables.unread_ledgers.items():
        report.notes.append(f"{both(f'the ledger of {system} is not examined', f'未检查 {system} 的台账')}: {reason}")
    since = f"{kept_since:%Y-%m-%d %H:%M}"
    report.notes.append(
        both(
            f"messages are compared since {since}: older ones may have been deleted",
            f"只比对 {since} 以来的消息：更早的可能已删除",
        )
    )
    if options.replay is not None and options.replay < comparison.counts["cases"]:
        replayed, all_cases = f"{options.replay:,}", f"{comparison.counts['cases']:,}"
        report.notes.append(
            both(
                f"messages are replayed for {replayed} of {all_cases} cases, spread over all; --replay all replays "
                "every one",
                f"在 {all_cases} 件中均匀抽取 {replayed} 件重演消息；--replay all 重演全部",
            )
        )
