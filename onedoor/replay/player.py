"""Moves time and cases forward step by step.

At each step the department's clock goes first: the cases that began by then are imported, and the department answers
those that ended by then. When monitor has processed all of it, the clock of the other services follows. So monitor
judges a deadline only after it knows every answer given by then, however slow the machine is.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx2
from rich.console import Console
from rich.progress import Progress
from sqlalchemy.ext.asyncio import AsyncEngine

from onedoor.replay.history import History, RecordedCase
from onedoor.replay.report import Report
from onedoor.replay.store import case_counts, pending_deadlines
from onedoor.temporary_run import RunFailed
from services.departments.recorded.department import DEPARTMENT as RECORDED
from services.departments.recorded.store import RecordedLedger
from services.runtime.clock import FileClock

STEP = timedelta(days=7)
CREEP = 1e-6
"""Speed of the clocks between steps: almost zero, so that no deadline falls due by itself."""

REGION = "450100"
"""The region of all replayed cases, since the history does not name one."""

IMPORT_ROWS = 500
"""Cases a request to ``POST /imports``."""

VIEWS_AT_ONCE = 20
"""Requests for views of cases that run at the same time."""

STUCK_S = 120.0
"""Machine seconds without any progress after which the replay gives up."""


@dataclass(slots=True)
class Player:
    """One replay. ``intake`` and ``monitor`` are the addresses of these services."""

    history: History
    limit_days: int | None
    client: httpx2.AsyncClient
    intake: str
    monitor: str
    clock: FileClock
    department_clock: FileClock
    ledger: RecordedLedger
    monitor_database: AsyncEngine
    numbers: dict[str, str] = field(default_factory=dict)
    """Reference -> case number."""

    async def run(self, console: Console) -> None:
        """Replay everything from the first case to the end of the history. Raises RunFailed."""
        await self.ledger.create()
        await self.ledger.write((case.reference, case.ended_at) for case in self.history.cases)
        waiting = sorted(self.history.cases, key=lambda case: case.started_at)
        with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
            task = progress.add_task("", total=len(waiting))
            for until in _steps(waiting[0].started_at, self.history.ends):
                self.department_clock.set(until, CREEP)
                arrived = [case for case in waiting if case.started_at <= until]
                waiting = waiting[len(arrived) :]
                for cases in _chunks(arrived, IMPORT_ROWS):
                    await self._import(cases)
                await _until(self._all_processed, f"monitor to process everything until {until:%Y-%m-%d}")
                self.clock.set(until, CREEP)
                await _until(self._all_judged, f"monitor to judge the deadlines until {until:%Y-%m-%d}")
                progress.update(task, completed=len(self.numbers), description=f"{until:%Y-%m-%d}")

    async def _import(self, cases: Sequence[RecordedCase]) -> None:
        answer = await self.client.post(f"{self.intake}/imports", json=[self._row(case) for case in cases])
        if answer.status_code != httpx2.codes.OK:
            raise RunFailed(
                f"intake answered {answer.status_code}: {answer.text}; its log tells why",
                f"intake 答复 {answer.status_code}，原因见其日志",
            )
        for case, row in zip(cases, answer.json(), strict=True):
            if "number" not in row:
                en, zh = (
                    "; ".join(f"{one.get('pointer')} {one[name]}" for one in row["errors"])
                    for name in ("detail", "detail_zh")
                )
                raise RunFailed(
                    f"line {case.line}: intake refuses the case: {en}; correct the row",
                    f"第 {case.line} 行：intake 拒绝该办件：{zh}；请更正该行",
                )
            self.numbers[case.reference] = row["number"]

    def _row(self, case: RecordedCase) -> dict[str, Any]:
        row: dict[str, Any] = {
            "reference": case.reference,
            "matter_name": case.reference,
            "department": case.department,
            "system": RECORDED.system,
            "region": REGION,
            "channel": case.channel,
            "accepted_at": case.started_at.isoformat(),
        }
        if self.limit_days is not None:
            row["working_days"] = self.limit_days
        elif case.deadline is not None:
            row["due_at"] = case.deadline.isoformat()
        return row

    async def _all_processed(self) -> tuple[bool, object]:
        """Whether monitor has opened every case imported so far and closed every case answered by now."""
        now = self.department_clock.now()
        decided = sum(
            case.ended_at is not None and case.ended_at <= now
            for case in self.history.cases
            if case.reference in self.numbers
        )
        opened, closed = await case_counts(self.monitor_database)
        return opened == len(self.numbers) and closed == decided, (opened, closed)

    async def _all_judged(self) -> tuple[bool, object]:
        """Whether monitor has processed every deadline that has passed."""
        pending = await pending_deadlines(self.monitor_database, self.clock.now())
        return pending == 0, pending

    async def report(self) -> Report:
        """The result of every case, as monitor shows it. Raises RunFailed if a case drew a rung twice."""
        rungs: dict[str, dict[str, str]] = defaultdict(dict)
        report = Report()
        async for alert in self._alerts():
            if alert["withdrawn_at"]:
                report.withdrawn += 1
            elif alert["rung"] in rungs[alert["case_id"]]:
                raise RunFailed(
                    f"case {alert['case_id']} drew two alerts of the rung {alert['rung']}: report this as a fault of "
                    "onedoor",
                    f"办件 {alert['case_id']} 触发了两次 {alert['rung']}：请作为 onedoor 的缺陷报告",
                )
            else:
                rungs[alert["case_id"]][alert["rung"]] = alert["due_at"]
        for cases in _chunks(self.history.cases, VIEWS_AT_ONCE):
            numbers = [self.numbers[case.reference] for case in cases]
            views = await asyncio.gather(*(self._get(f"/commitments/{number}") for number in numbers))
            for case, number, view in zip(cases, numbers, views, strict=True):
                report.add(case, view, rungs[number], self.history.ends)
        report.ladder.sort(key=lambda fired: (datetime.fromisoformat(fired.due_at), fired))
        return report

    async def _alerts(self) -> AsyncIterator[dict[str, Any]]:
        after: str | None = None
        while True:
            page = await self._get("/alerts", limit=1000, **({"after": after} if after else {}))
            for alert in page["alerts"]:
                yield alert
            if (after := page["next"]) is None:
                return

    async def _get(self, path: str, **query: object) -> dict[str, Any]:
        answer = await self.client.get(f"{self.monitor}{path}", params={k: str(v) for k, v in query.items()})
        if answer.status_code != httpx2.codes.OK:
            raise RunFailed(
                f"monitor answered {answer.status_code} to {path}: {answer.text}; its log tells why",
                f"monitor 对 {path} 答复 {answer.status_code}，原因见其日志",
            )
        content: dict[str, Any] = answer.json()
        return content


def _steps(first: datetime, last: datetime) -> Iterator[datetime]:
    """The moments to which the clocks are set, ending exactly with the history."""
    at = first + STEP
    while at < last:
        yield at
        at += STEP
    yield last


def _chunks(cases: Sequence[RecordedCase], size: int) -> Iterator[Sequence[RecordedCase]]:
    for start in range(0, len(cases), size):
        yield cases[start : start + size]


async def _until(condition: Callable[[], Awaitable[tuple[bool, object]]], goal: str) -> None:
    """Wait until the condition holds. Raises RunFailed when its progress has not changed for ``STUCK_S``."""
    before: object = None
    deadline = time.monotonic() + STUCK_S
    while True:
        holds, progress = await condition()
        if holds:
            return
        if progress != before:
            before, deadline = progress, time.monotonic() + STUCK_S
        elif time.monotonic() > deadline:
            raise RunFailed(
                f"no progress for {STUCK_S:.0f} s while waiting for {goal} ({progress}); the logs of the services tell "
                "why",
                f"{STUCK_S:.0f} 秒没有进展，原因见各服务的日志",
            )
        await asyncio.sleep(0.01)
