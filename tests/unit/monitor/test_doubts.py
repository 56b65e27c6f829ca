"""Doubtful times of departments in monitor: supervisors are notified, settle them, and are answered."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from contracts.core import InvalidMessage, UnknownCase
from contracts.envelope import TimerFired
from contracts.messages.alerts import AlertWithdrawn, Rung, TimeDoubted
from contracts.messages.tasks import DoubtfulTime, TaskDone, TimeField, TimeSettled
from services.monitor.core.doubts import (
    MOVES,
    AfterArrival,
    BeforeRequest,
    DoubtState,
    EndBeforeBeginning,
    NoDoubt,
    SettledAlready,
    SettleTime,
    state_of,
)
from services.monitor.core.facts import MAX_EARLY_REPORTS
from services.monitor.core.state import MonitoredCase
from tests.support.messages import MONDAY, at
from tests.support.monitor_histories import BUSINESS, STEP_YELLOW, Monitor, carded, opened
from tests.support.scenario import of_type

LATE = STEP_YELLOW + timedelta(hours=20)
UNSET = at("1970-01-01 08:00")
IN_TIME = MONDAY + timedelta(hours=3)
DOUBT = DoubtfulTime(field=TimeField.DECIDED_AT, claimed=UNSET)


def doubtful(arrived_at: datetime = LATE, **fields: Any) -> TaskDone:
    """The licence, decided at a moment that cannot be true: that of the arrival counts."""
    return BUSINESS.done("licence", arrived_at, delivered_at=MONDAY, doubtful=(DOUBT,), **fields)


def settle(counts_at: datetime = IN_TIME, **fields: Any) -> SettleTime:
    defaults = {"step": "licence", "field": TimeField.DECIDED_AT, "by": "zhou", "reason": "以窗口登记为准"}
    return SettleTime(**defaults | {"counts_at": counts_at} | fields)


def in_doubt() -> Monitor:
    """A card stands on the licence, whose decision arrived late with an impossible time."""
    return carded().given((doubtful(), LATE))


def test_an_impossible_time_withdraws_no_card_and_supervisors_are_notified_of_it() -> None:
    monitor = carded()
    published = monitor.when(doubtful(), LATE)
    assert not of_type(AlertWithdrawn, published)
    (doubted,) = of_type(TimeDoubted, published)
    assert (doubted.step, doubted.field, doubted.claimed) == ("licence", TimeField.DECIDED_AT, UNSET)
    assert (doubted.counts_at, doubted.owner, doubted.doubted_at) == (LATE, "Market office", LATE)
    assert monitor.tracked("step/licence").ended_at == LATE
    assert not of_type(TimeDoubted, monitor.when(doubtful(), LATE)), "supervisors are notified once"


def test_a_settlement_is_published_until_the_department_reports_the_time_as_settled() -> None:
    monitor = in_doubt()
    settlement, doubted = monitor.when(settle(), LATE)
    assert isinstance(settlement, TimeSettled)
    assert (settlement.task_id, settlement.system) == ("K7Q2-9MXF-4TBA-3/licence", "commerce")
    assert (settlement.claimed, settlement.counts_at, settlement.by) == (UNSET, IN_TIME, "zhou")
    assert isinstance(doubted, TimeDoubted)
    assert (doubted.counts_at, doubted.settled_by, doubted.resolved_at) == (IN_TIME, "zhou", None)
    assert monitor.last.retry_after == timedelta(seconds=30)
    assert settlement in monitor.when(TimerFired(), LATE + timedelta(minutes=1))
    assert monitor.last.retry_after == timedelta(minutes=1)

    answered_at = LATE + timedelta(minutes=2)
    published = monitor.when(BUSINESS.done("licence", IN_TIME, delivered_at=MONDAY), answered_at)
    (resolved,) = of_type(TimeDoubted, published)
    assert (resolved.resolved_at, resolved.settled_by) == (answered_at, "zhou")
    assert Rung.YELLOW in [withdrawn.rung for withdrawn in of_type(AlertWithdrawn, published)]
    assert not monitor.case.doubts
    assert settlement not in monitor.when(TimerFired(), answered_at + timedelta(days=1))


def test_a_department_that_corrects_its_time_itself_resolves_the_doubt() -> None:
    monitor = in_doubt()
    (resolved,) = of_type(TimeDoubted, monitor.when(BUSINESS.done("licence", IN_TIME, delivered_at=MONDAY), LATE))
    assert (resolved.resolved_at, resolved.settled_at) == (LATE, None)


def test_a_late_receipt_does_not_resolve_the_doubt_about_the_decision() -> None:
    monitor = in_doubt().given((BUSINESS.delivered("licence", MONDAY), LATE))
    assert [doubt.field for doubt in monitor.case.doubts] == [TimeField.DECIDED_AT]


def test_a_repeated_settlement_changes_nothing_and_another_is_refused() -> None:
    monitor = in_doubt().given((settle(), LATE))
    before = monitor.case
    assert not monitor.when(settle(), LATE)
    assert monitor.case == before
    monitor.refuses(settle(IN_TIME + timedelta(hours=1)), LATE, error=SettledAlready)


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (settle(step="tax"), NoDoubt),
        (settle(field=TimeField.DELIVERED_AT), NoDoubt),
        (settle(procedure="P1"), NoDoubt),
        (settle(LATE + timedelta(seconds=1)), AfterArrival),
        (settle(MONDAY - timedelta(seconds=1)), BeforeRequest),
    ],
)
def test_an_impossible_settlement_is_refused(command: SettleTime, error: type[Exception]) -> None:
    in_doubt().refuses(command, LATE, error=error)


@pytest.mark.parametrize(
    ("wanted", "counts_at"),
    [(LATE + timedelta(seconds=30), LATE), (MONDAY - timedelta(seconds=59), MONDAY), (IN_TIME, IN_TIME)],
)
def test_a_settlement_within_the_tolerance_for_clocks_counts_as_the_nearest_possible_moment(
    wanted: datetime, counts_at: datetime
) -> None:
    monitor = in_doubt()
    command = settle(wanted, clock_tolerance=timedelta(minutes=1))
    (settlement,) = of_type(TimeSettled, monitor.when(command, LATE))
    assert settlement.counts_at == counts_at
    assert not monitor.when(command, LATE), "the same request again is the same settlement"
    monitor = in_doubt()
    for beyond, error in (
        (LATE + timedelta(seconds=61), AfterArrival),
        (MONDAY - timedelta(seconds=61), BeforeRequest),
    ):
        monitor.refuses(settle(beyond, clock_tolerance=timedelta(minutes=1)), LATE, error=error)


def test_only_a_known_case_has_doubtful_times() -> None:
    Monitor().refuses(settle(), error=UnknownCase)


def test_doubts_before_the_acceptance_are_published_with_it() -> None:
    monitor = Monitor()
    assert not monitor.when(doubtful(), LATE)
    (doubted,) = of_type(TimeDoubted, monitor.when(BUSINESS.accepted(MONDAY), LATE))
    assert doubted.claimed == UNSET


def test_a_special_procedure_has_times_of_its_own() -> None:
    begun = BUSINESS.suspended("licence", "P1", LATE, doubtful=(DoubtfulTime(field=TimeField.SINCE, claimed=UNSET),))
    monitor = opened().given((begun, LATE))
    settlement, _ = monitor.when(settle(MONDAY, procedure="P1", field=TimeField.SINCE), LATE)
    assert isinstance(settlement, TimeSettled)
    assert (settlement.procedure, settlement.field, settlement.claimed) == ("P1", TimeField.SINCE, UNSET)


def test_a_settled_special_procedure_does_not_end_before_it_begins() -> None:
    since, until = LATE, LATE + timedelta(days=400)
    announced = DoubtfulTime(field=TimeField.UNTIL, claimed=until)
    begun = BUSINESS.suspended("licence", "P1", since, doubtful=(announced,))
    monitor = opened().given((begun, LATE))
    end = settle(since - timedelta(seconds=1), procedure="P1", field=TimeField.UNTIL)
    monitor.refuses(end, LATE, error=EndBeforeBeginning)
    assert of_type(TimeSettled, monitor.when(end.replace(counts_at=since), LATE))


def test_a_settled_special_procedure_does_not_begin_after_its_end() -> None:
    ended_at = LATE - timedelta(hours=2)
    doubt = DoubtfulTime(field=TimeField.SINCE, claimed=UNSET)
    ended = BUSINESS.suspended("licence", "P1", ended_at, until=ended_at, doubtful=(doubt,))
    monitor = opened().given((ended, LATE))
    begin = settle(ended_at + timedelta(seconds=1), procedure="P1", field=TimeField.SINCE)
    monitor.refuses(begin, LATE, error=EndBeforeBeginning)
    assert of_type(TimeSettled, monitor.when(begin.replace(counts_at=ended_at), LATE))


@pytest.mark.parametrize("early", [False, True], ids=["after the acceptance", "before it"])
def test_a_special_procedure_of_another_system_raises_no_doubt(early: bool) -> None:
    doubt = DoubtfulTime(field=TimeField.SINCE, claimed=UNSET)
    foreign = BUSINESS.suspended("licence", "P1", LATE, doubtful=(doubt,)).replace(system="tax")
    if early:
        monitor = Monitor().given((foreign, LATE), (BUSINESS.accepted(MONDAY), LATE))
    else:
        monitor = opened()
        monitor.refuses(foreign, LATE, error=InvalidMessage, reason="not assigned")
    assert not monitor.case.doubts


@pytest.mark.parametrize("early", [False, True], ids=["after the acceptance", "before it"])
def test_another_system_cannot_end_a_step(early: bool) -> None:
    foreign = BUSINESS.done("licence", MONDAY, system="tax", department="Tax")
    if early:
        monitor = Monitor().given((foreign, MONDAY), (BUSINESS.accepted(MONDAY), MONDAY))
    else:
        monitor = opened()
        for wrong in (foreign, BUSINESS.delivered("licence", MONDAY, system="tax"), foreign.replace(task_id="x")):
            monitor.refuses(wrong, MONDAY, error=InvalidMessage, reason="not assigned")
    assert monitor.tracked("step/licence").ended_at is None


def test_early_reports_are_bounded() -> None:
    received = [
        BUSINESS.delivered("licence", MONDAY + timedelta(seconds=number)) for number in range(MAX_EARLY_REPORTS)
    ]
    monitor = Monitor().given(*received)
    monitor.refuses(BUSINESS.delivered("licence", MONDAY - timedelta(seconds=1)), reason="is not accepted")
    assert not monitor.when(received[0])


def test_each_move_of_the_table_happens() -> None:
    def states(case: MonitoredCase) -> list[DoubtState]:
        return [state_of(doubt) for doubt in case.doubts]

    corrected = BUSINESS.done("licence", IN_TIME, delivered_at=MONDAY)
    monitor = in_doubt()
    assert states(monitor.case) == [MOVES[None, TimeDoubted]]
    assert states(monitor.given((settle(), LATE)).case) == [MOVES[DoubtState.DOUBTED, SettleTime]]
    for one in (monitor, in_doubt()):
        assert states(one.given((corrected, LATE)).case) == [], "a resolved doubt is forgotten"
    assert {target for (source, _), target in MOVES.items() if source is not None} == set(DoubtState) - {
        DoubtState.DOUBTED
    }
