"""Deadlines that move: another calendar, other rules, a beginning that was heard late."""

from datetime import date, timedelta

import pytest

from contracts.envelope import Message, RulesChanged, TimerFired
from contracts.messages.alerts import AlertRaised, AlertWithdrawn, Rung
from contracts.messages.cases import CaseExtended, CaseRestarted, StepState
from contracts.messages.commitments import Cause, CommitmentsMoved, CommitmentsOpened
from contracts.working_time.notices import Notice, NoticeDay
from services.monitor.core.alerts import DEADLINE_MOVED
from services.monitor.core.rules import Rules, rule_set
from services.monitor.store.rule_store import SHIPPED, read
from tests.support.monitor_histories import (
    Monitor,
    accepted,
    at,
    decided,
    delivered,
    done,
    limits,
    plan,
    report,
    reported,
)

MONDAY = at("2026-03-02 10:00")
STEP_YELLOW = at("2026-03-03 17:30")
INSTANT = timedelta(microseconds=1)
OPEN = reported(report("licence", StepState.DELIVERED, MONDAY))


def rules_version(number: int, *off: str) -> Rules:
    """The shipped rules with these weekdays of 2026 off in Guangdong."""
    days = tuple(NoticeDay(name="台风", date=date.fromisoformat(day), is_off_day=True) for day in off)
    notices = [Notice(year=2026, region="CN-44", days=days)] if days else []
    return Rules(number, rule_set(read(SHIPPED), notices))


def revised(monitor: Monitor, rules: Rules, time: str) -> tuple[Message, ...]:
    monitor.rules = rules
    return monitor.hear(RulesChanged(), at(time))


def opened() -> Monitor:
    return Monitor().hear_all([(accepted(MONDAY), MONDAY), (delivered(MONDAY), MONDAY)])


def test_a_day_more_off_moves_every_open_deadline_behind_it_and_tells_before_and_after() -> None:
    monitor = opened()
    (moved,) = revised(monitor, rules_version(1, "2026-03-04"), "2026-03-02 15:00")
    assert isinstance(moved, CommitmentsMoved)
    assert (moved.cause, moved.rules_version) == (Cause.RULES, 1)
    told = [(m.commitment.key, m.committed_before, m.commitment.committed_due) for m in moved.moves]
    assert told == [
        ("case", at("2026-03-09 17:30"), at("2026-03-10 17:30")),
        # Only its statutory limit lies behind that Wednesday.
        ("step/licence", STEP_YELLOW, STEP_YELLOW),
    ]
    assert moved.moves[1].commitment.statutory_due == at("2026-03-06 17:30")
    assert monitor.wake == at("2026-03-03 09:00")


def test_the_same_rules_under_another_number_move_nothing_and_leave_the_case_as_it_is() -> None:
    monitor = opened()
    before = monitor.state
    assert revised(monitor, rules_version(1), "2026-03-02 15:00") == ()
    assert monitor.state is before


def test_a_rung_that_has_not_come_to_be_due_after_all_is_withdrawn_and_fires_again_in_its_time() -> None:
    monitor = opened()
    monitor.hear(TimerFired(), at("2026-03-03 09:00"))
    card_at = STEP_YELLOW + INSTANT
    monitor.hear(TimerFired(), card_at)
    (card,) = monitor.hear(OPEN, card_at)
    assert isinstance(card, AlertRaised) and card.rung is Rung.YELLOW
    # A typhoon closed the offices on Tuesday, as is known on Wednesday: the card was wrong, and so was the warning.
    moved, *withdrawn = revised(monitor, rules_version(1, "2026-03-03"), "2026-03-04 08:00")
    assert isinstance(moved, CommitmentsMoved)
    assert [(w.rung, w.reason, w.occurrence) for w in withdrawn if isinstance(w, AlertWithdrawn)] == [
        (Rung.WARNING, DEADLINE_MOVED, 1),
        (Rung.YELLOW, DEADLINE_MOVED, 1),
    ]
    assert monitor.standing() == set()
    assert monitor.wake == at("2026-03-04 09:00")
    (warning,) = monitor.hear(TimerFired(), at("2026-03-04 09:00"))
    assert isinstance(warning, AlertRaised)
    assert (warning.rung, warning.occurrence, warning.due_at) == (Rung.WARNING, 2, at("2026-03-04 09:00"))
    late = at("2026-03-04 17:30") + INSTANT
    monitor.hear(TimerFired(), late)
    (again,) = monitor.hear(OPEN, late)
    assert isinstance(again, AlertRaised)
    assert (again.rung, again.occurrence, again.due_at) == (Rung.YELLOW, 2, at("2026-03-04 17:30"))


def test_a_rung_that_is_due_by_either_calendar_stands() -> None:
    monitor = opened()
    late = at("2026-03-05 10:00")
    monitor.hear(TimerFired(), late)
    monitor.hear(OPEN, late)
    before = monitor.standing()
    assert {(key, rung) for key, rung, _ in before} == {
        ("case", Rung.WARNING),
        ("step/licence", Rung.WARNING),
        ("step/licence", Rung.YELLOW),
    }
    (moved,) = revised(monitor, rules_version(1, "2026-03-03"), "2026-03-05 11:00")[:1]
    assert isinstance(moved, CommitmentsMoved)
    assert {(key, rung) for key, rung, _ in monitor.standing()} >= {("step/licence", Rung.YELLOW)}


@pytest.mark.parametrize("answered", ["step", "case"])
def test_what_has_ended_keeps_its_deadline_whatever_the_calendar_becomes(answered: str) -> None:
    monitor = opened()
    ended = at("2026-03-02 12:00")
    monitor.hear(done(ended), ended)
    if answered == "case":
        monitor.hear(decided(ended), ended)
    before = {watch.key: watch for watch in monitor.state.commitments} if monitor.state else {}
    revised(monitor, rules_version(1, "2026-03-04"), "2026-03-02 15:00")
    after = {watch.key: watch for watch in monitor.state.commitments} if monitor.state else {}
    assert after["step/licence"] == before["step/licence"]
    assert (after["case"] == before["case"]) is (answered == "case")


def test_any_message_finds_the_rules_in_force() -> None:
    """A case that was blocked while all others followed is reckoned anew with the next that it hears."""
    monitor = opened()
    monitor.rules = rules_version(1, "2026-03-04")
    said = monitor.hear(delivered(MONDAY), MONDAY)
    assert [type(message) for message in said] == [CommitmentsMoved]


def test_a_step_that_begins_later_is_told_of_then() -> None:
    monitor = Monitor().hear_all([(accepted(MONDAY, plan(tax=limits(2, 4))), MONDAY)])
    later = at("2026-03-02 11:00")
    (opened_,) = monitor.hear(done(later), later)
    assert isinstance(opened_, CommitmentsOpened)
    assert [c.key for c in opened_.commitments] == ["case", "step/licence", "step/tax"]


def test_a_beginning_that_is_heard_late_moves_the_deadline() -> None:
    monitor = Monitor().hear_all([(accepted(MONDAY, plan(tax=limits(2, 4))), MONDAY)])
    thursday, tuesday = at("2026-03-05 11:00"), at("2026-03-03 11:00")
    monitor.hear(done(thursday), thursday)
    (moved,) = monitor.hear(delivered(tuesday, "tax"), thursday)
    assert isinstance(moved, CommitmentsMoved)
    assert moved.cause is Cause.BEGUN_EARLIER
    (move,) = moved.moves
    assert (move.commitment.key, move.commitment.opened_at) == ("step/tax", tuesday)
    assert move.committed_before == at("2026-03-09 17:30")
    assert move.commitment.committed_due == at("2026-03-05 17:30")


def test_what_was_answered_in_time_by_its_calendar_draws_no_card_by_another_whatever_is_said_of_the_case() -> None:
    monitor = Monitor(rules_version(1, "2026-03-03")).hear_all(
        [(accepted(MONDAY), MONDAY), (delivered(MONDAY), MONDAY)]
    )
    wednesday, thursday = at("2026-03-04 10:00"), at("2026-03-05 10:00")
    monitor.hear(done(wednesday), wednesday)
    revised(monitor, rules_version(2), "2026-03-04 12:00")
    moved, *others = monitor.hear(
        CaseExtended(change_id="e1", days=10, reason="案情复杂", notified_at=thursday), thursday
    )
    assert isinstance(moved, CommitmentsMoved)
    assert (moved.cause, [move.commitment.key for move in moved.moves]) == (Cause.EXTENDED, ["case"])
    assert others == []
    assert {rung for _, rung, _ in monitor.standing()} == {Rung.WARNING}


def test_of_two_words_about_a_deadline_the_one_told_later_has_the_higher_count() -> None:
    monitor = opened()
    later, earlier = at("2026-03-02 15:00"), at("2026-03-02 14:00")
    (first,) = monitor.hear(CaseExtended(change_id="e1", days=10, reason="案情复杂", notified_at=later), later)
    (second,) = monitor.hear(CaseRestarted(change_id="r1", reason="重新受理", restarted_at=earlier), earlier)
    assert isinstance(first, CommitmentsMoved | CommitmentsOpened)
    assert isinstance(second, CommitmentsMoved | CommitmentsOpened)
    assert second.sequence > first.sequence > 0


def test_a_change_of_rules_asks_nobody_and_takes_no_card_that_an_earlier_program_issued() -> None:
    monitor = opened()
    monitor.hear(TimerFired(), at("2026-03-03 09:00"))
    card_at = STEP_YELLOW + INSTANT
    monitor.hear(TimerFired(), card_at)
    monitor.hear(OPEN, card_at)
    before = monitor.standing()
    assert monitor.state is not None
    watch = monitor.state.commitment("step/licence")
    assert watch is not None
    monitor.state = monitor.state.with_commitment(watch.replace(delivered_at=None))  # as states of old have it
    assert revised(monitor, rules_version(1), "2026-03-04 09:00") == ()
    assert monitor.standing() == before
