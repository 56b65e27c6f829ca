"""Monitor's core by example: given messages, when one more comes, then this is said."""

from datetime import UTC, datetime, timedelta

import pytest

from contracts.core import InvalidMessage, UnknownCase
from contracts.envelope import Message, TimerFired
from contracts.messages.alerts import AlertClosed, AlertRaised, AlertWithdrawn, CardNotIssued, Rung
from contracts.messages.cases import CaseStateRequested, StepState
from contracts.messages.commitments import CommitmentsOpened
from contracts.messages.plans import Outcome
from services.monitor.core.alerts import ANSWERED_IN_TIME
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
    heard,
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
    """A case accepted and its licence asked for on Monday."""
    return Monitor().hear_all([(accepted(MONDAY), MONDAY), (delivered(MONDAY), MONDAY)])


def rungs(said: tuple[Message, ...]) -> list[tuple[str, Rung]]:
    assert all(isinstance(message, AlertRaised) for message in said)
    return [(message.commitment, message.rung) for message in said if isinstance(message, AlertRaised)]


def test_acceptance_is_answered_with_the_commitments_of_the_case_and_of_the_steps_that_begin_with_it() -> None:
    (said,) = Monitor().hear(accepted(MONDAY, plan(tax=limits(2, 4))), MONDAY)
    assert isinstance(said, CommitmentsOpened)
    case, licence = said.commitments
    assert (case.key, case.owner, case.opened_at) == ("case", "Commerce", MONDAY)
    assert (case.committed_due, case.statutory_due, case.provisional) == (CASE_YELLOW, CASE_RED, False)
    assert (licence.key, licence.owner, licence.committed_due) == ("step/licence", "Market office", STEP_YELLOW)


def test_a_step_begins_when_those_before_it_are_approved_and_a_repeated_acceptance_is_told_of_it() -> None:
    monitor = Monitor()
    of = plan(tax=limits(2, 4))
    monitor.hear(accepted(MONDAY, of), MONDAY)
    later = MONDAY + timedelta(hours=1)
    for told in (monitor.hear(done(later), later), monitor.hear(accepted(MONDAY, of), MONDAY)):
        (said,) = told
        assert isinstance(said, CommitmentsOpened)
        assert [(c.key, c.opened_at) for c in said.commitments] == [
            ("case", MONDAY),
            ("step/licence", MONDAY),
            ("step/tax", later),
        ]


def test_a_step_does_not_begin_after_a_refusal() -> None:
    refused = done(MONDAY).replace(outcome=Outcome.REFUSED)
    monitor = Monitor().hear_all([(accepted(MONDAY, plan(tax=limits(2, 4))), MONDAY), (refused, MONDAY)])
    assert monitor.state is not None
    tax = monitor.state.commitment("step/tax")
    assert tax is not None and tax.opened_at is None


def test_a_step_without_a_limit_of_its_own_is_not_kept() -> None:
    monitor = Monitor()
    monitor.hear(delivered(MONDAY, "tax"), MONDAY)
    monitor.hear(accepted(MONDAY), MONDAY)
    before = monitor.state
    monitor.hear(delivered(MONDAY, "tax"), MONDAY)
    assert monitor.state is before, "no news is no new state, so that the row need not be written again"
    assert before is not None
    assert [watch.key for watch in before.commitments] == ["case", "step/licence"]


def test_nothing_opens_before_the_acceptance_is_known() -> None:
    monitor = Monitor()
    assert monitor.hear(delivered(MONDAY), MONDAY) == ()
    assert monitor.wake is None
    (said,) = monitor.hear(accepted(MONDAY), MONDAY)
    assert isinstance(said, CommitmentsOpened)
    assert [commitment.key for commitment in said.commitments] == ["case", "step/licence"]
    assert monitor.wake == STEP_WARNING


def test_a_warning_needs_no_verification() -> None:
    monitor = opened()
    assert monitor.wake == STEP_WARNING
    (said,) = monitor.hear(TimerFired(), STEP_WARNING)
    assert said == AlertRaised(
        commitment="step/licence",
        rung=Rung.WARNING,
        owner="Market office",
        matter="start-business",
        region="440305",
        due_at=STEP_WARNING,
        raised_at=STEP_WARNING,
    )
    assert monitor.wake == STEP_YELLOW + INSTANT
    assert monitor.hear(TimerFired(), STEP_WARNING) == ()


def test_a_card_waits_for_routings_word() -> None:
    monitor = opened()
    monitor.hear(TimerFired(), STEP_WARNING)
    card_at = STEP_YELLOW + INSTANT
    assert monitor.hear(TimerFired(), card_at) == (CaseStateRequested(),)
    assert (monitor.wake, monitor.again) == (CASE_WARNING, timedelta(seconds=30))
    (said,) = monitor.hear(reported(OPEN), card_at)
    assert isinstance(said, AlertRaised)
    assert (said.commitment, said.rung, said.due_at, said.raised_at) == (
        "step/licence",
        Rung.YELLOW,
        STEP_YELLOW,
        card_at,
    )
    assert (monitor.wake, monitor.again) == (CASE_WARNING, None)
    assert monitor.hear(reported(OPEN), card_at) == ()


@pytest.mark.parametrize(
    ("steps", "time"),
    [
        # Told before the time had run out, and late on its way.
        ((OPEN,), STEP_YELLOW - INSTANT),
        ((OPEN,), STEP_YELLOW),
        # Fresh, but of the case only: whether the step is open it does not say.
        ((), STEP_YELLOW + timedelta(hours=1)),
    ],
)
def test_an_old_report_proves_nothing(steps: tuple, time: datetime) -> None:  # type: ignore[type-arg]
    monitor = opened()
    monitor.hear(TimerFired(), STEP_WARNING)
    monitor.hear(TimerFired(), STEP_YELLOW + INSTANT)
    assert monitor.hear(reported(*steps), time) == ()
    assert monitor.again == timedelta(seconds=30), "the question stays open"


def test_routing_is_asked_only_about_a_case_that_it_knows() -> None:
    """Else its answer would be that there is no such case. It hears of the case as we do: sooner or later."""
    monitor = Monitor()
    monitor.hear(accepted(MONDAY), MONDAY)
    (warning,) = monitor.hear(TimerFired(), STEP_YELLOW + INSTANT)
    assert isinstance(warning, AlertRaised)
    assert monitor.again == timedelta(seconds=30)
    assert monitor.hear(delivered(MONDAY, "tax"), MONDAY) == (CaseStateRequested(),)
    assert monitor.hear(delivered(MONDAY, "licence"), MONDAY) == (), "it has been asked"


def test_routing_is_asked_after_a_while_even_if_nothing_shows_that_it_knows_the_case() -> None:
    monitor = Monitor()
    monitor.hear(accepted(MONDAY), MONDAY)
    monitor.hear(TimerFired(), STEP_YELLOW + INSTANT)
    assert monitor.hear(TimerFired(), STEP_YELLOW + 2 * INSTANT) == (CaseStateRequested(),)


def test_an_open_case_that_no_deadline_asks_about_is_asked_about_each_day() -> None:
    """Its decision may have been lost on the way to monitor alone, and nobody says it again by himself."""
    monitor = opened()
    late = CASE_RED + timedelta(days=1)
    assert monitor.hear(TimerFired(), late)[-1] == CaseStateRequested()
    monitor.hear(reported(report("licence", StepState.DONE, MONDAY, decided_at=late)), late)
    assert (monitor.wake, monitor.again) == (None, timedelta(days=1))
    assert monitor.hear(TimerFired(), late + timedelta(days=1)) == (CaseStateRequested(),)
    monitor.hear(decided(late), late + timedelta(days=1))
    assert (monitor.wake, monitor.again) == (None, None)


def test_routing_is_asked_slower_and_slower() -> None:
    monitor = opened()
    monitor.hear(TimerFired(), STEP_WARNING)
    patiences = []
    for minute in range(10):
        said = monitor.hear(TimerFired(), STEP_YELLOW + timedelta(minutes=minute + 1))
        # Asked for the sixth time in vain, operations are told, once.
        assert [type(message).__name__ for message in said] == ["CaseStateRequested", "OperationsAlerted"][
            : 1 + (minute == 5)
        ]
        assert monitor.again is not None
        patiences.append(monitor.again.total_seconds())
    assert patiences == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]
    monitor.hear(reported(OPEN), STEP_YELLOW + timedelta(minutes=20))
    assert monitor.hear(TimerFired(), CASE_WARNING) != (CaseStateRequested(),)
    monitor.hear(TimerFired(), STEP_RED + INSTANT)
    assert monitor.again == timedelta(seconds=30), "a new question starts from the beginning"


def test_one_question_for_all_cards_due_at_the_same_minute() -> None:
    monitor = Monitor()
    same = plan(whole=limits(1, 1), licence=limits(1, 1))
    monitor.hear_all([(accepted(MONDAY, same), MONDAY), (delivered(MONDAY), MONDAY), (TimerFired(), STEP_WARNING)])
    late = STEP_YELLOW + timedelta(seconds=1)
    assert monitor.hear(TimerFired(), late) == (CaseStateRequested(),)
    assert rungs(monitor.hear(reported(OPEN), late)) == [
        ("case", Rung.YELLOW),
        ("case", Rung.RED),
        ("step/licence", Rung.YELLOW),
        ("step/licence", Rung.RED),
    ]
    assert monitor.wake is None


def test_a_report_that_the_step_is_done_closes_it_without_a_card() -> None:
    monitor = opened()
    monitor.hear(TimerFired(), STEP_WARNING)
    monitor.hear(TimerFired(), STEP_YELLOW + INSTANT)
    answered = report("licence", StepState.DONE, MONDAY, decided_at=STEP_YELLOW)
    said = monitor.hear(reported(answered), STEP_YELLOW + INSTANT)
    assert said == (
        AlertClosed(commitment="step/licence", ended_at=STEP_YELLOW, region="440305"),
        CardNotIssued(
            commitment="step/licence", rung=Rung.YELLOW, due_at=STEP_YELLOW, ended_at=STEP_YELLOW, region="440305"
        ),
    )
    assert monitor.hear(reported(answered), STEP_YELLOW + INSTANT) == ()
    assert (monitor.wake, monitor.again) == (CASE_WARNING, None)


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
def test_late_is_late_though_the_alarm_never_rang(answered_at: datetime, expected: list[Rung]) -> None:
    said = opened().hear(done(answered_at), answered_at)
    assert rungs(said) == [("step/licence", rung) for rung in expected]
    assert all(message.raised_at == answered_at for message in said if isinstance(message, AlertRaised))


def test_an_answer_in_time_that_came_late_withdraws_what_had_fired() -> None:
    monitor = opened()
    monitor.hear(TimerFired(), STEP_WARNING)
    monitor.hear(TimerFired(), STEP_YELLOW + INSTANT)
    raised_at = STEP_YELLOW + timedelta(hours=1)
    monitor.hear(reported(OPEN), raised_at)
    # Decided after the warning and before the card: only the card was wrong.
    said = monitor.hear(done(STEP_YELLOW), STEP_YELLOW)
    assert said == (
        AlertWithdrawn(
            commitment="step/licence",
            rung=Rung.YELLOW,
            reason=ANSWERED_IN_TIME,
            withdrawn_at=raised_at,
            region="440305",
        ),
        AlertClosed(commitment="step/licence", ended_at=STEP_YELLOW, region="440305"),
    )
    assert monitor.hear(done(STEP_YELLOW), STEP_YELLOW) == ()


def test_no_rung_fires_after_closing() -> None:
    monitor = opened()
    monitor.hear(done(MONDAY), MONDAY)
    monitor.hear(decided(MONDAY), MONDAY)
    assert monitor.wake is None
    assert monitor.step is not None
    assert monitor.step.closed
    assert monitor.hear(TimerFired(), CASE_RED + timedelta(days=9)) == ()
    assert monitor.hear(reported(OPEN), CASE_RED + timedelta(days=9)) == ()


def test_a_decision_closes_the_case_and_every_step_it_reports() -> None:
    monitor = opened()
    said = monitor.hear(
        decided(CASE_YELLOW + INSTANT, report("licence", StepState.DONE, MONDAY, decided_at=STEP_YELLOW)), CASE_RED
    )
    assert rungs(said) == [
        ("case", Rung.WARNING),
        ("case", Rung.YELLOW),
        ("step/licence", Rung.WARNING),
    ]
    assert monitor.wake is None


def test_a_dropped_step_is_owed_until_the_case_is_decided() -> None:
    said = opened().hear(decided(STEP_RED, report("licence", StepState.DROPPED, MONDAY)), STEP_RED)
    assert rungs(said) == [
        ("case", Rung.WARNING),
        ("step/licence", Rung.WARNING),
        ("step/licence", Rung.YELLOW),
    ]


def test_a_lost_answer_is_made_good_by_routings_report() -> None:
    monitor = Monitor()
    monitor.hear(accepted(MONDAY, plan(licence=limits(5, 10), tax=limits(1, 3))), MONDAY)
    assert monitor.wake == CASE_WARNING
    tax = report("tax", StepState.DELIVERED, MONDAY)
    monitor.hear(reported(report("licence", StepState.DONE, MONDAY, decided_at=MONDAY), tax), MONDAY)
    assert monitor.wake == STEP_WARNING


def test_a_case_that_ends_before_it_starts_is_in_time() -> None:
    monitor = Monitor()
    monitor.hear(decided(MONDAY - timedelta(days=3)), MONDAY)
    (said,) = monitor.hear(accepted(MONDAY), MONDAY)
    assert isinstance(said, CommitmentsOpened)
    assert monitor.step is not None
    assert monitor.step.closed


def test_a_late_case_climbs_the_whole_ladder_once() -> None:
    due = at("2026-03-12 13:41:31.788")
    monitor = Monitor()
    monitor.hear(accepted(MONDAY, plan(whole=limits(due, due), licence=limits(30, 30))), MONDAY)
    assert rungs(monitor.hear(decided(due + INSTANT), due + INSTANT)) == [
        ("case", Rung.WARNING),
        ("case", Rung.YELLOW),
        ("case", Rung.RED),
    ]


def test_an_alarm_for_a_case_never_heard_of() -> None:
    with pytest.raises(UnknownCase):
        handle(shipped(), None, heard(TimerFired(), MONDAY))


def test_a_message_that_is_not_for_monitor() -> None:
    with pytest.raises(InvalidMessage, match=r"onedoor\.case\.state-requested\.v1"):
        handle(shipped(), None, heard(CaseStateRequested(), MONDAY))


@pytest.mark.parametrize(
    "whole",
    [limits(3650, 3650), limits(1, 3650)],
)
def test_a_deadline_beyond_the_calendar_is_impossible(whole: object) -> None:
    accepted_at = datetime(2299, 12, 1, tzinfo=UTC)
    with pytest.raises(InvalidMessage, match="case lies beyond the calendar"):
        handle(shipped(), None, heard(accepted(accepted_at, plan(whole=whole)), MONDAY))  # type: ignore[arg-type]


def test_the_state_stays_small() -> None:
    monitor = opened()
    assert monitor.state is not None
    stored = monitor.state.model_dump_json(exclude_defaults=True)
    assert MonitoredCase.model_validate_json(stored) == monitor.state
    assert len(stored) < 900
    assert "Li Hua" not in stored
