"""The clocks beside a case's own: one-time notice, acceptance, delivery, complaint, consultation, special procedure.

Given messages, when one more comes, then this is said. The articles are those of the Administrative Licensing Law
(行政许可法).
"""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.envelope import Message, TimerFired
from contracts.messages.alerts import AlertClosed, AlertRaised, CardNotIssued, IssueKind, OperationsAlerted, Rung
from contracts.messages.cases import CaseStateRequested, StepState
from contracts.messages.commitments import MAX_KEY_LENGTH, Cause, CommitmentKey, CommitmentsMoved, CommitmentsOpened
from contracts.messages.plans import Limit, Limits
from contracts.messages.side_timers import SideTimer, SideTimersReported, SideTimersRequested
from services.monitor.core.rules import Rules, rule_set
from services.monitor.core.state import MonitoredCase
from services.monitor.core.suspensions import procedure_key
from services.monitor.core.verification import MAX_QUERIES
from services.monitor.store import rule_store
from tests.support.monitor_histories import Monitor, accepted, at, decided, delivered, done, plan, report, reported
from tests.unit.monitor.test_suspensions import procedure

MONDAY = at("2026-03-02 10:00")
SECOND, INSTANT = timedelta(seconds=1), timedelta(microseconds=1)
OWNER = "Commerce"


def clock(
    commitment: CommitmentKey, begun_at: datetime = MONDAY, ended_at: datetime | None = None, days: int | None = None
) -> SideTimer:
    limit = Limit(working_days=days) if days is not None else None
    limits = Limits(committed=limit, statutory=limit) if limit is not None else None
    return SideTimer(commitment=commitment, owner=OWNER, limits=limits, started_at=begun_at, ended_at=ended_at)


def clocks(*found: SideTimer, word: int = 1) -> SideTimersReported:
    return SideTimersReported(change_id=f"clocks-{word}", matter="start-business", region="440305", timers=found)


def state(monitor: Monitor) -> MonitoredCase:
    assert monitor.state is not None
    return monitor.state


def raised(messages: tuple[Message, ...]) -> list[tuple[CommitmentKey, Rung]]:
    return [(said.commitment, said.rung) for said in messages if isinstance(said, AlertRaised)]


# -- how long there is -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("commitment", "due"),
    [
        pytest.param("notice", "2026-03-09 17:30", id="article 32: told once, everything, within five days"),
        pytest.param("delivery", "2026-03-16 17:30", id="article 44: delivered within ten days"),
        pytest.param("acceptance", "2026-03-04 17:30", id="accepted or refused within two days"),
        pytest.param("complaint/1", "2026-03-09 17:30", id="a complaint is answered within five days"),
        pytest.param("consultation/1", "2026-03-09 17:30", id="a question is answered within five days"),
    ],
)
def test_each_has_the_limit_of_the_rules(commitment: CommitmentKey, due: str) -> None:
    said = Monitor().hear(clocks(clock(commitment)), MONDAY)
    (opened,) = said
    assert isinstance(opened, CommitmentsOpened)
    assert [(one.key, one.owner, one.committed_due) for one in opened.commitments] == [(commitment, OWNER, at(due))]
    assert opened.change_ids == ("clocks-1",)


def test_a_time_that_was_promised_counts_before_that_of_the_rules() -> None:
    (opened,) = Monitor().hear(clocks(clock("complaint/1", days=2)), MONDAY)
    assert isinstance(opened, CommitmentsOpened)
    assert opened.commitments[0].committed_due == at("2026-03-04 17:30")


def test_other_rules_move_it(tmp_path: Path) -> None:
    monitor = Monitor()
    monitor.hear(clocks(clock("delivery")), MONDAY)
    text = rule_store.SHIPPED.read_text(encoding="utf-8")
    shorter = text.replace(
        "{kinds: [delivery], committed: {working_days: 10}}", "{kinds: [delivery], committed: {working_days: 3}}"
    )
    assert shorter != text
    (tmp_path / "rules.yaml").write_text(shorter, encoding="utf-8")
    monitor.rules = Rules(1, rule_set(rule_store.read(tmp_path / "rules.yaml")))
    (moved,) = monitor.hear(TimerFired(), MONDAY + timedelta(hours=1))
    assert isinstance(moved, CommitmentsMoved)
    assert (moved.cause, moved.moves[0].commitment.committed_due) == (Cause.RULES, at("2026-03-05 17:30"))


# -- the province's worked timestamps, through the whole core ----------------------------------------------------------

WORKED = [
    ("acceptance", 2, ["2018-10-17 10:00", "2018-10-22 10:00", "2018-10-24 10:00"]),
    ("delivery", 3, [None, "2018-10-18 10:00", None]),
    ("consultation/1", 5, ["2018-10-17 10:00", "2018-10-22 10:00", "2018-10-23 10:00"]),
    ("complaint/1", 5, ["2018-10-17 10:00", "2018-10-22 10:00", "2018-10-23 10:00"]),
]


@pytest.mark.parametrize(("commitment", "days", "expected"), WORKED, ids=[one[0] for one in WORKED])
def test_each_rung_at_its_worked_timestamp_and_one_second_later(
    tmp_path: Path, commitment: CommitmentKey, days: int, expected: list[str | None]
) -> None:
    text = rule_store.SHIPPED.read_text(encoding="utf-8").replace("counting: day", "counting: second")
    (tmp_path / "rules.yaml").write_text(text, encoding="utf-8")
    monitor = Monitor(Rules(1, rule_set(rule_store.read(tmp_path / "rules.yaml"))))
    begun_at = at("2018-10-15 10:00")
    told = clocks(clock(commitment, begun_at, days=days))
    monitor.hear(told, begun_at)
    for rung, text_of in zip((Rung.WARNING, Rung.YELLOW, Rung.RED), expected, strict=True):
        if text_of is None:
            continue
        due_at = at(text_of)
        said = monitor.hear(TimerFired(), due_at)
        if rung is Rung.WARNING:
            assert (commitment, rung) in raised(said)
            continue
        # What is answered in that very second is in time; one second later intake says that it is open, and it is late.
        assert (commitment, rung) not in raised((*said, *monitor.hear(told, due_at)))
        monitor.hear(TimerFired(), due_at + SECOND)
        assert raised(monitor.hear(told, due_at + SECOND)) == [(commitment, rung)]


# -- verify before a card ----------------------------------------------------------------------------------------------

DELIVERY_DUE = at("2026-03-16 17:30")


def opened() -> Monitor:
    """A decided case, the decision on its way to the applicant."""
    return Monitor().hear_all(
        [
            (accepted(MONDAY), MONDAY),
            (delivered(MONDAY), MONDAY),
            (decided(MONDAY), MONDAY),
            (clocks(clock("delivery")), MONDAY),
        ]
    )


def test_a_decided_case_is_not_closed_while_something_is_promised_beside_it() -> None:
    monitor = opened()
    assert monitor.step is not None and not monitor.step.closed
    assert monitor.wake == DELIVERY_DUE + INSTANT
    monitor.hear(clocks(clock("delivery", ended_at=at("2026-03-05 10:00")), word=2), at("2026-03-05 10:00"))
    assert monitor.step.closed
    assert monitor.wake is None


def test_intake_is_asked_before_a_card_and_routing_is_not() -> None:
    monitor = opened()
    assert monitor.hear(TimerFired(), DELIVERY_DUE + INSTANT) == (SideTimersRequested(),)
    said = monitor.hear(clocks(clock("delivery")), DELIVERY_DUE + INSTANT)
    assert raised(said) == [("delivery", Rung.YELLOW)]


def test_what_was_done_in_time_draws_no_card_and_that_is_told() -> None:
    monitor = opened()
    monitor.hear(TimerFired(), DELIVERY_DUE + INSTANT)
    said = monitor.hear(clocks(clock("delivery", ended_at=DELIVERY_DUE), word=2), DELIVERY_DUE + INSTANT)
    spared = CardNotIssued(
        commitment="delivery", rung=Rung.YELLOW, due_at=DELIVERY_DUE, ended_at=DELIVERY_DUE, region="440305"
    )
    assert [one for one in said if not isinstance(one, CommitmentsOpened)] == [spared]


def test_operations_are_told_when_intake_does_not_answer() -> None:
    monitor = opened()
    for _ in range(MAX_QUERIES):
        said = monitor.hear(TimerFired(), DELIVERY_DUE + INSTANT)
    (problem,) = (one for one in said if isinstance(one, OperationsAlerted))
    assert problem.issue is IssueKind.UNVERIFIED
    said = monitor.hear(clocks(clock("delivery")), DELIVERY_DUE + INSTANT)
    (settled,) = (one for one in said if isinstance(one, OperationsAlerted))
    assert settled.settled_at is not None


def test_of_two_who_are_asked_the_one_that_answers_does_not_excuse_the_other() -> None:
    late = at("2026-06-01 10:00")
    monitor = Monitor().hear_all(
        [(accepted(MONDAY), MONDAY), (delivered(MONDAY), MONDAY), (clocks(clock("complaint/1")), MONDAY)]
    )
    monitor.hear(TimerFired(), late)
    questions = monitor.hear(TimerFired(), late)
    assert {type(one) for one in questions} >= {CaseStateRequested, SideTimersRequested}
    monitor.hear(clocks(clock("complaint/1")), late)
    assert state(monitor).unanswered_queries == 2, "routing has not answered"
    monitor.hear(reported(report("licence", StepState.DELIVERED, MONDAY)), late)
    assert state(monitor).unanswered_queries == 0


# -- before acceptance -------------------------------------------------------------------------------------------------


def test_acceptance_ends_what_led_to_it() -> None:
    tuesday = at("2026-03-03 10:00")
    monitor = Monitor()
    monitor.hear(clocks(clock("acceptance"), clock("notice")), MONDAY)
    assert monitor.step is not None and not monitor.step.closed
    monitor.hear(accepted(tuesday), tuesday)
    assert {watch.key for watch in state(monitor).commitments} == {"acceptance", "case", "notice", "step/licence"}
    known = state(monitor)
    assert [known.ended_at(watch) for watch in known.commitments] == [tuesday, None, tuesday, None]
    late = at("2026-03-20 10:00")
    assert not {key for key, _ in raised(monitor.hear(TimerFired(), late))} & {"acceptance", "notice"}


def test_not_accepted_voided_or_withdrawn_before_the_card_is_no_card() -> None:
    """The province's rule of termination for applications by web."""
    tuesday = at("2026-03-03 10:00")
    monitor = Monitor()
    monitor.hear(clocks(clock("acceptance")), MONDAY)
    monitor.hear(clocks(clock("acceptance", ended_at=tuesday), word=2), tuesday)
    assert monitor.step is not None
    assert (monitor.step.closed, monitor.wake, monitor.again) == (True, None, None)


# -- special procedures ------------------------------------------------------------------------------------------------


def by_rules(tmp_path: Path, limit: str) -> Rules:
    text = rule_store.SHIPPED.read_text(encoding="utf-8").replace("limits:\n", f"limits:\n{limit}\n")
    (tmp_path / "rules.yaml").write_text(text, encoding="utf-8")
    return Rules(1, rule_set(rule_store.read(tmp_path / "rules.yaml")))


PROCEDURE = procedure_key("commerce/licence/P1")


def in_procedure(tmp_path: Path) -> Monitor:
    rules = by_rules(tmp_path, "  - {kinds: [procedure], committed: {working_days: 7}}")
    monitor = Monitor(rules)
    return monitor.hear_all([(accepted(MONDAY), MONDAY), (delivered(MONDAY), MONDAY), (procedure(MONDAY), MONDAY)])


def test_a_special_procedure_has_a_clock_of_its_own_where_the_rules_give_it_a_limit(tmp_path: Path) -> None:
    monitor = in_procedure(tmp_path)
    (held,) = (watch for watch in state(monitor).commitments if watch.key == PROCEDURE)
    commitment = held.as_message()
    assert commitment is not None
    assert (commitment.owner, commitment.committed_due) == ("Market office", at("2026-03-11 17:30"))
    late = at("2026-03-11 17:30") + INSTANT
    assert (PROCEDURE, Rung.WARNING) in raised(monitor.hear(TimerFired(), late))
    said = monitor.hear(reported(report("licence", StepState.DELIVERED, MONDAY)), late)
    assert raised(said) == [(PROCEDURE, Rung.YELLOW)]


def test_without_a_limit_it_only_stops_the_others() -> None:
    monitor = Monitor().hear_all([(accepted(MONDAY), MONDAY), (delivered(MONDAY), MONDAY), (procedure(MONDAY), MONDAY)])
    assert PROCEDURE not in {key for key, _, _ in monitor.standing()}
    assert [watch.due for watch in state(monitor).commitments if watch.key == PROCEDURE] == [None]


def test_it_ends_with_the_procedure_and_with_its_step_at_the_latest(tmp_path: Path) -> None:
    friday = at("2026-03-06 10:00")
    ended = in_procedure(tmp_path)
    ended.hear(procedure(MONDAY, friday), friday)
    answered = in_procedure(tmp_path)
    answered.hear(done(friday), friday)
    for monitor in (ended, answered):
        (held,) = (watch for watch in state(monitor).commitments if watch.key == PROCEDURE)
        assert held.ended_at == friday


def test_a_procedure_with_a_long_name_has_a_key_that_fits() -> None:
    key = procedure_key("commerce/" + "s" * 64 + "/" + "p" * 64)
    assert len(key) <= MAX_KEY_LENGTH and key.startswith("procedure/")


# -- whatever the order ------------------------------------------------------------------------------------------------

ANSWERED = at("2026-03-10 10:00")
HISTORY = [
    (accepted(MONDAY), MONDAY),
    (delivered(MONDAY), MONDAY),
    (done(at("2026-03-03 10:00")), MONDAY),
    (decided(at("2026-03-04 10:00")), MONDAY),
    (clocks(clock("complaint/1")), MONDAY),
    (clocks(clock("complaint/1", ended_at=ANSWERED), clock("delivery"), word=2), ANSWERED),
    (clocks(clock("complaint/1", ended_at=ANSWERED), clock("delivery", ended_at=ANSWERED), word=3), ANSWERED),
]


@given(st.permutations(HISTORY), st.lists(st.sampled_from(HISTORY), max_size=4))
def test_in_whatever_order_and_however_often_it_is_heard(
    order: list[tuple[Message, datetime]], again: list[tuple[Message, datetime]]
) -> None:
    plain, shuffled = Monitor().hear_all(HISTORY), Monitor().hear_all([*order, *again])
    assert plain.standing() == shuffled.standing()
    for name in ("matter", "region", "change_ids", "decided_at"):
        assert getattr(state(plain), name) == getattr(state(shuffled), name)
    answers = [state(monitor).commitment_ends() for monitor in (plain, shuffled)]
    bare = [[(w.key, w.opened_at, w.ended_at, w.due, answered_at) for w, answered_at in one] for one in answers]
    assert bare[0] == bare[1]


def test_what_is_answered_late_is_closed_and_said_to_be_once() -> None:
    monitor = opened()
    monitor.hear(TimerFired(), DELIVERY_DUE + INSTANT)
    monitor.hear(clocks(clock("delivery")), DELIVERY_DUE + INSTANT)
    late = DELIVERY_DUE + timedelta(days=2)
    end = clocks(clock("delivery", ended_at=late), word=2)
    closed = AlertClosed(commitment="delivery", ended_at=late, region="440305")
    assert closed in monitor.hear(end, late)
    assert closed not in monitor.hear(end, late)


def test_a_plan_of_the_most_steps_and_clocks_is_told_in_several_messages() -> None:
    of_many = tuple(clock(f"complaint/{number}") for number in range(32))
    monitor = Monitor()
    monitor.hear(clocks(*of_many), MONDAY)
    steps = tuple(plan().steps[0].replace(step=f"s{number}", item=f"i{number}") for number in range(64))
    said = monitor.hear(accepted(MONDAY, plan().replace(steps=steps)), MONDAY)
    told = [len(one.commitments) for one in said if isinstance(one, CommitmentsOpened)]
    assert told == [65, 32]
