"""Time that does not count, is added, or restarts: the Administrative Licensing Law (行政许可法) by its articles."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.core import InvalidMessage
from contracts.envelope import Message, TimerFired
from contracts.messages.alerts import AlertWithdrawn, Rung
from contracts.messages.cases import StepState
from contracts.messages.commitments import Cause, Commitment, CommitmentsMoved, CommitmentsOpened, Pause
from contracts.messages.tasks import TaskSuspended
from services.monitor.core.alerts.lifecycle import DEADLINE_MOVED
from services.monitor.core.deadlines import explanation, suspensions_without_effect
from services.monitor.core.facts import MAX_EARLY_REPORTS, MAX_SUSPENSIONS
from services.monitor.core.rules import LimitKind
from services.monitor.store import rule_store
from tests.support.messages import MONDAY, at, case_extended, case_restarted, case_suspended, limits, report
from tests.support.monitor_histories import BUSINESS, INSTANT, REPORTED_OPEN, STEP_RED, Monitor, business, facts, opened
from tests.support.scenario import At, of_type, only

TUESDAY, WEDNESDAY, THURSDAY = (at(f"2026-03-0{day} 10:00") for day in (3, 4, 5))
OF = business(licence=limits(3, 5), tax=limits(2, 4))
"""Five and ten days for the case, three and five for the licence, two and four for the tax registration after it."""


def hearing(since: datetime, until: datetime | None = None, step: str = "licence") -> TaskSuspended:
    return OF.suspended(step, "P1", since, until=until)


def tracked(monitor: Monitor, key: str) -> Commitment:
    """The commitment as it is published."""
    commitment = monitor.tracked(key).as_message()
    assert commitment is not None
    return commitment


def carded() -> Monitor:
    """The licence has a yellow card at the end of its third day."""
    card_at = STEP_RED + INSTANT
    monitor = opened(OF).given((TimerFired(), card_at), (REPORTED_OPEN, card_at))
    assert ("step/licence", Rung.YELLOW) in monitor.standing_rungs()
    return monitor


# -- article 45: special procedures ------------------------------------------------------------------------------------


def test_art_45_a_departments_hearing_stops_its_step_and_the_case() -> None:
    monitor = opened(OF)
    moved = only(CommitmentsMoved, monitor.when(hearing(TUESDAY), TUESDAY))
    assert moved.cause is Cause.SUSPENDED
    assert {m.commitment.key: m.commitment.pause for m in moved.moves} == {
        "case": Pause(since=TUESDAY, left=5, unit="working days"),
        "step/licence": Pause(since=TUESDAY, left=3, unit="working days"),
    }
    assert monitor.last.timer_at is None, "nothing falls due while time is suspended"


def test_art_45_the_days_of_the_hearing_do_not_count_and_the_day_of_resumption_does() -> None:
    monitor = opened(OF)
    monitor.when(hearing(TUESDAY), TUESDAY)
    moved = only(CommitmentsMoved, monitor.when(hearing(TUESDAY, THURSDAY), THURSDAY))
    assert moved.cause is Cause.RESUMED
    assert all(move.paused_before and move.commitment.pause is None for move in moved.moves)
    # Tuesday and Wednesday are not counted: Thursday, Friday, Monday are the three days.
    assert tracked(monitor, "step/licence").committed_due == at("2026-03-09 17:30")
    assert tracked(monitor, "case").committed_due == at("2026-03-11 17:30")
    assert monitor.last.timer_at is not None


def test_art_45_another_departments_step_runs_on() -> None:
    monitor = opened(OF)
    before = tracked(monitor, "step/licence")
    monitor.when(hearing(TUESDAY, step="tax"), TUESDAY)
    assert tracked(monitor, "step/licence") == before
    assert tracked(monitor, "case").pause is not None


@pytest.mark.parametrize(("step", "system"), [("nosuch", "commerce"), ("licence", "tax"), ("tax", "commerce")])
def test_art_45_a_system_without_a_request_stops_no_clock(step: str, system: str) -> None:
    published = hearing(TUESDAY).replace(step=step, system=system)
    late, early = opened(), Monitor().given((published, TUESDAY), (BUSINESS.accepted(MONDAY), TUESDAY))
    late.refuses(published, TUESDAY, error=InvalidMessage, reason="not assigned")
    for monitor in (late, early):
        assert tracked(monitor, "case").pause is None
        assert not monitor.case.suspensions


@pytest.mark.parametrize("limited", [True, False], ids=["a step with a limit", "a step without one"])
def test_art_45_a_hearing_that_nobody_ended_ends_with_its_step(limited: bool) -> None:
    of = OF if limited else business(licence=limits(3, 5))
    messages: list[At] = [
        (of.accepted(MONDAY), MONDAY),
        (of.done("licence", MONDAY), MONDAY),
        (hearing(TUESDAY, step="tax"), TUESDAY),
        (of.done("tax", THURSDAY), THURSDAY),
    ]
    for order in (messages, [messages[3], *messages[:3]], [messages[0], messages[1], messages[3], messages[2]]):
        monitor = Monitor().given(*order)
        assert tracked(monitor, "case").pause is None
        assert tracked(monitor, "case").committed_due == at("2026-03-11 17:30"), "Tuesday and Wednesday do not count"


def test_art_45_a_card_that_fell_due_in_time_that_does_not_count_is_withdrawn() -> None:
    monitor = carded()
    # The department's report that it had opened a hearing on Tuesday was late on its way.
    withdrawn = of_type(AlertWithdrawn, monitor.when(hearing(TUESDAY), at("2026-03-06 09:00")))
    assert ("step/licence", Rung.YELLOW, DEADLINE_MOVED) in {(w.commitment, w.rung, w.reason) for w in withdrawn}
    assert monitor.standing() == set()


def test_art_45_a_step_that_was_late_before_the_hearing_stays_late() -> None:
    friday = at("2026-03-06 10:00")
    assert ("step/licence", Rung.YELLOW) in carded().given((hearing(friday), friday)).standing_rungs()


def test_a_hearing_does_not_move_a_deadline_that_another_party_has_fixed_and_is_known_not_to() -> None:
    fixed = business(whole=limits(THURSDAY, THURSDAY))
    monitor = opened(fixed)
    monitor.when(fixed.suspended("licence", "P1", TUESDAY), TUESDAY)
    assert tracked(monitor, "case").committed_due == THURSDAY and tracked(monitor, "case").pause is None
    assert tracked(monitor, "step/licence").pause is not None, "its own limit is counted"
    rules = rule_store.shipped()
    assert [one.since for one in suspensions_without_effect(monitor.case, monitor.tracked("case"), rules)] == [TUESDAY]
    assert not suspensions_without_effect(monitor.case, monitor.tracked("step/licence"), rules)
    explained = explanation(monitor.case, "case", LimitKind.COMMITTED, rules)
    assert explained is not None and [one.since for one in explained.without_effect] == [TUESDAY]


def test_a_suspension_after_the_answer_moves_nothing() -> None:
    monitor = opened(OF)
    monitor.when(OF.done("licence", TUESDAY), TUESDAY)
    before = tracked(monitor, "step/licence")
    monitor.when(hearing(WEDNESDAY), WEDNESDAY)
    assert tracked(monitor, "step/licence") == before


DECIDED, AFTERWARDS = at("2026-03-12 10:00"), at("2026-03-12 11:00")


@pytest.mark.parametrize("change", [case_restarted(AFTERWARDS), case_extended(10, AFTERWARDS)])
def test_a_change_after_the_decision_withdraws_no_card(change: Message) -> None:
    monitor = opened().given((BUSINESS.decided(DECIDED), DECIDED))
    before = monitor.standing()
    assert ("case", Rung.YELLOW) in monitor.standing_rungs()
    monitor.when(change, AFTERWARDS)
    assert monitor.standing() == before


# -- article 32: corrections; article 42: extension; restart -----------------------------------------------------------


def test_art_32_a_correction_stops_the_case_and_all_its_steps_and_intake_is_answered() -> None:
    monitor = opened(OF)
    correction = case_suspended(TUESDAY)
    moved = only(CommitmentsMoved, monitor.when(correction, TUESDAY))
    assert moved.change_ids == (correction.change_id,)
    assert {m.commitment.key for m in moved.moves if m.commitment.pause} == {"case", "step/licence"}
    again = only(CommitmentsOpened, monitor.when(correction, TUESDAY))
    assert again.change_ids == (correction.change_id,), "a repeated message is answered again"


def test_art_42_an_extension_is_added_once_to_the_case_and_to_the_step_that_it_is_for() -> None:
    monitor = opened(OF)
    moved = only(CommitmentsMoved, monitor.when(case_extended(10, TUESDAY, steps=["licence"]), TUESDAY))
    assert moved.cause is Cause.EXTENDED
    assert [m.commitment.key for m in moved.moves] == ["case", "step/licence"]
    assert tracked(monitor, "step/licence").committed_due == at("2026-03-19 17:30")
    assert tracked(monitor, "step/licence").statutory_due == at("2026-03-23 17:30")
    assert tracked(monitor, "case").committed_due == at("2026-03-23 17:30")
    assert tracked(monitor, "case").statutory_due == at("2026-03-30 17:30")
    only(CommitmentsOpened, monitor.when(case_extended(15, WEDNESDAY, "e2"), WEDNESDAY))
    assert tracked(monitor, "case").committed_due == at("2026-03-23 17:30")


def test_art_42_a_step_that_begins_later_gets_the_days_if_it_is_named() -> None:
    messages: list[At] = [
        (OF.accepted(MONDAY), MONDAY),
        (case_extended(10, TUESDAY, steps=["tax"]), TUESDAY),
        (OF.done("licence", WEDNESDAY), WEDNESDAY),
    ]
    for order in (messages, messages[::-1], [messages[1], messages[0], messages[2]]):
        monitor = Monitor().given(*order)
        assert tracked(monitor, "step/licence").committed_due == at("2026-03-05 17:30")
        assert tracked(monitor, "step/tax").committed_due == at("2026-03-20 17:30")
        assert tracked(monitor, "case").committed_due == at("2026-03-23 17:30")


def test_art_42_no_card_is_issued_on_the_old_date_and_one_that_was_is_withdrawn() -> None:
    extension = case_extended(10, TUESDAY, steps=["licence"])
    later = STEP_RED + 2 * INSTANT
    for monitor in (opened(OF).given((extension, TUESDAY), (TimerFired(), later)), carded().given((extension, later))):
        assert monitor.standing_rungs() == set()


def test_a_restart_begins_the_case_and_its_steps_anew() -> None:
    monitor = opened(OF)
    moved = only(CommitmentsMoved, monitor.when(case_restarted(THURSDAY), THURSDAY))
    assert moved.cause is Cause.RESTARTED
    assert tracked(monitor, "case").committed_due == at("2026-03-12 17:30")
    assert tracked(monitor, "step/licence").committed_due == at("2026-03-10 17:30")


def test_a_restart_moves_no_step_that_has_ended_or_begins_later() -> None:
    monitor = opened(OF).given((OF.done("licence", WEDNESDAY), WEDNESDAY))
    before = tracked(monitor, "step/licence")
    monitor.when(case_restarted(THURSDAY), THURSDAY)
    assert tracked(monitor, "step/licence") == before
    assert tracked(monitor, "step/tax").committed_due == at("2026-03-09 17:30"), "it was open, so it begins anew too"
    early = opened(OF).given((case_restarted(TUESDAY), TUESDAY), (OF.done("licence", WEDNESDAY), WEDNESDAY))
    assert tracked(early, "step/tax").committed_due == at("2026-03-06 17:30")


def test_suspensions_of_a_department_are_limited() -> None:
    monitor = opened(OF)
    for number in range(MAX_SUSPENSIONS):
        monitor.when(OF.suspended("licence", f"P{number}", TUESDAY), TUESDAY)
    monitor.refuses(OF.suspended("licence", "another", TUESDAY), TUESDAY, "128 times already")
    monitor.when(OF.suspended("licence", "P7", TUESDAY, until=THURSDAY), THURSDAY)


def test_no_number_of_early_suspensions_keeps_the_acceptance_out() -> None:
    monitor = Monitor()
    for number in range(MAX_EARLY_REPORTS):
        monitor.when(OF.suspended("licence", f"P{number}", TUESDAY), TUESDAY)
    monitor.refuses(OF.suspended("licence", "another", TUESDAY), TUESDAY, "is not accepted")
    monitor.when(OF.done("tax", TUESDAY), TUESDAY)
    monitor.when(OF.accepted(MONDAY), TUESDAY)
    assert len(monitor.case.suspensions) == MAX_EARLY_REPORTS
    assert monitor.tracked("step/tax").ended_at == TUESDAY, "one system's reports leave room for another's"


# -- in any order ------------------------------------------------------------------------------------------------------


moments = st.integers(1, 14 * 24).map(lambda hours: MONDAY + timedelta(hours=hours))


@st.composite
def histories(draw: st.DrawFn) -> list[At]:
    messages: list[At] = [(OF.accepted(MONDAY), MONDAY), (OF.delivered("licence", MONDAY), MONDAY)]
    for number in range(draw(st.integers(0, 3))):
        since = draw(moments)
        messages.append((OF.suspended("licence", f"P{number}", since), since))
        if draw(st.booleans()):
            until = since + timedelta(hours=draw(st.integers(0, 100)))
            messages.append((OF.suspended("licence", f"P{number}", since, until=until), until))
    if draw(st.booleans()):
        since = draw(moments)
        messages.append((case_suspended(since), since))
        if draw(st.booleans()):
            until = since + timedelta(hours=draw(st.integers(1, 100)))
            messages.append((case_suspended(since, until), until))
    for number in range(draw(st.integers(0, 2))):
        notified_at = draw(moments)
        steps = draw(st.sampled_from([[], ["licence"], ["tax"]]))
        messages.append((case_extended(10 + number, notified_at, f"e{number}", steps), notified_at))
    if draw(st.booleans()):
        restarted_at = draw(moments)
        messages.append((case_restarted(restarted_at), restarted_at))
    if draw(st.booleans()):
        answered = draw(moments)
        messages.append((OF.done("licence", answered, delivered_at=MONDAY), answered))
        if draw(st.booleans()):
            done = report("licence", StepState.DONE, MONDAY, decided_at=answered)
            messages.append((OF.decided(answered, done), answered))
    messages += [(TimerFired(), time) for time in draw(st.lists(moments, max_size=2))]
    return messages


@given(st.data())
def test_any_order_and_repetition_leads_to_the_same_deadlines(data: st.DataObject) -> None:
    history = data.draw(histories())
    received = [one for one in history if not isinstance(one[0], TimerFired)]
    straight = Monitor().given(*received)
    again = data.draw(st.lists(st.sampled_from(received), max_size=4))
    shuffled = st.permutations([*history, *again]).filter(lambda order: not isinstance(order[0][0], TimerFired))
    other = Monitor().given(*data.draw(shuffled))
    assert facts(other.case) == facts(straight.case)


@given(histories())
def test_no_rung_stands_that_is_not_due(history: list[At]) -> None:
    for commitment in Monitor().given(*history).case.commitments:
        for alert in commitment.raised:
            due_at = commitment.due.of(alert.rung) if commitment.due is not None else None
            assert alert.withdrawn or (due_at is not None and due_at <= alert.raised_at)
