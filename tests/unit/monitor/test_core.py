"""Monitor's core by example: given messages, when one more arrives, then these are published."""

from datetime import UTC, datetime, timedelta

import pytest

from contracts.core import InvalidMessage, UnknownCase
from contracts.envelope import Message, TimerFired
from contracts.messages.alerts import AlertClosed, AlertRaised, AlertWithdrawn, CardNotIssued, Rung
from contracts.messages.cases import CaseStateRequested, StepState
from contracts.messages.commitments import CommitmentsOpened
from contracts.messages.plans import Outcome
from services.monitor.core.alerts.lifecycle import ANSWERED_IN_TIME
from services.monitor.core.handle import handle
from services.monitor.core.state import MonitoredCase
from services.monitor.store.rule_store import shipped
from tests.support.monitor_histories import (
    Monitor,
    accepted,
    at,
    decided,
    delivered,
    done,
    envelope,
    limits,
    plan,
    report,
    reported,
)

MONDAY = at("2026-03-02 10:00")
STEP_WARNING = at("2026-03-03 09:00")
STEP_YELLOW = at("2026-03-03 17:30")
STEP_RED = at("2026-03-05 17:30")
CASE_WARNING = at("2026-03-05 09:00")
CASE_YELLOW = at("2026-03-09 17:30")
CASE_RED = at("2026-03-16 17:30")
INSTANT = timedelta(microseconds=1)
OPEN = report("licence", StepState.DELIVERED, MONDAY)


def opened() -> Monitor:
    """A case accepted on Monday, with its licence requested."""
    return Monitor().process_all([(accepted(MONDAY), MONDAY), (delivered(MONDAY), MONDAY)])


def rungs(published: tuple[Message, ...]) -> list[tuple[str, Rung]]:
    assert all(isinstance(message, AlertRaised) for message in published)
    return [(message.commitment, message.rung) for message in published if isinstance(message, AlertRaised)]


def test_acceptance_is_answered_with_the_commitments_of_the_case_and_of_the_steps_that_begin_with_it() -> None:
    (published,) = Monitor().process(accepted(MONDAY, plan(tax=limits(2, 4))), MONDAY)
    assert isinstance(published, CommitmentsOpened)
    case, licence = published.commitments
    assert (case.key, case.owner, case.opened_at) == ("case", "Commerce", MONDAY)
    assert (case.committed_due, case.statutory_due, case.provisional) == (CASE_YELLOW, CASE_RED, False)
    assert (licence.key, licence.owner, licence.committed_due) == ("step/licence", "Market office", STEP_YELLOW)


def test_a_step_begins_with_the_approvals_it_waits_for_and_a_repeated_acceptance_is_answered_with_it() -> None:
    monitor = Monitor()
    of = plan(tax=limits(2, 4))
    monitor.process(accepted(MONDAY, of), MONDAY)
    later = MONDAY + timedelta(hours=1)
    for out in (monitor.process(done(later), later), monitor.process(accepted(MONDAY, of), MONDAY)):
        (published,) = out
        assert isinstance(published, CommitmentsOpened)
        assert [(c.key, c.opened_at) for c in published.commitments] == [
            ("case", MONDAY),
            ("step/licence", MONDAY),
            ("step/tax", later),
        ]


def test_a_step_does_not_begin_after_a_refusal() -> None:
    refused = done(MONDAY).replace(outcome=Outcome.REFUSED)
    monitor = Monitor().process_all([(accepted(MONDAY, plan(tax=limits(2, 4))), MONDAY), (refused, MONDAY)])
    assert monitor.state is not None
    tax = monitor.state.commitment("step/tax")
    assert tax is not None and tax.opened_at is None


def test_a_step_without_a_limit_of_its_own_is_not_kept() -> None:
    monitor = Monitor()
    monitor.process(delivered(MONDAY, "tax"), MONDAY)
    monitor.process(accepted(MONDAY), MONDAY)
    before = monitor.state
    monitor.process(delivered(MONDAY, "tax"), MONDAY)
    assert monitor.state is before, "no news is no new state, so that the row need not be written again"
    assert before is not None
    assert [tracked.key for tracked in before.commitments] == ["case", "step/licence"]


def test_nothing_opens_before_the_acceptance_is_known() -> None:
    monitor = Monitor()
    assert monitor.process(delivered(MONDAY), MONDAY) == ()
    assert monitor.timer_at is None
    (published,) = monitor.process(accepted(MONDAY), MONDAY)
    assert isinstance(published, CommitmentsOpened)
    assert [commitment.key for commitment in published.commitments] == ["case", "step/licence"]
    assert monitor.timer_at == STEP_WARNING


def test_a_warning_needs_no_verification() -> None:
    monitor = opened()
    assert monitor.timer_at == STEP_WARNING
    (published,) = monitor.process(TimerFired(), STEP_WARNING)
    assert published == AlertRaised(
        commitment="step/licence",
        rung=Rung.WARNING,
        owner="Market office",
        matter="start-business",
        region="440305",
        due_at=STEP_WARNING,
        raised_at=STEP_WARNING,
    )
    assert monitor.timer_at == STEP_YELLOW + INSTANT
    assert monitor.process(TimerFired(), STEP_WARNING) == ()


def test_a_card_waits_for_routings_report() -> None:
    monitor = opened()
    monitor.process(TimerFired(), STEP_WARNING)
    card_at = STEP_YELLOW + INSTANT
    assert monitor.process(TimerFired(), card_at) == (CaseStateRequested(),)
    assert (monitor.timer_at, monitor.retry_after) == (CASE_WARNING, timedelta(seconds=30))
    (published,) = monitor.process(reported(OPEN), card_at)
    assert isinstance(published, AlertRaised)
    assert (published.commitment, published.rung, published.due_at, published.raised_at) == (
        "step/licence",
        Rung.YELLOW,
        STEP_YELLOW,
        card_at,
    )
    assert (monitor.timer_at, monitor.retry_after) == (CASE_WARNING, None)
    assert monitor.process(reported(OPEN), card_at) == ()


@pytest.mark.parametrize(
    ("steps", "time"),
    [
        # History before the time had run out, and late on its way.
        ((OPEN,), STEP_YELLOW - INSTANT),
        ((OPEN,), STEP_YELLOW),
        # New, but about the case only: it does not report the step.
        ((), STEP_YELLOW + timedelta(hours=1)),
    ],
)
def test_an_old_report_proves_nothing(steps: tuple, time: datetime) -> None:  # type: ignore[type-arg]
    monitor = opened()
    monitor.process(TimerFired(), STEP_WARNING)
    monitor.process(TimerFired(), STEP_YELLOW + INSTANT)
    assert monitor.process(reported(*steps), time) == ()
    assert monitor.retry_after == timedelta(seconds=30), "the question stays open"


def test_routing_is_queried_only_about_a_case_that_it_knows() -> None:
    """Otherwise it would answer that there is no such case, until its acceptance arrives."""
    monitor = Monitor()
    monitor.process(accepted(MONDAY), MONDAY)
    (warning,) = monitor.process(TimerFired(), STEP_YELLOW + INSTANT)
    assert isinstance(warning, AlertRaised)
    assert monitor.retry_after == timedelta(seconds=30)
    assert monitor.process(delivered(MONDAY, "tax"), MONDAY) == (CaseStateRequested(),)
    assert monitor.process(delivered(MONDAY, "licence"), MONDAY) == (), "it has been asked"


def test_routing_is_queried_after_one_retry_even_if_nothing_shows_that_it_knows_the_case() -> None:
    monitor = Monitor()
    monitor.process(accepted(MONDAY), MONDAY)
    monitor.process(TimerFired(), STEP_YELLOW + INSTANT)
    assert monitor.process(TimerFired(), STEP_YELLOW + 2 * INSTANT) == (CaseStateRequested(),)


def test_routing_is_queried_daily_about_an_open_case_without_pending_rungs() -> None:
    """Its decision may have been lost on the way to monitor alone, and is not published again without a query."""
    monitor = opened()
    late = CASE_RED + timedelta(days=1)
    assert monitor.process(TimerFired(), late)[-1] == CaseStateRequested()
    monitor.process(reported(report("licence", StepState.DONE, MONDAY, decided_at=late)), late)
    assert (monitor.timer_at, monitor.retry_after) == (None, timedelta(days=1))
    assert monitor.process(TimerFired(), late + timedelta(days=1)) == (CaseStateRequested(),)
    monitor.process(decided(late), late + timedelta(days=1))
    assert (monitor.timer_at, monitor.retry_after) == (None, None)


def test_queries_to_routing_back_off() -> None:
    monitor = opened()
    monitor.process(TimerFired(), STEP_WARNING)
    patiences = []
    for minute in range(10):
        published = monitor.process(TimerFired(), STEP_YELLOW + timedelta(minutes=minute + 1))
        # After the sixth query without an answer operations are alerted, once.
        assert [type(message).__name__ for message in published] == ["CaseStateRequested", "OperationsAlerted"][
            : 1 + (minute == 5)
        ]
        assert monitor.retry_after is not None
        patiences.append(monitor.retry_after.total_seconds())
    assert patiences == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]
    monitor.process(reported(OPEN), STEP_YELLOW + timedelta(minutes=20))
    assert monitor.process(TimerFired(), CASE_WARNING) != (CaseStateRequested(),)
    monitor.process(TimerFired(), STEP_RED + INSTANT)
    assert monitor.retry_after == timedelta(seconds=30), "a new question starts from the beginning"


def test_cards_due_at_the_same_minute_share_one_query() -> None:
    monitor = Monitor()
    same = plan(whole=limits(1, 1), licence=limits(1, 1))
    monitor.process_all([(accepted(MONDAY, same), MONDAY), (delivered(MONDAY), MONDAY), (TimerFired(), STEP_WARNING)])
    late = STEP_YELLOW + timedelta(seconds=1)
    assert monitor.process(TimerFired(), late) == (CaseStateRequested(),)
    assert rungs(monitor.process(reported(OPEN), late)) == [
        ("case", Rung.YELLOW),
        ("case", Rung.RED),
        ("step/licence", Rung.YELLOW),
        ("step/licence", Rung.RED),
    ]
    assert monitor.timer_at is None


def test_a_report_that_the_step_is_done_closes_it_without_a_card() -> None:
    monitor = opened()
    monitor.process(TimerFired(), STEP_WARNING)
    monitor.process(TimerFired(), STEP_YELLOW + INSTANT)
    answered = report("licence", StepState.DONE, MONDAY, decided_at=STEP_YELLOW)
    published = monitor.process(reported(answered), STEP_YELLOW + INSTANT)
    assert published == (
        AlertClosed(commitment="step/licence", ended_at=STEP_YELLOW, region="440305"),
        CardNotIssued(
            commitment="step/licence", rung=Rung.YELLOW, due_at=STEP_YELLOW, ended_at=STEP_YELLOW, region="440305"
        ),
    )
    assert monitor.process(reported(answered), STEP_YELLOW + INSTANT) == ()
    assert (monitor.timer_at, monitor.retry_after) == (CASE_WARNING, None)


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
    published = opened().process(done(answered_at), answered_at)
    assert rungs(published) == [("step/licence", rung) for rung in expected]
    assert all(message.raised_at == answered_at for message in published if isinstance(message, AlertRaised))


def test_an_answer_in_time_that_arrives_late_withdraws_its_rungs() -> None:
    monitor = opened()
    monitor.process(TimerFired(), STEP_WARNING)
    monitor.process(TimerFired(), STEP_YELLOW + INSTANT)
    raised_at = STEP_YELLOW + timedelta(hours=1)
    monitor.process(reported(OPEN), raised_at)
    # Decided after the warning and before the card: only the card was wrong.
    published = monitor.process(done(STEP_YELLOW), STEP_YELLOW)
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
    assert monitor.process(done(STEP_YELLOW), STEP_YELLOW) == ()


def test_no_rung_fires_after_closing() -> None:
    monitor = opened()
    monitor.process(done(MONDAY), MONDAY)
    monitor.process(decided(MONDAY), MONDAY)
    assert monitor.timer_at is None
    assert monitor.step is not None
    assert monitor.step.closed
    assert monitor.process(TimerFired(), CASE_RED + timedelta(days=9)) == ()
    assert monitor.process(reported(OPEN), CASE_RED + timedelta(days=9)) == ()


def test_a_decision_closes_the_case_and_every_step_it_reports() -> None:
    monitor = opened()
    published = monitor.process(
        decided(CASE_YELLOW + INSTANT, report("licence", StepState.DONE, MONDAY, decided_at=STEP_YELLOW)), CASE_RED
    )
    assert rungs(published) == [
        ("case", Rung.WARNING),
        ("case", Rung.YELLOW),
        ("step/licence", Rung.WARNING),
    ]
    assert monitor.timer_at is None


def test_a_dropped_step_is_owed_until_the_case_is_decided() -> None:
    published = opened().process(decided(STEP_RED, report("licence", StepState.DROPPED, MONDAY)), STEP_RED)
    assert rungs(published) == [
        ("case", Rung.WARNING),
        ("step/licence", Rung.WARNING),
        ("step/licence", Rung.YELLOW),
    ]


def test_routings_report_replaces_a_lost_answer() -> None:
    monitor = Monitor()
    monitor.process(accepted(MONDAY, plan(licence=limits(5, 10), tax=limits(1, 3))), MONDAY)
    assert monitor.timer_at == CASE_WARNING
    tax = report("tax", StepState.DELIVERED, MONDAY)
    monitor.process(reported(report("licence", StepState.DONE, MONDAY, decided_at=MONDAY), tax), MONDAY)
    assert monitor.timer_at == STEP_WARNING


def test_a_case_that_ends_before_it_starts_is_in_time() -> None:
    monitor = Monitor()
    monitor.process(decided(MONDAY - timedelta(days=3)), MONDAY)
    (published,) = monitor.process(accepted(MONDAY), MONDAY)
    assert isinstance(published, CommitmentsOpened)
    assert monitor.step is not None
    assert monitor.step.closed


def test_each_rung_of_a_late_case_fires_once() -> None:
    due = at("2026-03-12 13:41:31.788")
    monitor = Monitor()
    monitor.process(accepted(MONDAY, plan(whole=limits(due, due), licence=limits(30, 30))), MONDAY)
    assert rungs(monitor.process(decided(due + INSTANT), due + INSTANT)) == [
        ("case", Rung.WARNING),
        ("case", Rung.YELLOW),
        ("case", Rung.RED),
    ]


def test_a_timer_for_an_unknown_case() -> None:
    with pytest.raises(UnknownCase):
        handle(shipped(), None, envelope(TimerFired(), MONDAY))


def test_a_message_that_is_not_for_monitor() -> None:
    with pytest.raises(InvalidMessage, match=r"onedoor\.case\.state-requested\.v1"):
        handle(shipped(), None, envelope(CaseStateRequested(), MONDAY))


@pytest.mark.parametrize(
    "whole",
    [limits(3650, 3650), limits(1, 3650)],
)
def test_a_deadline_beyond_the_calendar_is_impossible(whole: object) -> None:
    accepted_at = datetime(2299, 12, 1, tzinfo=UTC)
    with pytest.raises(InvalidMessage, match="case lies beyond the calendar"):
        handle(shipped(), None, envelope(accepted(accepted_at, plan(whole=whole)), MONDAY))  # type: ignore[arg-type]


def test_the_state_stays_small() -> None:
    monitor = opened()
    assert monitor.state is not None
    stored = monitor.state.model_dump_json(exclude_defaults=True)
    assert MonitoredCase.model_validate_json(stored) == monitor.state
    assert len(stored) < 900
    assert "Li Hua" not in stored
