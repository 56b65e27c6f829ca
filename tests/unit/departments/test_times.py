"""The times that a department reports: an honest clock counts, an impossible time is in doubt."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contracts.core import InvalidMessage
from contracts.envelope import TimerFired
from contracts.messages.plans import Outcome
from contracts.messages.tasks import (
    DoubtfulTime,
    TaskCorrected,
    TaskDelivered,
    TaskDone,
    TaskSuspended,
    TimeField,
    TimeSettled,
)
from services.departments.sdk.core.handle import handle
from services.departments.sdk.core.messages import Decision, Notified, Procedure, Receipt, Submitted
from services.departments.sdk.core.state import Task, Tasks
from services.departments.sdk.core.times import checked_answer
from tests.support.messages import MONDAY, CaseMessages, at, plan, plan_step
from tests.support.scenario import Scenario, of_type, only

REQUEST = CaseMessages(plan(plan_step("tax"))).requested("tax", MONDAY)
ARRIVED = MONDAY + timedelta(days=2)
TOLERANCE = timedelta(minutes=5)
SECOND = timedelta(seconds=1)


def receipt(delivered_at: datetime) -> Receipt:
    return Receipt(reference="1", delivered_at=delivered_at)


def decision(decided_at: datetime, delivered_at: datetime = MONDAY) -> Decision:
    return Decision(reference="1", delivered_at=delivered_at, outcome=Outcome.APPROVED, decided_at=decided_at)


def procedure(since: datetime, until: datetime | None = None, reported_at: datetime = ARRIVED) -> Procedure:
    return Procedure(procedure="P1", name="检验", reason="需要检验", since=since, until=until, reported_at=reported_at)


def settled(field: TimeField, claimed: datetime, counts_at: datetime, **fields: Any) -> TimeSettled:
    return TimeSettled(
        **{"task_id": REQUEST.task_id, "step": "tax", "system": "tax", "field": field, "claimed": claimed}
        | {"counts_at": counts_at, "by": "zhou", "reason": "以窗口登记为准", "settled_at": ARRIVED, "region": "445122"}
        | fields
    )


def tasks(*contents: Receipt | Decision | Procedure) -> Scenario[Tasks]:
    """A task requested on Monday, and what the department reports two days later."""
    scenario = Scenario(handle).given((REQUEST, MONDAY))
    return scenario.given(*((Notified(task_id=REQUEST.task_id, content=one), ARRIVED) for one in contents))


def doubt(field: TimeField, claimed: datetime) -> DoubtfulTime:
    return DoubtfulTime(field=field, claimed=claimed)


@pytest.mark.parametrize(
    ("claimed", "counts_at"),
    [
        pytest.param(MONDAY, MONDAY, id="at the request"),
        pytest.param(ARRIVED, ARRIVED, id="at the arrival"),
        pytest.param(MONDAY - TOLERANCE, MONDAY, id="a clock five minutes slow"),
        pytest.param(ARRIVED + TOLERANCE, ARRIVED, id="a clock five minutes fast"),
    ],
)
def test_the_time_of_an_honest_clock_counts_as_the_nearest_possible_moment(
    claimed: datetime, counts_at: datetime
) -> None:
    done = only(TaskDone, tasks(decision(claimed, delivered_at=MONDAY)).last.out)
    assert (done.decided_at, done.doubtful) == (counts_at, ())
    delivered = only(TaskDelivered, tasks(receipt(claimed)).last.out)
    assert (delivered.delivered_at, delivered.doubtful) == (counts_at, ())


@pytest.mark.parametrize(
    "claimed",
    [
        pytest.param(at("1970-01-01 08:00"), id="an unset clock"),
        pytest.param(MONDAY - timedelta(hours=8), id="UTC written as local time"),
        pytest.param(at("2099-01-01 00:00"), id="a wrong century"),
        pytest.param(MONDAY - TOLERANCE - SECOND, id="a second too early"),
        pytest.param(ARRIVED + TOLERANCE + SECOND, id="a second too late"),
    ],
)
def test_an_impossible_time_is_in_doubt_and_the_moment_of_arrival_counts(claimed: datetime) -> None:
    done = only(TaskDone, tasks(decision(claimed, delivered_at=MONDAY)).last.out)
    assert (done.decided_at, done.doubtful) == (ARRIVED, (doubt(TimeField.DECIDED_AT, claimed),))
    delivered = only(TaskDelivered, tasks(receipt(claimed)).last.out)
    assert (delivered.delivered_at, delivered.doubtful) == (ARRIVED, (doubt(TimeField.DELIVERED_AT, claimed),))
    suspended = only(TaskSuspended, tasks(procedure(at("1970-01-01 08:00"))).last.out)
    assert (suspended.since, suspended.doubtful) == (ARRIVED, (doubt(TimeField.SINCE, at("1970-01-01 08:00")),))


@pytest.mark.parametrize(
    ("day", "counts_at"),
    [
        pytest.param(at("2026-03-02 00:00"), MONDAY, id="the day of the request"),
        pytest.param(at("2026-03-03 00:00"), at("2026-03-03 00:00"), id="a day after it"),
        pytest.param(at("2026-03-04 00:00"), at("2026-03-04 00:00"), id="the day of the arrival"),
    ],
)
def test_a_day_without_a_time_counts_as_its_first_possible_moment(day: datetime, counts_at: datetime) -> None:
    for arrived_at in (ARRIVED, ARRIVED + timedelta(days=1)):
        checked = checked_answer(Task(request=REQUEST), decision(day, delivered_at=day), arrived_at, timedelta())
        assert isinstance(checked, Decision) and not checked.doubtful
        assert checked.delivered_at == checked.decided_at == counts_at
    suspended = only(TaskSuspended, tasks(procedure(day)).last.out)
    assert (suspended.since, suspended.doubtful) == (counts_at, ())


def test_a_day_of_decision_is_not_before_the_receipt() -> None:
    received = MONDAY + timedelta(hours=2)
    done = only(TaskDone, tasks(receipt(received), decision(at("2026-03-02 00:00"), delivered_at=received)).last.out)
    assert (done.decided_at, done.doubtful) == (received, ())


@pytest.mark.parametrize("day", [at("2026-03-01 00:00"), at("2026-03-05 00:00"), at("1970-01-01 00:00")])
def test_a_day_without_any_possible_moment_is_in_doubt(day: datetime) -> None:
    done = only(TaskDone, tasks(decision(day)).last.out)
    assert (done.decided_at, done.doubtful) == (ARRIVED, (doubt(TimeField.DECIDED_AT, day),))


def test_a_decision_cannot_come_before_the_receipt() -> None:
    claimed = MONDAY + timedelta(hours=1)
    done = only(TaskDone, tasks(decision(claimed, delivered_at=MONDAY + timedelta(days=1))).last.out)
    assert (done.decided_at, done.doubtful) == (ARRIVED, (doubt(TimeField.DECIDED_AT, claimed),))


def test_a_doubtful_receipt_in_a_decision_is_replaced_by_the_receipt_before() -> None:
    before = MONDAY + timedelta(hours=1)
    decided = decision(MONDAY + timedelta(days=1), delivered_at=at("1970-01-01 08:00"))
    done = only(TaskDone, tasks(receipt(before), decided).last.out)
    assert (done.delivered_at, done.doubtful) == (before, ())
    alone = only(TaskDone, tasks(decided).last.out)
    assert alone.delivered_at == alone.decided_at == decided.decided_at
    assert [one.field for one in alone.doubtful] == [TimeField.DELIVERED_AT]


def test_a_decision_never_counts_before_its_receipt_also_if_the_clock_was_set_back() -> None:
    received = ARRIVED - timedelta(minutes=1)
    scenario = tasks(receipt(received))
    set_back = ARRIVED - timedelta(hours=1)
    notified = Notified(task_id=REQUEST.task_id, content=decision(ARRIVED, delivered_at=received))
    done = only(TaskDone, scenario.when(notified, set_back))
    assert done.delivered_at == done.decided_at == received


def test_the_tolerance_is_that_of_the_message() -> None:
    answer = decision(MONDAY - timedelta(hours=8))
    submitted = Submitted(task_id=REQUEST.task_id, answer=answer, clock_tolerance=timedelta(hours=9))
    (done,) = Scenario(handle).given((REQUEST, MONDAY)).when(submitted, ARRIVED)
    assert isinstance(done, TaskDone)
    assert not done.doubtful


def test_the_department_corrects_a_doubtful_time_itself() -> None:
    scenario = tasks(decision(at("1970-01-01 08:00")))
    correction = decision(MONDAY + timedelta(hours=3))
    done = only(TaskDone, scenario.when(Notified(task_id=REQUEST.task_id, content=correction), ARRIVED + SECOND))
    assert (done.decided_at, done.doubtful) == (correction.decided_at, ())
    again = Notified(task_id=REQUEST.task_id, content=decision(at("1970-01-01 08:00")))
    assert not scenario.when(again, ARRIVED + 2 * SECOND)


def test_a_repeated_doubtful_time_counts_from_its_first_arrival() -> None:
    scenario = tasks(decision(at("1970-01-01 08:00")), procedure(at("1970-01-01 08:00")))
    for content in (decision(at("1970-01-01 08:00")), procedure(at("1970-01-01 08:00"))):
        assert not scenario.when(Notified(task_id=REQUEST.task_id, content=content), ARRIVED + timedelta(days=1))


def test_a_supervisor_settles_a_doubtful_time_and_the_task_is_reported_again() -> None:
    claimed, counts_at = at("1970-01-01 08:00"), MONDAY + timedelta(hours=2)
    scenario = tasks(decision(claimed))
    settlement = settled(TimeField.DECIDED_AT, claimed, counts_at)
    for _ in range(2):
        done = only(TaskDone, scenario.when(settlement))
        assert (done.decided_at, done.doubtful) == (counts_at, ())
    assert not scenario.when(Notified(task_id=REQUEST.task_id, content=decision(claimed)))
    scenario = tasks(decision(claimed))
    scenario.refuses(settled(TimeField.DECIDED_AT, claimed, ARRIVED + SECOND), reason="after the moment")


def test_the_times_of_a_special_procedure_are_settled_too() -> None:
    claimed = at("1970-01-01 08:00")
    scenario = tasks(procedure(claimed, until=at("2150-01-01 00:00")))
    first = only(TaskSuspended, scenario.last.out)
    assert (first.since, first.until) == (ARRIVED, None)
    since = settled(TimeField.SINCE, claimed, MONDAY, procedure="P1")
    until = settled(TimeField.UNTIL, at("2150-01-01 00:00"), ARRIVED, procedure="P1")
    scenario.given(since)
    last = only(TaskSuspended, scenario.when(until))
    assert (last.since, last.until, last.doubtful) == (MONDAY, ARRIVED, ())
    assert last.reported_at >= first.reported_at
    too_early = settled(TimeField.UNTIL, at("2150-01-01 00:00"), MONDAY, procedure="P1")
    tasks(procedure(ARRIVED, until=at("2150-01-01 00:00"))).refuses(too_early, reason="end before it begins")


def test_a_special_procedure_with_a_doubtful_beginning_keeps_its_end() -> None:
    ended_at = ARRIVED - timedelta(hours=1)
    suspended = only(TaskSuspended, tasks(procedure(at("1970-01-01 08:00"), until=ended_at)).last.out)
    assert (suspended.since, suspended.until) == (ended_at, ended_at)
    assert [doubt.field for doubt in suspended.doubtful] == [TimeField.SINCE]


def test_a_special_procedure_may_be_announced() -> None:
    since, until = ARRIVED + timedelta(days=7), ARRIVED + timedelta(days=30)
    suspended = only(TaskSuspended, tasks(procedure(since, until)).last.out)
    assert (suspended.since, suspended.until, suspended.doubtful) == (since, until, ())


def test_a_report_from_the_future_does_not_hide_later_ones() -> None:
    scenario = tasks(procedure(MONDAY, reported_at=at("2099-01-01 00:00")))
    later = ARRIVED + timedelta(days=1)
    ended = Notified(task_id=REQUEST.task_id, content=procedure(MONDAY, until=later, reported_at=later))
    assert only(TaskSuspended, scenario.when(ended, later)).until == later


moments = st.integers(-36 * 365, 74 * 365).map(lambda days: MONDAY + timedelta(days=days))
near = st.integers(-10_000, 10_000).map(lambda minutes: MONDAY + timedelta(minutes=minutes))


@example(at("2026-03-02 00:00"), at("2026-03-02 00:00"), ARRIVED, timedelta())
@given(st.one_of(moments, near), st.one_of(moments, near), near, st.timedeltas(timedelta(), timedelta(hours=1)))
def test_no_moment_that_counts_lies_before_the_request_or_after_the_arrival(
    delivered_at: datetime, decided_at: datetime, arrived_at: datetime, tolerance: timedelta
) -> None:
    checked = checked_answer(Task(request=REQUEST), decision(decided_at, delivered_at), arrived_at, tolerance)
    assert isinstance(checked, Decision)
    assert min(MONDAY, arrived_at) <= checked.delivered_at <= checked.decided_at <= arrived_at == checked.arrived_at
    claims = {one.field: one.claimed for one in checked.doubtful}
    for field, claimed in ((TimeField.DELIVERED_AT, delivered_at), (TimeField.DECIDED_AT, decided_at)):
        assert claims.get(field, claimed) == claimed, "a doubtful time is kept as it was reported"
        counts_at = vars(checked)[field]
        is_day = (claimed - at("2026-03-02 00:00")) % timedelta(days=1) == timedelta()
        farthest = max(tolerance, timedelta(days=is_day))
        assert field in claims or abs(counts_at - claimed) <= farthest, (
            "a time is moved by the tolerance, or in its day"
        )


def test_a_settlement_of_a_time_that_is_not_in_doubt_changes_nothing() -> None:
    scenario = tasks(decision(MONDAY))
    before = scenario.case
    scenario.given(settled(TimeField.DECIDED_AT, at("1970-01-01 08:00"), MONDAY))
    assert scenario.case == before


def test_a_settlement_for_an_unknown_task_is_refused() -> None:
    other = settled(TimeField.DECIDED_AT, MONDAY, MONDAY, task_id="K7Q2-9MXF-4TBA-3/land")
    tasks().refuses(other, error=InvalidMessage, reason="never been requested")


@pytest.mark.parametrize("settled_first", [True, False])
@pytest.mark.parametrize("decided_at", [MONDAY, at("1970-01-01 08:00"), ARRIVED + TOLERANCE])
def test_each_report_of_a_decision_says_when_it_first_arrived(decided_at: datetime, settled_first: bool) -> None:
    """The department repeats it, corrects its time, a supervisor settles that, routing requests it, a crash comes."""
    scenario = tasks(decision(decided_at))
    again = Notified(task_id=REQUEST.task_id, content=decision(decided_at))
    corrected = Notified(task_id=REQUEST.task_id, content=decision(MONDAY + SECOND))
    settlement = settled(TimeField.DECIDED_AT, decided_at, MONDAY)
    reports = of_type(TaskDone, scenario.last.out)
    order = (again, REQUEST, settlement, corrected) if settled_first else (corrected, again, settlement)
    for number, message in enumerate((*order, REQUEST), 1):
        scenario.state = Tasks.model_validate_json(scenario.case.model_dump_json(exclude_defaults=True))
        reports += of_type(TaskDone, scenario.when(message, ARRIVED + number * timedelta(days=1)))
    assert len(reports) >= 3
    assert {one.arrived_at for one in reports} == {ARRIVED}


def test_a_decision_arrives_when_it_is_received_and_not_with_the_receipt() -> None:
    scenario = tasks(receipt(MONDAY))
    later = ARRIVED + timedelta(days=1)
    submitted = Submitted(task_id=REQUEST.task_id, answer=decision(MONDAY + SECOND))
    assert only(TaskDone, scenario.when(submitted, later)).arrived_at == later


def test_an_answer_that_an_operator_corrected_arrives_with_the_correction() -> None:
    corrected = TaskCorrected(
        task_id=REQUEST.task_id,
        system="tax",
        reference="2",
        other_numbers=("1",),
        by="op",
        outcome=Outcome.APPROVED,
        delivered_at=MONDAY,
        decided_at=MONDAY + SECOND,
        reason="以部门登记为准",
        corrected_at=ARRIVED + timedelta(days=300),
    )
    arrived_at = ARRIVED + timedelta(days=2)
    done = only(TaskDone, tasks(receipt(MONDAY)).when(corrected, arrived_at))
    assert (done.decided_at, done.arrived_at) == (MONDAY + SECOND, arrived_at), "an operator's clock may be wrong"


def test_a_doubtful_time_is_reported_again_until_it_is_settled() -> None:
    claimed = at("1970-01-01 08:00")
    scenario = tasks(decision(claimed))
    first = scenario.last
    assert first.closed and first.retry_after == timedelta(days=1)
    assert scenario.when(TimerFired(), ARRIVED + timedelta(days=1)) == first.out
    scenario.given(settled(TimeField.DECIDED_AT, claimed, MONDAY))
    assert scenario.last.retry_after is None
    assert not scenario.when(TimerFired())
