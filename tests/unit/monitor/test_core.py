"""Monitor's core by example: given messages, when one more arrives, then these are published."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from contracts.core import UnknownCase
from contracts.envelope import Message, TimerFired
from contracts.messages.alerts import AlertClosed, AlertRaised, AlertWithdrawn, CardNotIssued, Rung
from contracts.messages.cases import CaseStateRequested, StepReport, StepState
from contracts.messages.commitments import CommitmentsOpened
from contracts.messages.plans import Limits, Outcome
from services.monitor.core.alerts.lifecycle import ANSWERED_IN_TIME
from services.monitor.core.state import MonitoredCase
from tests.support.messages import MONDAY, at, limits, report
from tests.support.monitor_histories import (
    BUSINESS,
    CASE_RED,
    CASE_WARNING,
    CASE_YELLOW,
    INSTANT,
    LICENCE_OPEN,
    REPORTED_OPEN,
    STEP_RED,
    STEP_WARNING,
    STEP_YELLOW,
    Monitor,
    business,
    opened,
)
from tests.support.scenario import of_type, only

CARD_AT = STEP_YELLOW + INSTANT
RETRY = timedelta(seconds=30)


def in_verification() -> Monitor:
    """The licence is warned of, and its state is requested before its yellow card."""
    return opened().given((TimerFired(), STEP_WARNING), (TimerFired(), CARD_AT))


def rungs(published: tuple[Message, ...]) -> list[tuple[str, Rung]]:
    alerts = of_type(AlertRaised, published)
    assert len(alerts) == len(published)
    return [(alert.commitment, alert.rung) for alert in alerts]


def test_acceptance_is_answered_with_the_commitments_of_the_case_and_of_the_steps_that_begin_with_it() -> None:
    published = only(CommitmentsOpened, Monitor().when(business(tax=limits(2, 4)).accepted(MONDAY), MONDAY))
    case, licence = published.commitments
    assert (case.key, case.owner, case.opened_at) == ("case", "Commerce", MONDAY)
    assert (case.committed_due, case.statutory_due, case.provisional) == (CASE_YELLOW, CASE_RED, False)
    assert (licence.key, licence.owner, licence.committed_due) == ("step/licence", "Market office", STEP_YELLOW)


def test_a_step_begins_with_the_approvals_it_waits_for_and_a_repeated_acceptance_is_answered_with_it() -> None:
    monitor = Monitor()
    of = business(tax=limits(2, 4))
    monitor.when(of.accepted(MONDAY), MONDAY)
    later = MONDAY + timedelta(hours=1)
    for out in (monitor.when(BUSINESS.done("licence", later), later), monitor.when(of.accepted(MONDAY), MONDAY)):
        published = only(CommitmentsOpened, out)
        assert [(c.key, c.opened_at) for c in published.commitments] == [
            ("case", MONDAY),
            ("step/licence", MONDAY),
            ("step/tax", later),
        ]


def test_a_step_begins_when_the_approval_arrived_and_not_when_it_was_decided() -> None:
    decided_at, arrived_at = MONDAY + timedelta(hours=1), MONDAY + timedelta(days=3)
    done = BUSINESS.done("licence", decided_at, arrived_at=arrived_at)
    for messages in permutations([business(tax=limits(2, 4)).accepted(MONDAY), done, done]):
        monitor = Monitor().given(*((message, arrived_at) for message in messages))
        licence, tax = monitor.case.commitment("step/licence"), monitor.case.commitment("step/tax")
        assert licence is not None and licence.ended_at == decided_at
        assert tax is not None and tax.opened_at == arrived_at


def test_a_step_does_not_begin_after_a_refusal() -> None:
    refused = BUSINESS.done("licence", MONDAY, outcome=Outcome.REFUSED)
    monitor = Monitor().given((business(tax=limits(2, 4)).accepted(MONDAY), MONDAY), (refused, MONDAY))
    tax = monitor.case.commitment("step/tax")
    assert tax is not None and tax.opened_at is None


def test_a_step_without_a_limit_of_its_own_is_not_kept() -> None:
    monitor = Monitor().given((BUSINESS.delivered("tax", MONDAY), MONDAY), (BUSINESS.accepted(MONDAY), MONDAY))
    before = monitor.case
    monitor.when(BUSINESS.delivered("tax", MONDAY), MONDAY)
    assert monitor.case is before, "an unchanged state need not be written again"
    assert [tracked.key for tracked in before.commitments] == ["case", "step/licence"]


def test_nothing_opens_before_the_acceptance_is_known() -> None:
    monitor = Monitor()
    assert monitor.when(BUSINESS.delivered("licence", MONDAY), MONDAY) == ()
    assert monitor.last.timer_at is None
    published = only(CommitmentsOpened, monitor.when(BUSINESS.accepted(MONDAY), MONDAY))
    assert [commitment.key for commitment in published.commitments] == ["case", "step/licence"]
    assert monitor.last.timer_at == STEP_WARNING


def test_a_warning_needs_no_verification() -> None:
    monitor = opened()
    assert monitor.last.timer_at == STEP_WARNING
    (published,) = monitor.when(TimerFired(), STEP_WARNING)
    assert published == AlertRaised(
        commitment="step/licence",
        rung=Rung.WARNING,
        owner="Market office",
        matter="start-business",
        region="440305",
        due_at=STEP_WARNING,
        raised_at=STEP_WARNING,
    )
    assert monitor.last.timer_at == STEP_YELLOW + INSTANT
    assert monitor.when(TimerFired(), STEP_WARNING) == ()


def test_a_card_waits_for_routings_report() -> None:
    monitor = in_verification()
    assert monitor.last.out == (CaseStateRequested(),)
    assert (monitor.last.timer_at, monitor.last.retry_after) == (CASE_WARNING, RETRY)
    published = only(AlertRaised, monitor.when(REPORTED_OPEN, CARD_AT))
    assert (published.commitment, published.rung, published.due_at, published.raised_at) == (
        "step/licence",
        Rung.YELLOW,
        STEP_YELLOW,
        CARD_AT,
    )
    assert (monitor.last.timer_at, monitor.last.retry_after) == (CASE_WARNING, None)
    assert monitor.when(REPORTED_OPEN, CARD_AT) == ()


@pytest.mark.parametrize(
    ("steps", "time"),
    [
        # Reported before the time had run out, and late on its way.
        ((LICENCE_OPEN,), STEP_YELLOW - INSTANT),
        ((LICENCE_OPEN,), STEP_YELLOW),
        # About the case only: it does not report the step.
        ((), STEP_YELLOW + timedelta(hours=1)),
    ],
)
def test_a_report_of_an_earlier_moment_or_without_the_step_proves_nothing(
    steps: tuple[StepReport, ...], time: datetime
) -> None:
    monitor = in_verification()
    assert monitor.when(BUSINESS.reported(*steps), time) == ()
    assert monitor.last.retry_after == RETRY, "the request stays open"


def test_routing_gets_requests_only_for_a_case_that_it_knows() -> None:
    """Otherwise it would answer that there is no such case, until its acceptance arrives."""
    monitor = Monitor().given((BUSINESS.accepted(MONDAY), MONDAY))
    assert rungs(monitor.when(TimerFired(), CARD_AT)) == [("step/licence", Rung.WARNING)]
    assert monitor.last.retry_after == RETRY
    assert monitor.when(BUSINESS.delivered("tax", MONDAY), MONDAY) == (CaseStateRequested(),)
    assert monitor.when(BUSINESS.delivered("licence", MONDAY), MONDAY) == (), "it has been requested"


def test_routing_gets_a_request_after_one_retry_even_if_nothing_shows_that_it_knows_the_case() -> None:
    monitor = Monitor().given((BUSINESS.accepted(MONDAY), MONDAY), (TimerFired(), CARD_AT))
    assert monitor.when(TimerFired(), CARD_AT + INSTANT) == (CaseStateRequested(),)


def test_the_state_of_an_open_case_without_pending_rungs_is_requested_daily() -> None:
    """Its decision may have been lost on the way to monitor alone, and is not published again without a request."""
    monitor = opened()
    late = CASE_RED + timedelta(days=1)
    assert monitor.when(TimerFired(), late)[-1] == CaseStateRequested()
    monitor.when(BUSINESS.reported(report("licence", StepState.DONE, MONDAY, decided_at=late)), late)
    assert (monitor.last.timer_at, monitor.last.retry_after) == (None, timedelta(days=1))
    assert monitor.when(TimerFired(), late + timedelta(days=1)) == (CaseStateRequested(),)
    monitor.when(BUSINESS.decided(late), late + timedelta(days=1))
    assert (monitor.last.timer_at, monitor.last.retry_after) == (None, None)


def test_requests_to_routing_back_off() -> None:
    monitor = opened().given((TimerFired(), STEP_WARNING))
    waits = []
    for minute in range(10):
        published = monitor.when(TimerFired(), STEP_YELLOW + timedelta(minutes=minute + 1))
        # After the sixth request without an answer operations are alerted, once.
        assert [type(message).__name__ for message in published] == ["CaseStateRequested", "OperationsAlerted"][
            : 1 + (minute == 5)
        ]
        assert monitor.last.retry_after is not None
        waits.append(monitor.last.retry_after.total_seconds())
    assert waits == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]
    monitor.when(REPORTED_OPEN, STEP_YELLOW + timedelta(minutes=20))
    assert monitor.when(TimerFired(), CASE_WARNING) != (CaseStateRequested(),)
    monitor.when(TimerFired(), STEP_RED + INSTANT)
    assert monitor.last.retry_after == RETRY, "a new request starts from the beginning"


def test_cards_due_at_the_same_minute_share_one_request() -> None:
    monitor = opened(business(whole=limits(1, 1), licence=limits(1, 1))).given((TimerFired(), STEP_WARNING))
    late = STEP_YELLOW + timedelta(seconds=1)
    assert monitor.when(TimerFired(), late) == (CaseStateRequested(),)
    assert rungs(monitor.when(REPORTED_OPEN, late)) == [
        ("case", Rung.YELLOW),
        ("case", Rung.RED),
        ("step/licence", Rung.YELLOW),
        ("step/licence", Rung.RED),
    ]
    assert monitor.last.timer_at is None


def test_a_report_that_the_step_is_done_closes_it_without_a_card() -> None:
    monitor = in_verification()
    answered = report("licence", StepState.DONE, MONDAY, decided_at=STEP_YELLOW)
    published = monitor.when(BUSINESS.reported(answered), CARD_AT)
    assert published == (
        AlertClosed(commitment="step/licence", ended_at=STEP_YELLOW, region="440305"),
        CardNotIssued(
            commitment="step/licence", rung=Rung.YELLOW, due_at=STEP_YELLOW, ended_at=STEP_YELLOW, region="440305"
        ),
    )
    assert monitor.when(BUSINESS.reported(answered), CARD_AT) == ()
    assert (monitor.last.timer_at, monitor.last.retry_after) == (CASE_WARNING, None)


@pytest.mark.parametrize(
    ("answered_at", "expected"),
    [
        (STEP_WARNING - INSTANT, []),
        (STEP_WARNING, []),
        (STEP_WARNING + INSTANT, [Rung.WARNING]),
        (STEP_YELLOW, [Rung.WARNING]),
        (STEP_YELLOW + INSTANT, [Rung.WARNING, Rung.YELLOW]),
        (STEP_RED, [Rung.WARNING, Rung.YELLOW]),
        (STEP_RED + INSTANT, [Rung.WARNING, Rung.YELLOW, Rung.RED]),
    ],
)
def test_a_late_answer_raises_its_rungs_without_a_timer(answered_at: datetime, expected: list[Rung]) -> None:
    published = opened().when(BUSINESS.done("licence", answered_at), answered_at)
    assert rungs(published) == [("step/licence", rung) for rung in expected]
    assert all(alert.raised_at == answered_at for alert in of_type(AlertRaised, published))


def test_an_answer_in_time_that_arrives_late_withdraws_its_rungs() -> None:
    raised_at = STEP_YELLOW + timedelta(hours=1)
    monitor = in_verification().given((REPORTED_OPEN, raised_at))
    # Decided after the warning and before the card: only the card was wrong.
    published = monitor.when(BUSINESS.done("licence", STEP_YELLOW), STEP_YELLOW)
    assert published == (
        AlertWithdrawn(
            commitment="step/licence",
            rung=Rung.YELLOW,
            reason=ANSWERED_IN_TIME,
            withdrawn_at=raised_at,
            region="440305",
        ),
        AlertClosed(commitment="step/licence", ended_at=STEP_YELLOW, region="440305"),
    )
    assert monitor.when(BUSINESS.done("licence", STEP_YELLOW), STEP_YELLOW) == ()


def test_no_rung_fires_after_closing() -> None:
    monitor = opened().given((BUSINESS.done("licence", MONDAY), MONDAY), (BUSINESS.decided(MONDAY), MONDAY))
    assert (monitor.last.timer_at, monitor.last.closed) == (None, True)
    assert monitor.when(TimerFired(), CASE_RED + timedelta(days=9)) == ()
    assert monitor.when(REPORTED_OPEN, CASE_RED + timedelta(days=9)) == ()


def test_a_decision_closes_the_case_and_every_step_it_reports() -> None:
    monitor = opened()
    published = monitor.when(
        BUSINESS.decided(CASE_YELLOW + INSTANT, report("licence", StepState.DONE, MONDAY, decided_at=STEP_YELLOW)),
        CASE_RED,
    )
    assert rungs(published) == [
        ("case", Rung.WARNING),
        ("case", Rung.YELLOW),
        ("step/licence", Rung.WARNING),
    ]
    assert monitor.last.timer_at is None


def test_a_dropped_step_is_owed_until_the_case_is_decided() -> None:
    published = opened().when(BUSINESS.decided(STEP_RED, report("licence", StepState.DROPPED, MONDAY)), STEP_RED)
    assert rungs(published) == [
        ("case", Rung.WARNING),
        ("step/licence", Rung.WARNING),
        ("step/licence", Rung.YELLOW),
    ]


def test_routings_report_replaces_a_lost_answer() -> None:
    monitor = Monitor().given((business(licence=limits(5, 10), tax=limits(1, 3)).accepted(MONDAY), MONDAY))
    assert monitor.last.timer_at == CASE_WARNING
    tax = report("tax", StepState.DELIVERED, MONDAY)
    monitor.when(BUSINESS.reported(report("licence", StepState.DONE, MONDAY, decided_at=MONDAY), tax), MONDAY)
    assert monitor.last.timer_at == STEP_WARNING


def test_a_case_that_ends_before_it_starts_is_in_time() -> None:
    monitor = Monitor().given((BUSINESS.decided(MONDAY - timedelta(days=3)), MONDAY))
    only(CommitmentsOpened, monitor.when(BUSINESS.accepted(MONDAY), MONDAY))
    assert monitor.last.closed


def test_each_rung_of_a_late_case_fires_once() -> None:
    due = at("2026-03-12 13:41:31.788")
    monitor = Monitor().given((business(whole=limits(due, due), licence=limits(30, 30)).accepted(MONDAY), MONDAY))
    assert rungs(monitor.when(BUSINESS.decided(due + INSTANT), due + INSTANT)) == [
        ("case", Rung.WARNING),
        ("case", Rung.YELLOW),
        ("case", Rung.RED),
    ]


def test_a_timer_for_an_unknown_case_is_refused() -> None:
    Monitor().refuses(TimerFired(), MONDAY, "unknown", UnknownCase)


def test_a_message_that_is_not_for_monitor_is_refused() -> None:
    Monitor().refuses(CaseStateRequested(), MONDAY, r"onedoor\.case\.state-requested\.v1 is not for monitor")


@pytest.mark.parametrize("whole", [limits(3650, 3650), limits(1, 3650)])
def test_a_deadline_beyond_the_calendar_is_refused(whole: Limits) -> None:
    accepted = business(whole=whole).accepted(datetime(2299, 12, 1, tzinfo=UTC))
    Monitor().refuses(accepted, MONDAY, "case lies beyond the calendar")


def test_the_state_stays_small() -> None:
    case = opened().case
    stored = case.model_dump_json(exclude_defaults=True)
    assert MonitoredCase.model_validate_json(stored) == case
    assert len(stored) < 900
    assert "Li Hua" not in stored
