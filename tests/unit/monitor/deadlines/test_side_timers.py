"""The clocks beside a case's own: one-time notice, acceptance, delivery, complaint, consultation, special procedure.

Given messages, when one more comes, then this is published. The articles are those of the Administrative Licensing Law
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
from services.monitor.core.alerts.verification import MAX_QUERIES
from services.monitor.core.rules import Rules, rule_set
from services.monitor.core.state import MonitoredCase
from services.monitor.core.suspensions import procedure_key
from services.monitor.store import rule_store
from tests.support.monitor_histories import Monitor, accepted, at, decided, delivered, done, plan, report, reported
from tests.unit.monitor.deadlines.test_suspensions import procedure

MONDAY = at("2026-03-02 10:00")
SECOND, INSTANT = timedelta(seconds=1), timedelta(microseconds=1)
OWNER = "Commerce"


def clock(
    commitment: CommitmentKey, begun_at: datetime = MONDAY, ended_at: datetime | None = None, days: int | None = None
) -> SideTimer:
    limit = Limit(working_days=days) if days is not None else None
    limits = Limits(committed=limit, statutory=limit) if limit is not None else None
    return SideTimer(commitment=commitment, owner=OWNER, limits=limits, started_at=begun_at, ended_at=ended_at)


def clocks(*found: SideTimer, change: int = 1) -> SideTimersReported:
    return SideTimersReported(change_id=f"clocks-{change}", matter="start-business", region="440305", timers=found)


def state(monitor: Monitor) -> MonitoredCase:
    assert monitor.state is not None
    return monitor.state


def raised(messages: tuple[Message, ...]) -> list[tuple[CommitmentKey, Rung]]:
    return [(published.commitment, published.rung) for published in messages if isinstance(published, AlertRaised)]


# -- limits -----------------------------------------------------------------------------------------------------------


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
    published = Monitor().process(clocks(clock(commitment)), MONDAY)
    (opened,) = published
    assert isinstance(opened, CommitmentsOpened)
    assert [(one.key, one.owner, one.committed_due) for one in opened.commitments] == [(commitment, OWNER, at(due))]
    assert opened.change_ids == ("clocks-1",)


def test_promised_limits_take_precedence_over_the_rules() -> None:
    (opened,) = Monitor().process(clocks(clock("complaint/1", days=2)), MONDAY)
    assert isinstance(opened, CommitmentsOpened)
    assert opened.commitments[0].committed_due == at("2026-03-04 17:30")


def test_other_rules_move_it(tmp_path: Path) -> None:
    monitor = Monitor()
    monitor.process(clocks(clock("delivery")), MONDAY)
    text = rule_store.SHIPPED.read_text(encoding="utf-8")
    shorter = text.replace(
        "{kinds: [delivery], committed: {working_days: 10}}", "{kinds: [delivery], committed: {working_days: 3}}"
    )
    assert shorter != text
    (tmp_path / "rules.yaml").write_text(shorter, encoding="utf-8")
    monitor.rules = Rules(1, rule_set(rule_store.read(tmp_path / "rules.yaml")))
    (moved,) = monitor.process(TimerFired(), MONDAY + timedelta(hours=1))
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
    report = clocks(clock(commitment, begun_at, days=days))
    monitor.process(report, begun_at)
    for rung, text_of in zip((Rung.WARNING, Rung.YELLOW, Rung.RED), expected, strict=True):
        if text_of is None:
            continue
        due_at = at(text_of)
        published = monitor.process(TimerFired(), due_at)
        if rung is Rung.WARNING:
            assert (commitment, rung) in raised(published)
            continue
        # An answer in that very second is in time. One second later intake reports that it is open, and it is late.
        assert (commitment, rung) not in raised((*published, *monitor.process(report, due_at)))
        monitor.process(TimerFired(), due_at + SECOND)
        assert raised(monitor.process(report, due_at + SECOND)) == [(commitment, rung)]


# -- verify before a card ----------------------------------------------------------------------------------------------

DELIVERY_DUE = at("2026-03-16 17:30")


def opened() -> Monitor:
    """A decided case whose decision is on its way to the applicant."""
    return Monitor().process_all(
        [
            (accepted(MONDAY), MONDAY),
            (delivered(MONDAY), MONDAY),
            (decided(MONDAY), MONDAY),
            (clocks(clock("delivery")), MONDAY),
        ]
    )


def test_a_decided_case_is_not_closed_while_a_side_timer_runs() -> None:
    monitor = opened()
    assert monitor.step is not None and not monitor.step.closed
    assert monitor.timer_at == DELIVERY_DUE + INSTANT
    monitor.process(clocks(clock("delivery", ended_at=at("2026-03-05 10:00")), change=2), at("2026-03-05 10:00"))
    assert monitor.step.closed
    assert monitor.timer_at is None


def test_intake_is_queried_before_a_card_and_routing_is_not() -> None:
    monitor = opened()
    assert monitor.process(TimerFired(), DELIVERY_DUE + INSTANT) == (SideTimersRequested(),)
    published = monitor.process(clocks(clock("delivery")), DELIVERY_DUE + INSTANT)
    assert raised(published) == [("delivery", Rung.YELLOW)]


def test_an_answer_in_time_draws_no_card_and_is_published_so() -> None:
    monitor = opened()
    monitor.process(TimerFired(), DELIVERY_DUE + INSTANT)
    published = monitor.process(clocks(clock("delivery", ended_at=DELIVERY_DUE), change=2), DELIVERY_DUE + INSTANT)
    spared = CardNotIssued(
        commitment="delivery", rung=Rung.YELLOW, due_at=DELIVERY_DUE, ended_at=DELIVERY_DUE, region="440305"
    )
    assert [one for one in published if not isinstance(one, CommitmentsOpened)] == [spared]


def test_operations_are_alerted_if_intake_does_not_answer() -> None:
    monitor = opened()
    for _ in range(MAX_QUERIES):
        published = monitor.process(TimerFired(), DELIVERY_DUE + INSTANT)
    (problem,) = (one for one in published if isinstance(one, OperationsAlerted))
    assert problem.issue is IssueKind.UNVERIFIED
    published = monitor.process(clocks(clock("delivery")), DELIVERY_DUE + INSTANT)
    (settled,) = (one for one in published if isinstance(one, OperationsAlerted))
    assert settled.settled_at is not None


def test_an_answer_of_routing_does_not_count_for_intake() -> None:
    late = at("2026-06-01 10:00")
    monitor = Monitor().process_all(
        [(accepted(MONDAY), MONDAY), (delivered(MONDAY), MONDAY), (clocks(clock("complaint/1")), MONDAY)]
    )
    monitor.process(TimerFired(), late)
    questions = monitor.process(TimerFired(), late)
    assert {type(one) for one in questions} >= {CaseStateRequested, SideTimersRequested}
    monitor.process(clocks(clock("complaint/1")), late)
    assert state(monitor).unanswered_queries == 2, "routing has not answered"
    monitor.process(reported(report("licence", StepState.DELIVERED, MONDAY)), late)
    assert state(monitor).unanswered_queries == 0


# -- before acceptance -------------------------------------------------------------------------------------------------


def test_acceptance_ends_the_timers_that_lead_to_it() -> None:
    tuesday = at("2026-03-03 10:00")
    monitor = Monitor()
    monitor.process(clocks(clock("acceptance"), clock("notice")), MONDAY)
    assert monitor.step is not None and not monitor.step.closed
    monitor.process(accepted(tuesday), tuesday)
    assert {tracked.key for tracked in state(monitor).commitments} == {"acceptance", "case", "notice", "step/licence"}
    known = state(monitor)
    assert [known.ended_at(tracked) for tracked in known.commitments] == [tuesday, None, tuesday, None]
    late = at("2026-03-20 10:00")
    assert not {key for key, _ in raised(monitor.process(TimerFired(), late))} & {"acceptance", "notice"}


def test_an_application_that_ends_before_the_card_draws_none() -> None:
    """The province's rule of termination for applications by web."""
    tuesday = at("2026-03-03 10:00")
    monitor = Monitor()
    monitor.process(clocks(clock("acceptance")), MONDAY)
    monitor.process(clocks(clock("acceptance", ended_at=tuesday), change=2), tuesday)
    assert monitor.step is not None
    assert (monitor.step.closed, monitor.timer_at, monitor.retry_after) == (True, None, None)


# -- special procedures ------------------------------------------------------------------------------------------------


def by_rules(tmp_path: Path, limit: str) -> Rules:
    text = rule_store.SHIPPED.read_text(encoding="utf-8").replace("limits:\n", f"limits:\n{limit}\n")
    (tmp_path / "rules.yaml").write_text(text, encoding="utf-8")
    return Rules(1, rule_set(rule_store.read(tmp_path / "rules.yaml")))


PROCEDURE = procedure_key("commerce/licence/P1")


def in_procedure(tmp_path: Path) -> Monitor:
    rules = by_rules(tmp_path, "  - {kinds: [procedure], committed: {working_days: 7}}")
    monitor = Monitor(rules)
    return monitor.process_all([(accepted(MONDAY), MONDAY), (delivered(MONDAY), MONDAY), (procedure(MONDAY), MONDAY)])


def test_a_special_procedure_has_a_clock_of_its_own_where_the_rules_give_it_a_limit(tmp_path: Path) -> None:
    monitor = in_procedure(tmp_path)
    (held,) = (tracked for tracked in state(monitor).commitments if tracked.key == PROCEDURE)
    commitment = held.as_message()
    assert commitment is not None
    assert (commitment.owner, commitment.committed_due) == ("Market office", at("2026-03-11 17:30"))
    late = at("2026-03-11 17:30") + INSTANT
    assert (PROCEDURE, Rung.WARNING) in raised(monitor.process(TimerFired(), late))
    published = monitor.process(reported(report("licence", StepState.DELIVERED, MONDAY)), late)
    assert raised(published) == [(PROCEDURE, Rung.YELLOW)]


def test_a_procedure_without_a_limit_only_stops_the_other_clocks() -> None:
    monitor = Monitor().process_all(
        [(accepted(MONDAY), MONDAY), (delivered(MONDAY), MONDAY), (procedure(MONDAY), MONDAY)]
    )
    assert PROCEDURE not in {key for key, _, _ in monitor.standing()}
    assert [tracked.due for tracked in state(monitor).commitments if tracked.key == PROCEDURE] == [None]


def test_it_ends_with_the_procedure_and_with_its_step_at_the_latest(tmp_path: Path) -> None:
    friday = at("2026-03-06 10:00")
    ended = in_procedure(tmp_path)
    ended.process(procedure(MONDAY, friday), friday)
    answered = in_procedure(tmp_path)
    answered.process(done(friday), friday)
    for monitor in (ended, answered):
        (held,) = (tracked for tracked in state(monitor).commitments if tracked.key == PROCEDURE)
        assert held.ended_at == friday


def test_a_procedure_with_a_long_name_has_a_key_that_fits() -> None:
    key = procedure_key("commerce/" + "s" * 64 + "/" + "p" * 64)
    assert len(key) <= MAX_KEY_LENGTH and key.startswith("procedure/")


# -- any order ---------------------------------------------------------------------------------------------------------

ANSWERED = at("2026-03-10 10:00")
HISTORY = [
    (accepted(MONDAY), MONDAY),
    (delivered(MONDAY), MONDAY),
    (done(at("2026-03-03 10:00")), MONDAY),
    (decided(at("2026-03-04 10:00")), MONDAY),
    (clocks(clock("complaint/1")), MONDAY),
    (clocks(clock("complaint/1", ended_at=ANSWERED), clock("delivery"), change=2), ANSWERED),
    (clocks(clock("complaint/1", ended_at=ANSWERED), clock("delivery", ended_at=ANSWERED), change=3), ANSWERED),
]


@given(st.permutations(HISTORY), st.lists(st.sampled_from(HISTORY), max_size=4))
def test_order_and_repetition_do_not_matter(
    order: list[tuple[Message, datetime]], again: list[tuple[Message, datetime]]
) -> None:
    plain, shuffled = Monitor().process_all(HISTORY), Monitor().process_all([*order, *again])
    assert plain.standing() == shuffled.standing()
    for name in ("matter", "region", "change_ids", "decided_at"):
        assert getattr(state(plain), name) == getattr(state(shuffled), name)
    answers = [state(monitor).commitment_ends() for monitor in (plain, shuffled)]
    bare = [[(w.key, w.opened_at, w.ended_at, w.due, answered_at) for w, answered_at in one] for one in answers]
    assert bare[0] == bare[1]


def test_a_late_answer_closes_the_alerts_once() -> None:
    monitor = opened()
    monitor.process(TimerFired(), DELIVERY_DUE + INSTANT)
    monitor.process(clocks(clock("delivery")), DELIVERY_DUE + INSTANT)
    late = DELIVERY_DUE + timedelta(days=2)
    end = clocks(clock("delivery", ended_at=late), change=2)
    closed = AlertClosed(commitment="delivery", ended_at=late, region="440305")
    assert closed in monitor.process(end, late)
    assert closed not in monitor.process(end, late)


def test_the_largest_plan_with_timers_is_published_in_several_messages() -> None:
    of_many = tuple(clock(f"complaint/{number}") for number in range(32))
    monitor = Monitor()
    monitor.process(clocks(*of_many), MONDAY)
    steps = tuple(plan().steps[0].replace(step=f"s{number}", item=f"i{number}") for number in range(64))
    published = monitor.process(accepted(MONDAY, plan().replace(steps=steps)), MONDAY)
    report = [len(one.commitments) for one in published if isinstance(one, CommitmentsOpened)]
    assert report == [65, 32]
