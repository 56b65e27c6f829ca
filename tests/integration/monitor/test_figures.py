"""The figures of the board on a real PostgreSQL: they follow from the states of all cases, whatever happens."""

import asyncio
from datetime import date, datetime, timedelta
from random import Random

import pytest

from contracts.envelope import Message, TimerFired
from contracts.messages.alerts import AlertAcknowledged, AlertAppealed, AppealDecided, Rung
from contracts.messages.cases import StepState
from contracts.messages.side_timers import SideTimer, SideTimersReported
from contracts.working_time.notices import Notice, NoticeDay
from services.monitor.core.board.figures import COUNTED
from services.monitor.core.holds import BeginHold, EndHold
from services.monitor.core.rules import rule_set
from services.monitor.jobs.figure_counter import FigureCounter
from services.monitor.store.board import counting
from services.runtime.store import changed_cases
from services.runtime.store.database import transaction
from tests.integration.monitor.board_figures import calm, count, expected, kept
from tests.support.messages import MONDAY, at, case_extended, case_restarted, case_suspended, limits, report
from tests.support.monitor_histories import BUSINESS, CASE_RED, INSTANT, REPORTED_OPEN, STEP_RED, STEP_YELLOW, business
from tests.support.monitor_process import (
    LOCAL_HOLIDAY,
    NANNING,
    RULES,
    SHIPPED,
    Killed,
    MonitorProcess,
    kill,
    number,
)

CARD_AT = STEP_YELLOW + INSTANT
SLOW = business(limits(5, 20), limits(2, 9), limits(3, 6), region=NANNING)
FIXED = business(limits(at("2026-03-10 12:00"), at("2026-03-20 12:00")))

Event = tuple[str, Message, datetime]


def events() -> list[Event]:
    """What happens in nine cases, in the order of its time."""
    good, late, carded, held, slow, restarted, fixed, undelivered, corrected = map(number, range(1, 10))
    licence = {"commitment": "step/licence", "by": "li", "reason": "r"}
    decision = licence | {"by": "zhou"}
    timer = SideTimer(commitment="complaint/1", owner="Commerce", started_at=MONDAY)
    answered = timer.replace(ended_at=at("2026-03-12 09:00"))
    found: list[Event] = [
        (case, BUSINESS.accepted(MONDAY), MONDAY) for case in (good, late, carded, held, undelivered, corrected)
    ]
    found += [(case, SLOW.accepted(MONDAY), MONDAY) for case in (slow, restarted)]
    found += [(fixed, FIXED.accepted(MONDAY), MONDAY)]
    found += [(case, BUSINESS.delivered("licence", MONDAY), MONDAY) for case in (good, late, carded, held)]
    found += [(case, SLOW.delivered("licence", MONDAY), MONDAY) for case in (slow, restarted)]
    found += [
        (good, BUSINESS.done("licence", MONDAY, delivered_at=MONDAY), MONDAY),
        (good, BUSINESS.decided(at("2026-03-04 12:00")), at("2026-03-04 12:00")),
        (late, BUSINESS.done("licence", STEP_RED, delivered_at=MONDAY), STEP_RED + timedelta(days=1)),
        (late, BUSINESS.decided(CASE_RED + INSTANT), CASE_RED + INSTANT),
        (carded, TimerFired(), at("2026-03-03 09:30")),
        (
            carded,
            AlertAcknowledged(rung=Rung.WARNING, acknowledged_at=at("2026-03-03 10:00"), **licence),
            at("2026-03-03 10:00"),
        ),
        (carded, TimerFired(), CARD_AT),
        (carded, REPORTED_OPEN, CARD_AT),
        (
            carded,
            AlertAppealed(rung=Rung.YELLOW, appealed_at=at("2026-03-05 10:00"), **licence),
            at("2026-03-05 10:00"),
        ),
        (
            carded,
            AppealDecided(rung=Rung.YELLOW, upheld=True, decided_at=at("2026-03-16 10:00"), **decision),
            at("2026-03-16 10:00"),
        ),
        (held, BeginHold(hold="h1", since=at("2026-03-04 09:00"), by="zhou", reason="r"), at("2026-03-04 09:00")),
        (held, EndHold(hold="h1", until=at("2026-03-09 15:00"), by="zhou", reason="r"), at("2026-03-09 15:00")),
        (held, BUSINESS.decided(at("2026-03-11 12:00")), at("2026-03-11 12:00")),
        (slow, SLOW.suspended("licence", "P1", at("2026-03-03 11:00")), at("2026-03-03 11:00")),
        (slow, case_suspended(at("2026-03-03 12:00")), at("2026-03-03 12:00")),
        (slow, case_suspended(at("2026-03-03 12:00"), at("2026-03-06 12:00")), at("2026-03-06 12:00")),
        (slow, case_extended(4, at("2026-03-09 12:00"), steps=("licence",)), at("2026-03-09 12:00")),
        (slow, SLOW.done("licence", at("2026-03-12 12:00"), delivered_at=MONDAY), at("2026-03-12 12:00")),
        (slow, SideTimersReported(change_id="t1", matter="start-business", region=NANNING, timers=(timer,)), MONDAY),
        (
            slow,
            SideTimersReported(change_id="t2", matter="start-business", region=NANNING, timers=(answered,)),
            at("2026-03-12 09:00"),
        ),
        (restarted, case_restarted(at("2026-03-05 09:00")), at("2026-03-05 09:00")),
        (restarted, SLOW.done("licence", at("2026-03-06 12:00"), delivered_at=MONDAY), at("2026-03-06 12:00")),
        (restarted, SLOW.decided(at("2026-03-10 12:00")), at("2026-03-10 12:00")),
        (corrected, case_suspended(at("2026-03-04 09:00")), at("2026-03-04 09:00")),
        (corrected, BUSINESS.decided(at("2026-03-13 12:00")), at("2026-03-13 12:00")),
        (fixed, FIXED.decided(at("2026-03-10 12:00")), at("2026-03-10 12:00")),
        (undelivered, TimerFired(), CARD_AT),
        (undelivered, BUSINESS.reported(report("licence", StepState.REQUESTED, MONDAY)), CARD_AT),
        (undelivered, BUSINESS.delivered("licence", CASE_RED, requested_at=MONDAY), CASE_RED),
    ]
    return sorted(found, key=lambda event: event[2])


@pytest.mark.parametrize("seed", range(6))
async def test_figures_follow_from_the_states_in_whatever_order_messages_arrive(
    monitor: MonitorProcess, seed: int
) -> None:
    random = Random(seed)
    messages = events()
    if seed:  # others first, late and repeated
        messages += random.sample(messages, 12)
        random.shuffle(messages)
    for case, message, time in messages:
        await monitor.process_messages(case, message, time=time)
        if random.random() < 0.3:
            await count(monitor)
    await count(monitor)
    figures = await kept(monitor)
    assert figures == expected(await monitor.states(), RULES)
    counted = {name for counts in figures.values() for name in counts}
    if not seed:
        assert counted == {*COUNTED} - {"oversights", "appeals_rejected"}, "the histories have everything"
    async with transaction(monitor.process.database) as connection:
        assert await counting.recount(connection) == 0
    assert await kept(monitor) == figures


async def test_every_count_between_two_messages_is_right(monitor: MonitorProcess) -> None:
    for case, message, time in events():
        await monitor.process_messages(case, message, time=time)
        await count(monitor)
        assert await kept(monitor) == expected(await monitor.states(), RULES), message


async def test_a_change_counts_once_however_often_the_process_is_killed(
    monitor: MonitorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    await monitor.process_messages(number(1), BUSINESS.accepted(MONDAY))
    write = counting.write_facts

    async def write_then_kill(*arguments: object) -> None:
        await write(*arguments)  # type: ignore[arg-type]
        raise Killed

    for killed in (kill, write_then_kill, write_then_kill):
        monkeypatch.setattr(counting, "write_facts", killed)
        with pytest.raises(Killed):
            await count(monitor)
        assert await kept(monitor) == {}
    monkeypatch.undo()
    await count(monitor)
    await count(monitor)
    assert await kept(monitor) == expected(await monitor.states(), RULES) != {}


async def test_replicas_that_count_at_once_count_each_change_once(monitor: MonitorProcess) -> None:
    counters = [FigureCounter(monitor.process.database, 0, calm, cases=1) for _ in range(2)]
    for case, message, time in events():
        await monitor.process_messages(case, message, time=time)
        await asyncio.gather(*(counter.run_once() for counter in counters))
    await count(monitor)
    assert await kept(monitor) == expected(await monitor.states(), RULES)


async def test_an_amended_calendar_moves_days_that_are_counted(monitor: MonitorProcess) -> None:
    for case in map(number, range(3)):
        await monitor.process_messages(case, SLOW.accepted(MONDAY))
    await monitor.process_messages(number(0), SLOW.decided(at("2026-03-05 12:00")), time=at("2026-03-05 12:00"))
    await count(monitor)
    before = await kept(monitor)
    day = NoticeDay(name="台风", date=date(2026, 3, 6), is_off_day=True)
    typhoon = Notice(year=2026, region="CN-4501", days=(*LOCAL_HOLIDAY.days, day))
    rules = rule_set(SHIPPED, [LOCAL_HOLIDAY, typhoon])
    await monitor.put_rules(rules)
    await count(monitor)
    after = await kept(monitor)
    moved = {key[2] for key in before.keys() ^ after.keys()}
    assert moved == {date(2026, 3, 10), date(2026, 3, 11)}
    assert sum(counts.get("due_open", 0) for counts in after.values()) == sum(
        counts.get("due_open", 0) for counts in before.values()
    )


async def test_facts_outlive_the_states_of_closed_cases(monitor: MonitorProcess) -> None:
    await monitor.process_messages(number(1), BUSINESS.accepted(MONDAY), BUSINESS.decided(MONDAY))
    await count(monitor)
    figures = await kept(monitor)
    await monitor.execute("DELETE FROM cases")
    async with transaction(monitor.process.database) as connection:
        await changed_cases.record_all(connection)
    await monitor.execute("INSERT INTO changed_cases (case_ids) VALUES (ARRAY[:case])", case=number(1))
    await count(monitor)
    assert await kept(monitor) == figures


async def test_a_state_that_cannot_be_read_keeps_no_other_case_from_being_counted(monitor: MonitorProcess) -> None:
    for case in (1, 2):
        await monitor.process_messages(number(case), BUSINESS.accepted(MONDAY))
    await monitor.execute("UPDATE cases SET state = '{' WHERE case_id = :case", case=number(1))
    await count(monitor)
    assert {row[0] for row in await monitor.rows("SELECT case_id FROM commitment_facts")} == {number(2)}


async def test_a_batch_records_its_cases_in_the_statement_that_saves_them(monitor: MonitorProcess) -> None:
    statements: list[str] = []
    # With the first batch, asyncpg asks the server about types.
    await monitor.process_messages(number(1), BUSINESS.accepted(MONDAY))
    async with monitor.batches.exclusive() as driver:
        driver.add_query_logger(lambda record: statements.append(record.query))
    await monitor.process_messages(number(2), BUSINESS.accepted(MONDAY), BUSINESS.delivered("licence", MONDAY))
    await asyncio.sleep(0)  # asyncpg reports a statement in the next iteration of the event loop
    load, save = statements
    assert "changed_cases" not in load
    assert "INSERT INTO cases" in save and "INSERT INTO changed_cases" in save
    assert await monitor.rows("SELECT case_ids FROM changed_cases ORDER BY 1") == [([number(1)],), ([number(2)],)]


async def test_changes_wait_while_processors_are_busy(monitor: MonitorProcess) -> None:
    for case in range(3):
        await monitor.process_messages(number(case), BUSINESS.accepted(MONDAY))
    pressure = [1.0]
    database = monitor.process.database
    counters = [FigureCounter(database, longest, lambda _: pressure[0], cases=1) for longest in (3600, 0)]
    patient, late = counters

    async def counted() -> int:
        return len(await monitor.rows("SELECT DISTINCT case_id FROM commitment_facts"))

    assert not await patient.run_once()
    assert await counted() == 0
    assert not await late.run_once(), "it rests afterwards"
    assert await counted() == 1
    assert not await late.run_once(), "it rests"
    assert await counted() == 1
    pressure[0] = 0.0
    for done in (2, 3):
        assert await patient.run_once()
        assert await counted() == done
    assert not await patient.run_once()
