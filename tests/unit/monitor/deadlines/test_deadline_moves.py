"""Deadlines that move: another calendar, other rules, a late report of the beginning."""

from datetime import date

import pytest

from contracts.envelope import Message, RulesChanged, TimerFired
from contracts.messages.alerts import AlertRaised, AlertWithdrawn, Rung
from contracts.messages.commitments import Cause, CommitmentsMoved, CommitmentsOpened
from contracts.working_time.notices import Notice, NoticeDay
from services.monitor.core.alerts.lifecycle import DEADLINE_MOVED
from services.monitor.core.rules import Rules
from tests.support.messages import MONDAY, at, case_extended, case_restarted, limits
from tests.support.monitor_histories import (
    BUSINESS,
    CASE_YELLOW,
    INSTANT,
    REPORTED_OPEN,
    STEP_WARNING,
    STEP_YELLOW,
    Monitor,
    business,
    carded,
    changed_rules,
    opened,
)
from tests.support.scenario import of_type, only


def rules_version(number: int, *off: str) -> Rules:
    """The shipped rules with these weekdays of 2026 off in Guangdong."""
    days = tuple(NoticeDay(name="台风", date=date.fromisoformat(day), is_off_day=True) for day in off)
    notices = [Notice(year=2026, region="CN-44", days=days)] if days else []
    return changed_rules(number=number, notices=notices)


def revised(monitor: Monitor, rules: Rules, time: str) -> tuple[Message, ...]:
    monitor.use(rules)
    return monitor.when(RulesChanged(), at(time))


def test_another_day_off_moves_every_open_deadline_behind_it_and_publishes_before_and_after() -> None:
    monitor = opened()
    moved = only(CommitmentsMoved, revised(monitor, rules_version(1, "2026-03-04"), "2026-03-02 15:00"))
    assert (moved.cause, moved.rules_version) == (Cause.RULES, 1)
    moves = [(m.commitment.key, m.committed_before, m.commitment.committed_due) for m in moved.moves]
    assert moves == [
        ("case", CASE_YELLOW, at("2026-03-10 17:30")),
        # Only its statutory limit lies behind that Wednesday.
        ("step/licence", STEP_YELLOW, STEP_YELLOW),
    ]
    assert moved.moves[1].commitment.statutory_due == at("2026-03-06 17:30")
    assert monitor.last.timer_at == STEP_WARNING


def test_the_same_rules_under_another_number_move_nothing_and_leave_the_case_as_it_is() -> None:
    monitor = opened()
    before = monitor.state
    assert revised(monitor, rules_version(1), "2026-03-02 15:00") == ()
    assert monitor.state is before


def test_a_rung_that_is_no_longer_due_is_withdrawn_and_fires_again_when_due() -> None:
    monitor = carded()
    # A typhoon closed the offices on Tuesday, as is known on Wednesday: the card was wrong, and so was the warning.
    moved, *withdrawn = revised(monitor, rules_version(1, "2026-03-03"), "2026-03-04 08:00")
    assert isinstance(moved, CommitmentsMoved)
    assert [(w.rung, w.reason, w.occurrence) for w in of_type(AlertWithdrawn, withdrawn)] == [
        (Rung.WARNING, DEADLINE_MOVED, 1),
        (Rung.YELLOW, DEADLINE_MOVED, 1),
    ]
    assert monitor.standing() == set()
    assert monitor.last.timer_at == at("2026-03-04 09:00")
    warning = only(AlertRaised, monitor.when(TimerFired(), at("2026-03-04 09:00")))
    assert (warning.rung, warning.occurrence, warning.due_at) == (Rung.WARNING, 2, at("2026-03-04 09:00"))
    late = at("2026-03-04 17:30") + INSTANT
    monitor.when(TimerFired(), late)
    again = only(AlertRaised, monitor.when(REPORTED_OPEN, late))
    assert (again.rung, again.occurrence, again.due_at) == (Rung.YELLOW, 2, at("2026-03-04 17:30"))


def test_a_rung_that_is_due_by_either_calendar_stands() -> None:
    late = at("2026-03-05 10:00")
    monitor = opened().given((TimerFired(), late), (REPORTED_OPEN, late))
    assert monitor.standing_rungs() == {
        ("case", Rung.WARNING),
        ("step/licence", Rung.WARNING),
        ("step/licence", Rung.YELLOW),
    }
    moved, *_ = revised(monitor, rules_version(1, "2026-03-03"), "2026-03-05 11:00")
    assert isinstance(moved, CommitmentsMoved)
    assert ("step/licence", Rung.YELLOW) in monitor.standing_rungs()


@pytest.mark.parametrize("answered", ["step", "case"])
def test_an_ended_commitment_keeps_its_deadline_if_the_calendar_changes(answered: str) -> None:
    ended = at("2026-03-02 12:00")
    monitor = opened().given((BUSINESS.done("licence", ended), ended))
    if answered == "case":
        monitor.when(BUSINESS.decided(ended), ended)
    before = {tracked.key: tracked for tracked in monitor.case.commitments}
    revised(monitor, rules_version(1, "2026-03-04"), "2026-03-02 15:00")
    after = {tracked.key: tracked for tracked in monitor.case.commitments}
    assert after["step/licence"] == before["step/licence"]
    assert (after["case"] == before["case"]) is (answered == "case")


def test_any_message_applies_the_rules_in_force() -> None:
    """The roll-out skips a blocked case. Its deadlines are computed with its next message."""
    monitor = opened()
    monitor.use(rules_version(1, "2026-03-04"))
    only(CommitmentsMoved, monitor.when(BUSINESS.delivered("licence", MONDAY), MONDAY))


def test_a_step_that_begins_later_is_published_then() -> None:
    monitor = Monitor().given((business(tax=limits(2, 4)).accepted(MONDAY), MONDAY))
    later = at("2026-03-02 11:00")
    published = only(CommitmentsOpened, monitor.when(BUSINESS.done("licence", later), later))
    assert [c.key for c in published.commitments] == ["case", "step/licence", "step/tax"]


def test_a_late_report_of_an_earlier_beginning_moves_the_deadline() -> None:
    monitor = Monitor().given((business(tax=limits(2, 4)).accepted(MONDAY), MONDAY))
    thursday, tuesday = at("2026-03-05 11:00"), at("2026-03-03 11:00")
    monitor.when(BUSINESS.done("licence", thursday), thursday)
    moved = only(CommitmentsMoved, monitor.when(BUSINESS.delivered("tax", tuesday), thursday))
    assert moved.cause is Cause.BEGUN_EARLIER
    (move,) = moved.moves
    assert (move.commitment.key, move.commitment.opened_at) == ("step/tax", tuesday)
    assert move.committed_before == at("2026-03-09 17:30")
    assert move.commitment.committed_due == at("2026-03-05 17:30")


def test_an_answer_in_time_by_its_calendar_draws_no_card_by_another() -> None:
    monitor = opened(rules=rules_version(1, "2026-03-03"))
    wednesday, thursday = at("2026-03-04 10:00"), at("2026-03-05 10:00")
    monitor.when(BUSINESS.done("licence", wednesday), wednesday)
    revised(monitor, rules_version(2), "2026-03-04 12:00")
    moved = only(CommitmentsMoved, monitor.when(case_extended(10, thursday), thursday))
    assert (moved.cause, [move.commitment.key for move in moved.moves]) == (Cause.EXTENDED, ["case"])
    assert {rung for _, rung, _ in monitor.standing()} == {Rung.WARNING}


def test_a_later_message_about_a_deadline_has_a_higher_sequence() -> None:
    monitor = opened()
    later, earlier = at("2026-03-02 15:00"), at("2026-03-02 14:00")
    (first,) = monitor.when(case_extended(10, later), later)
    (second,) = monitor.when(case_restarted(earlier), earlier)
    assert isinstance(first, CommitmentsMoved | CommitmentsOpened)
    assert isinstance(second, CommitmentsMoved | CommitmentsOpened)
    assert second.sequence > first.sequence > 0


def test_a_change_of_rules_sends_no_request_and_withdraws_no_card_without_a_known_delivery() -> None:
    monitor = carded()
    before = monitor.standing()
    monitor.change("step/licence", delivered_at=None)
    assert revised(monitor, rules_version(1), "2026-03-04 09:00") == ()
    assert monitor.standing() == before
