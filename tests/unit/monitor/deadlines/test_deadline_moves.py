"""Deadlines that move: another calendar, other rules, a late report of the beginning."""

from datetime import date, timedelta

import pytest

from contracts.envelope import Message, RulesChanged, TimerFired
from contracts.messages.alerts import AlertRaised, AlertWithdrawn, Rung
from contracts.messages.cases import CaseExtended, CaseRestarted, StepState
from contracts.messages.commitments import Cause, CommitmentsMoved, CommitmentsOpened
from contracts.working_time.notices import Notice, NoticeDay
from services.monitor.core.alerts.lifecycle import DEADLINE_MOVED
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
    return monitor.process(RulesChanged(), at(time))


def opened() -> Monitor:
    return Monitor().process_all([(accepted(MONDAY), MONDAY), (delivered(MONDAY), MONDAY)])


def test_another_day_off_moves_every_open_deadline_behind_it_and_publishes_before_and_after() -> None:
    monitor = opened()
    (moved,) = revised(monitor, rules_version(1, "2026-03-04"), "2026-03-02 15:00")
    assert isinstance(moved, CommitmentsMoved)
    assert (moved.cause, moved.rules_version) == (Cause.RULES, 1)
    moves = [(m.commitment.key, m.committed_before, m.commitment.committed_due) for m in moved.moves]
    assert moves == [
        ("case", at("2026-03-09 17:30"), at("2026-03-10 17:30")),
        # Only its statutory limit lies behind that Wednesday.
        ("step/licence", STEP_YELLOW, STEP_YELLOW),
    ]
    assert moved.moves[1].commitment.statutory_due == at("2026-03-06 17:30")
    assert monitor.timer_at == at("2026-03-03 09:00")


def test_the_same_rules_under_another_number_move_nothing_and_leave_the_case_as_it_is() -> None:
    monitor = opened()
    before = monitor.state
    assert revised(monitor, rules_version(1), "2026-03-02 15:00") == ()
    assert monitor.state is before


def test_a_rung_that_is_no_longer_due_is_withdrawn_and_fires_again_when_due() -> None:
    monitor = opened()
    monitor.process(TimerFired(), at("2026-03-03 09:00"))
    card_at = STEP_YELLOW + INSTANT
    monitor.process(TimerFired(), card_at)
    (card,) = monitor.process(OPEN, card_at)
    assert isinstance(card, AlertRaised) and card.rung is Rung.YELLOW
    # A typhoon closed the offices on Tuesday, as is known on Wednesday: the card was wrong, and so was the warning.
    moved, *withdrawn = revised(monitor, rules_version(1, "2026-03-03"), "2026-03-04 08:00")
    assert isinstance(moved, CommitmentsMoved)
    assert [(w.rung, w.reason, w.occurrence) for w in withdrawn if isinstance(w, AlertWithdrawn)] == [
        (Rung.WARNING, DEADLINE_MOVED, 1),
        (Rung.YELLOW, DEADLINE_MOVED, 1),
    ]
    assert monitor.standing() == set()
    assert monitor.timer_at == at("2026-03-04 09:00")
    (warning,) = monitor.process(TimerFired(), at("2026-03-04 09:00"))
    assert isinstance(warning, AlertRaised)
    assert (warning.rung, warning.occurrence, warning.due_at) == (Rung.WARNING, 2, at("2026-03-04 09:00"))
    late = at("2026-03-04 17:30") + INSTANT
    monitor.process(TimerFired(), late)
    (again,) = monitor.process(OPEN, late)
    assert isinstance(again, AlertRaised)
    assert (again.rung, again.occurrence, again.due_at) == (Rung.YELLOW, 2, at("2026-03-04 17:30"))


def test_a_rung_that_is_due_by_either_calendar_stands() -> None:
    monitor = opened()
    late = at("2026-03-05 10:00")
    monitor.process(TimerFired(), late)
    monitor.process(OPEN, late)
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
def test_an_ended_commitment_keeps_its_deadline_if_the_calendar_changes(answered: str) -> None:
    monitor = opened()
    ended = at("2026-03-02 12:00")
    monitor.process(done(ended), ended)
    if answered == "case":
        monitor.process(decided(ended), ended)
    before = {tracked.key: tracked for tracked in monitor.state.commitments} if monitor.state else {}
    revised(monitor, rules_version(1, "2026-03-04"), "2026-03-02 15:00")
    after = {tracked.key: tracked for tracked in monitor.state.commitments} if monitor.state else {}
    assert after["step/licence"] == before["step/licence"]
    assert (after["case"] == before["case"]) is (answered == "case")


def test_any_message_applies_the_rules_in_force() -> None:
    """The roll-out skips a blocked case. Its deadlines are computed with its next message."""
    monitor = opened()
    monitor.rules = rules_version(1, "2026-03-04")
    published = monitor.process(delivered(MONDAY), MONDAY)
    assert [type(message) for message in published] == [CommitmentsMoved]


def test_a_step_that_begins_later_is_published_then() -> None:
    monitor = Monitor().process_all([(accepted(MONDAY, plan(tax=limits(2, 4))), MONDAY)])
    later = at("2026-03-02 11:00")
    (opened_,) = monitor.process(done(later), later)
    assert isinstance(opened_, CommitmentsOpened)
    assert [c.key for c in opened_.commitments] == ["case", "step/licence", "step/tax"]


def test_a_late_report_of_an_earlier_beginning_moves_the_deadline() -> None:
    monitor = Monitor().process_all([(accepted(MONDAY, plan(tax=limits(2, 4))), MONDAY)])
    thursday, tuesday = at("2026-03-05 11:00"), at("2026-03-03 11:00")
    monitor.process(done(thursday), thursday)
    (moved,) = monitor.process(delivered(tuesday, "tax"), thursday)
    assert isinstance(moved, CommitmentsMoved)
    assert moved.cause is Cause.BEGUN_EARLIER
    (move,) = moved.moves
    assert (move.commitment.key, move.commitment.opened_at) == ("step/tax", tuesday)
    assert move.committed_before == at("2026-03-09 17:30")
    assert move.commitment.committed_due == at("2026-03-05 17:30")


def test_an_answer_in_time_by_its_calendar_draws_no_card_by_another() -> None:
    monitor = Monitor(rules_version(1, "2026-03-03")).process_all(
        [(accepted(MONDAY), MONDAY), (delivered(MONDAY), MONDAY)]
    )
    wednesday, thursday = at("2026-03-04 10:00"), at("2026-03-05 10:00")
    monitor.process(done(wednesday), wednesday)
    revised(monitor, rules_version(2), "2026-03-04 12:00")
    moved, *others = monitor.process(
        CaseExtended(change_id="e1", days=10, reason="案情复杂", notified_at=thursday), thursday
    )
    assert isinstance(moved, CommitmentsMoved)
    assert (moved.cause, [move.commitment.key for move in moved.moves]) == (Cause.EXTENDED, ["case"])
    assert others == []
    assert {rung for _, rung, _ in monitor.standing()} == {Rung.WARNING}


def test_a_later_message_about_a_deadline_has_a_higher_sequence() -> None:
    monitor = opened()
    later, earlier = at("2026-03-02 15:00"), at("2026-03-02 14:00")
    (first,) = monitor.process(CaseExtended(change_id="e1", days=10, reason="案情复杂", notified_at=later), later)
    (second,) = monitor.process(CaseRestarted(change_id="r1", reason="重新受理", restarted_at=earlier), earlier)
    assert isinstance(first, CommitmentsMoved | CommitmentsOpened)
    assert isinstance(second, CommitmentsMoved | CommitmentsOpened)
    assert second.sequence > first.sequence > 0


def test_a_change_of_rules_queries_nobody_and_withdraws_no_card_without_a_known_delivery() -> None:
    monitor = opened()
    monitor.process(TimerFired(), at("2026-03-03 09:00"))
    card_at = STEP_YELLOW + INSTANT
    monitor.process(TimerFired(), card_at)
    monitor.process(OPEN, card_at)
    before = monitor.standing()
    assert monitor.state is not None
    tracked = monitor.state.commitment("step/licence")
    assert tracked is not None
    monitor.state = monitor.state.with_commitment(tracked.replace(delivered_at=None))  # as if unknown
    assert revised(monitor, rules_version(1), "2026-03-04 09:00") == ()
    assert monitor.standing() == before
