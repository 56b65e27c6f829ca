"""Timers that are due, each fired once by one of the processes."""

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.envelope import Envelope, Message
from services.runtime.batch.processor import BatchProcessor
from services.runtime.batch.timer_schedule import SUPPRESS_S, RetrySuppression
from services.runtime.clock import FileClock, SystemClock, machine_now
from services.runtime.clock_check import ClockCheck, ClockInDoubt, check_for
from services.runtime.jobs.timers import Timers
from services.runtime.service import Statement
from tests.support.runtime.processes import MakeProcessor, break_state, record, rows, tally
from tests.support.runtime.toy import Tally, case


async def test_each_due_timer_fires_once_in_one_of_the_processes(process: MakeProcessor, database: AsyncEngine) -> None:
    processes = [process() for _ in range(3)]
    await processes[0].run([record("timer 2026-03-02T09:00:00+08:00", n) for n in range(100)])
    fired = await asyncio.gather(*(one.fire_timers(20) for one in processes for _ in range(4)))
    assert sum(fired) == 100
    assert {(await tally(database, n)).fired for n in range(100)} == {1}
    assert await processes[0].fire_timers(20) == 0


@pytest.mark.parametrize(
    ("then", "now", "reason"),
    [
        (timedelta(), timedelta(days=2, hours=1), "jumped ahead by 2 days"),
        (timedelta(days=2), timedelta(days=2), "differ by more than a day"),
    ],
)
async def test_nothing_falls_due_by_a_clock_that_may_be_wrong(
    batches: BatchProcessor[Tally], database: AsyncEngine, then: timedelta, now: timedelta, reason: str
) -> None:
    """``then`` and ``now``: by how much the machine's clock is wrong when the process starts, and later."""
    wrong_by = then
    await batches.run([record("timer 2026-03-02T09:00:00+08:00")])
    timers = Timers(batches, 10, ClockCheck(lambda: machine_now() + wrong_by, time.monotonic))
    wrong_by = now
    with pytest.raises(ClockInDoubt, match=reason):
        await timers.run_once()
    assert (await tally(database, 1)).fired == 0
    wrong_by = timedelta()
    assert await timers.run_once()
    assert (await tally(database, 1)).fired == 1


def test_a_clock_file_jumps_on_purpose(tmp_path: Path) -> None:
    assert check_for(SystemClock()) is not None
    assert check_for(FileClock.create(tmp_path / "clock", machine_now())) is None


async def test_a_timer_that_fails_does_not_hold_up_others(
    batches: BatchProcessor[Tally], database: AsyncEngine
) -> None:
    past = "timer 2026-03-02T09:00:00+08:00"
    await batches.run([record(past), record(past, 2)])
    await batches.run([record("fail")])
    assert await batches.fire_timers(10) == 2
    assert (await tally(database, 2)).fired == 1
    assert (await tally(database, 1)).fired == 0
    assert await batches.fire_timers(10) == 0, "it is retried later"


async def test_a_case_that_cannot_be_read_holds_up_no_other_timer(
    batches: BatchProcessor[Tally], database: AsyncEngine
) -> None:
    await batches.run([record("timer 2026-03-02T09:00:00+08:00", n) for n in range(3)])
    await break_state(database, 1)
    assert await batches.fire_timers(10) == 3
    assert [(await tally(database, n)).fired for n in (0, 2)] == [1, 1]
    assert await batches.fire_timers(10) == 0, "it is retried later"
    retry = "SELECT retry_at > now() AND timer_at IS NULL FROM cases WHERE case_id = '{}'"
    assert await rows(database, retry.format(case(1))) == [(True,)]


async def test_a_timer_whose_effects_cannot_be_stored_holds_up_no_other(
    process: MakeProcessor, database: AsyncEngine
) -> None:
    def refused(messages: Sequence[Envelope[Message]]) -> Sequence[Statement]:
        return [("SELECT 1 / $1::int", (int(one.subject != case(1)),)) for one in messages]

    batches = process(projection=refused)
    await batches.run([record("timer 2026-03-02T09:00:00+08:00", n) for n in range(3)])
    assert await batches.fire_timers(10) == 3
    assert [(await tally(database, n)).fired for n in range(3)] == [1, 0, 1]
    assert await batches.fire_timers(10) == 0, "it is retried later"


async def test_while_messages_are_held_up_timers_fire_and_retries_do_not(
    batches: BatchProcessor[Tally], database: AsyncEngine
) -> None:
    await batches.run([record("count")])
    await batches.run([record("timer 2026-03-02T09:00:00+08:00", 2)])
    async with database.begin() as connection:
        await connection.execute(text(f"UPDATE cases SET retry_at = now() WHERE case_id = '{case(1)}'"))
    now = [1_000_000.0]
    batches.retry_suppression = RetrySuppression(now=lambda: now[0])
    batches.retry_suppression.extend()
    assert await batches.load_next_timers(), "a deadline has come"
    assert await batches.fire_timers(10) == 1
    assert [(await tally(database, n)).fired for n in (1, 2)] == [0, 1]
    assert not await batches.load_next_timers()
    now[0] += SUPPRESS_S
    assert await batches.load_next_timers()
    assert await batches.fire_timers(10) == 1
    assert (await tally(database, 1)).fired == 1
