"""The list of due commitments, on a real PostgreSQL."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from random import Random

import pytest

from contracts.messages.alerts import AlertAppealed, AppealDecided, Rung
from contracts.messages.cases import StepState, SuspensionKind
from contracts.messages.commitments import CommitmentKey
from contracts.messages.side_timers import SideTimer, SideTimersReported
from contracts.working_time import working_days_between
from services.monitor.core.state import MonitoredCase
from tests.support.messages import MONDAY, at, case_extended, case_suspended, report
from tests.support.monitor_histories import BUSINESS, CASE_YELLOW, INSTANT
from tests.support.monitor_process import (
    NANNING,
    RULES,
    SHENZHEN,
    MonitorProcess,
    begun,
    keys,
    number,
)
from tests.support.scenario import At

DELIVERED = BUSINESS.delivered("licence", MONDAY)
DONE = BUSINESS.done("licence", MONDAY, delivered_at=MONDAY)


async def test_due_commitments_are_counted_in_working_days_of_their_region(monitor: MonitorProcess) -> None:
    await monitor.process_messages(number(1), begun(SHENZHEN), DELIVERED)
    await monitor.process_messages(number(2), begun(NANNING), DELIVERED)

    async def due(days: int) -> list[tuple[str, str, int]]:
        page = await monitor.get("/due", days=days)
        return [(row["case_id"], row["commitment"], row["working_days_left"]) for row in page["commitments"]]

    licences = [(number(1), "step/licence", 1), (number(2), "step/licence", 1)]
    assert await due(0) == []
    assert await due(1) == await due(4) == licences
    # Guangxi is off on Wednesday: five of its working days end a day later, and are five all the same.
    cases = [(number(1), "case", 5), (number(2), "case", 5)]
    assert await due(5) == licences + cases
    (first,) = await monitor.commitments("/due", days=5, region="45", kind="case")
    assert first == {
        "case_id": number(2),
        "commitment": "case",
        "owner": "Commerce",
        "matter": "start-business",
        "matter_name": None,
        "step_name": None,
        "region": NANNING,
        "region_name": "青秀区",
        "opened_at": "2026-03-02T02:00:00Z",
        "committed_due": "2026-03-10T09:30:00Z",
        "statutory_due": first["statutory_due"],
        "provisional": False,
        "working_days_left": 5,
        "rungs": [],
    }
    await monitor.pass_to(at("2026-03-06 10:00"))
    assert [row[:2] for row in await due(1)] == [(number(1), "case")]
    (warned,) = await monitor.commitments("/due", days=1)
    assert warned["rungs"] == ["warning"]
    await monitor.pass_to(CASE_YELLOW)
    assert await due(0) == [(number(1), "case", 0)], "a limit that ends at this moment is not overdue"
    await monitor.pass_to(CASE_YELLOW + INSTANT)
    assert await due(0) == []


async def test_a_paused_or_answered_commitment_is_not_due(monitor: MonitorProcess) -> None:
    for n in range(1, 5):
        await monitor.process_messages(number(n), begun(), DELIVERED)
    hold = case_suspended(MONDAY, kind=SuspensionKind.HOLD)
    await monitor.process_messages(number(1), hold)
    await monitor.process_messages(number(2), DONE)
    await monitor.process_messages(number(3), BUSINESS.decided(MONDAY))
    found = keys(await monitor.commitments("/due", days=20))
    assert found == [(number(4), "step/licence"), (number(2), "case"), (number(4), "case")]


async def test_a_case_behind_a_dead_letter_is_still_due(monitor: MonitorProcess) -> None:
    await monitor.process_messages(number(1), begun(), DELIVERED)
    await monitor.execute("UPDATE cases SET timer_at = NULL, retry_at = now()")
    await monitor.execute(
        "INSERT INTO dead_letters (case_id, letter_id, blocking, reason, topic, origin)"
        " VALUES (:case, gen_random_uuid(), TRUE, 'a fault', 't', 'o')",
        case=number(1),
    )
    assert len(await monitor.commitments("/due")) == 2


def side_timers(random: Random, region: str, started_at: datetime, hours: int) -> SideTimersReported:
    """Intake's report of side timers: some of them have ended by then."""
    timers = tuple(
        SideTimer(
            commitment=key,
            owner="Commerce",
            started_at=started_at,
            ended_at=started_at + timedelta(hours=hours) if random.random() < hours / 300 else None,
        )
        for key in ("acceptance", "notice", "delivery", "complaint/1", "consultation/1")
    )
    return SideTimersReported(change_id=f"timers-{hours}", matter="start-business", region=region, timers=timers)


def history(random: Random, began_at: datetime) -> list[At]:
    """The messages of a case that begins then: some are suspended, some extended, some answered, some late."""
    region = random.choice((SHENZHEN, NANNING, "450200", "110101"))
    messages: list[At] = [(begun(region, random.randint(0, 12), random.randint(0, 6), began_at), began_at)]
    if random.random() < 0.9:
        messages.append((BUSINESS.delivered("licence", began_at), began_at))
    if random.random() < 0.3:
        since = began_at + timedelta(hours=random.randint(1, 100))
        until = since + timedelta(days=random.randint(1, 9)) if random.random() < 0.5 else None
        kind = random.choice((SuspensionKind.HOLD, SuspensionKind.CORRECTION))
        messages.append((case_suspended(since, until, kind=kind, recorded_at=since), since))
    if random.random() < 0.2:
        notified_at = began_at + timedelta(days=2)
        messages.append((case_extended(10, notified_at), notified_at))
    if random.random() < 0.5:
        answered_at = began_at + timedelta(days=random.randint(0, 12))
        messages.append((BUSINESS.done("licence", answered_at, delivered_at=min(answered_at, MONDAY)), answered_at))
    if random.random() < 0.3:
        decided_at = began_at + timedelta(days=random.randint(1, 20))
        messages.append((BUSINESS.decided(decided_at), decided_at))
    if random.random() < 0.4:
        for hours in (0, 90, 200):
            messages.append((side_timers(random, region, began_at, hours), began_at + timedelta(hours=hours)))
    still_open = BUSINESS.reported(report("licence", StepState.DELIVERED, began_at))
    messages += [(still_open, began_at + timedelta(days=day)) for day in range(2, 20, 3)]
    return messages


def naively_due(states: Mapping[str, MonitoredCase], now: datetime, days: int) -> set[tuple[str, CommitmentKey, int]]:
    """The same by a pass over all states."""
    found = set()
    for case_id, state in states.items():
        for tracked in state.commitments:
            if tracked.due is None or tracked.due.pause or state.ended_at(tracked) or tracked.due.committed_due < now:
                continue
            counting = RULES.counting_rules(state.region or "")
            left = working_days_between(now, tracked.due.committed_due, counting.calendar, counting.hours)
            if left <= days:
                found.add((case_id, tracked.key, left))
    return found


@pytest.mark.parametrize("seed", range(3))
async def test_the_list_of_due_equals_a_pass_over_all_cases(monitor: MonitorProcess, seed: int) -> None:
    random = Random(seed)
    messages = [
        (time, n, message)
        for n in range(120)
        for message, time in history(random, MONDAY + timedelta(hours=random.randint(0, 400)))
    ]
    messages.sort(key=lambda one: one[:2])
    for look in range(8):
        now = MONDAY + timedelta(hours=60 * look + random.randint(0, 59))
        while messages and messages[0][0] <= now:
            time, n, message = messages.pop(0)
            await monitor.pass_to(time)
            await monitor.process_messages(number(n), message)
        await monitor.pass_to(now)
        states = await monitor.states()
        for days in (0, 1, 3, 8, 366):
            rows = await monitor.walk("/due", days=days, limit=random.randint(3, 40))
            found = [(row["case_id"], row["commitment"], row["working_days_left"]) for row in rows]
            assert len(set(found)) == len(found)
            assert set(found) == naively_due(states, monitor.clock.now(), days)
            order = [(row["committed_due"], row["case_id"], row["commitment"]) for row in rows]
            assert order == sorted(order)
            for by, column in (("owner", "owner"), ("region", "region"), ("item", "matter")):
                counted = await monitor.get("/due/counts", days=days, by=by)
                counts = {one["name"]: one["commitments"] for one in counted["counts"]}
                assert counts == Counter(row[column] for row in rows)
                assert counted["total"] == len(rows)
                ranks = [one["commitments"] for one in counted["counts"]]
                assert ranks == sorted(ranks, reverse=True)
        overdue = await monitor.walk("/overdue", limit=random.randint(3, 40))
        for case_id, commitment in keys(overdue):
            tracked = states[case_id].commitment(commitment)
            assert tracked is not None and states[case_id].ended_at(tracked) is None
        assert Counter(keys(overdue)) == Counter({*await standing(monitor)})
        counted = await monitor.get("/overdue/counts", by="region")
        assert {one["name"]: one["commitments"] for one in counted["counts"]} == Counter(
            row["region"] for row in overdue
        )
        for by in ("yellow", "red"):
            assert sum(one[by] for one in counted["counts"]) == sum(row["rung"] == by for row in overdue)


async def standing(monitor: MonitorProcess) -> set[tuple[str, str]]:
    """The commitments with a standing card or a lasting platform issue."""
    cards = await monitor.rows(
        "SELECT case_id, commitment FROM alerts"
        " WHERE rung <> 'warning' AND withdrawn_at IS NULL AND ended_at IS NULL"
        " UNION SELECT case_id, commitment FROM platform_issues WHERE settled_at IS NULL"
    )
    return {(case_id, commitment) for case_id, commitment in cards}


async def test_a_limit_that_has_moved_since_its_card_was_overturned_is_due_again(monitor: MonitorProcess) -> None:
    await monitor.process_messages(number(1), begun(), DELIVERED, DONE)
    late = at("2026-03-10 10:00")
    await monitor.pass_to(late)
    await monitor.process_messages(number(1), BUSINESS.reported())
    assert keys(await monitor.commitments("/overdue")) == [(number(1), "case")]
    action = {"commitment": "case", "rung": Rung.YELLOW, "occurrence": 1, "by": "li", "reason": "停电"}
    appeal = AlertAppealed(**action, appealed_at=late)
    decision = AppealDecided(**action | {"by": "wang"}, upheld=True, decided_at=late)
    await monitor.process_messages(number(1), appeal, decision)
    assert await monitor.commitments("/overdue") == []
    await monitor.process_messages(number(1), case_extended(10, late))
    assert keys(await monitor.commitments("/due", days=9)) == [(number(1), "case")]
    await monitor.pass_to(at("2026-03-20 10:00"))  # the second warning has fired
    (due,) = await monitor.commitments("/due", days=9)
    assert (due["working_days_left"], due["rungs"]) == (1, ["warning"])
