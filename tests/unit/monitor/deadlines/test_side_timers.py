"""The clocks beside a case's own: one-time notice, acceptance, delivery, complaint, consultation, special procedure.

The articles are those of the Administrative Licensing Law (行政许可法).
"""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.envelope import Message, TimerFired
from contracts.messages.alerts import AlertClosed, AlertRaised, CardNotIssued, IssueKind, OperationsAlerted, Rung
from contracts.messages.cases import CaseStateRequested
from contracts.messages.commitments import MAX_KEY_LENGTH, Cause, CommitmentKey, CommitmentsMoved, CommitmentsOpened
from contracts.messages.side_timers import SideTimer, SideTimersReported, SideTimersRequested
from services.monitor.core.alerts.verification import MAX_REQUESTS
from services.monitor.core.facts import procedure_key
from tests.support.messages import MONDAY, at, limits
from tests.support.monitor_histories import BUSINESS, INSTANT, REPORTED_OPEN, Monitor, changed_rules, opened
from tests.support.scenario import At, of_type, only

TUESDAY, FRIDAY = at("2026-03-03 10:00"), at("2026-03-06 10:00")
SECOND = timedelta(seconds=1)
OWNER = "Commerce"


def timer(
    commitment: CommitmentKey, started_at: datetime = MONDAY, ended_at: datetime | None = None, days: int | None = None
) -> SideTimer:
    promised = limits(days, days) if days is not None else None
    return SideTimer(commitment=commitment, owner=OWNER, limits=promised, started_at=started_at, ended_at=ended_at)


def timers(*found: SideTimer, change: int = 1) -> SideTimersReported:
    """Intake's report of its side timers."""
    return SideTimersReported(change_id=f"timers-{change}", matter="start-business", region="440305", timers=found)


def raised(published: tuple[Message, ...]) -> list[tuple[CommitmentKey, Rung]]:
    return [(alert.commitment, alert.rung) for alert in of_type(AlertRaised, published)]


# -- limits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("commitment", "due"),
    [
        pytest.param("notice", "2026-03-09 17:30", id="article 32: one notice of everything missing, within five days"),
        pytest.param("delivery", "2026-03-16 17:30", id="article 44: delivered within ten days"),
        pytest.param("acceptance", "2026-03-04 17:30", id="accepted or refused within two days"),
        pytest.param("complaint/1", "2026-03-09 17:30", id="a complaint is answered within five days"),
        pytest.param("consultation/1", "2026-03-09 17:30", id="a question is answered within five days"),
    ],
)
def test_each_has_the_limit_of_the_rules(commitment: CommitmentKey, due: str) -> None:
    published = only(CommitmentsOpened, Monitor().when(timers(timer(commitment)), MONDAY))
    assert [(one.key, one.owner, one.committed_due) for one in published.commitments] == [(commitment, OWNER, at(due))]
    assert published.change_ids == ("timers-1",)


def test_promised_limits_take_precedence_over_the_rules() -> None:
    published = only(CommitmentsOpened, Monitor().when(timers(timer("complaint/1", days=2)), MONDAY))
    assert published.commitments[0].committed_due == at("2026-03-04 17:30")


def test_other_rules_move_it() -> None:
    monitor = Monitor().given((timers(timer("delivery")), MONDAY))
    limit = "{{kinds: [delivery], committed: {{working_days: {}}}}}"
    monitor.use(changed_rules((limit.format(10), limit.format(3))))
    moved = only(CommitmentsMoved, monitor.when(TimerFired(), MONDAY + timedelta(hours=1)))
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
    commitment: CommitmentKey, days: int, expected: list[str | None]
) -> None:
    started_at = at("2018-10-15 10:00")
    report = timers(timer(commitment, started_at, days=days))
    monitor = Monitor(changed_rules(("counting: day", "counting: second"))).given((report, started_at))
    for rung, text in zip((Rung.WARNING, Rung.YELLOW, Rung.RED), expected, strict=True):
        if text is None:
            continue
        due_at = at(text)
        published = monitor.when(TimerFired(), due_at)
        if rung is Rung.WARNING:
            assert (commitment, rung) in raised(published)
            continue
        # An answer in that very second is in time. One second later intake reports that it is open, and it is late.
        assert (commitment, rung) not in raised((*published, *monitor.when(report, due_at)))
        monitor.when(TimerFired(), due_at + SECOND)
        assert raised(monitor.when(report, due_at + SECOND)) == [(commitment, rung)]


# -- verify before a card ----------------------------------------------------------------------------------------------

DELIVERY_DUE = at("2026-03-16 17:30")
CARD_AT = DELIVERY_DUE + INSTANT
DELIVERY = timers(timer("delivery"))


def decided() -> Monitor:
    """A decided case whose decision is on its way to the applicant."""
    return opened().given((BUSINESS.decided(MONDAY), MONDAY), (DELIVERY, MONDAY))


def test_a_decided_case_is_not_closed_while_a_side_timer_runs() -> None:
    monitor = decided()
    assert (monitor.last.closed, monitor.last.timer_at) == (False, CARD_AT)
    monitor.when(timers(timer("delivery", ended_at=FRIDAY), change=2), FRIDAY)
    assert (monitor.last.closed, monitor.last.timer_at) == (True, None)


def test_intake_gets_a_request_before_a_card_and_routing_does_not() -> None:
    monitor = decided()
    assert monitor.when(TimerFired(), CARD_AT) == (SideTimersRequested(),)
    assert raised(monitor.when(DELIVERY, CARD_AT)) == [("delivery", Rung.YELLOW)]


def test_an_answer_in_time_draws_no_card_and_this_is_published() -> None:
    monitor = decided().given((TimerFired(), CARD_AT))
    published = monitor.when(timers(timer("delivery", ended_at=DELIVERY_DUE), change=2), CARD_AT)
    not_issued = CardNotIssued(
        commitment="delivery", rung=Rung.YELLOW, due_at=DELIVERY_DUE, ended_at=DELIVERY_DUE, region="440305"
    )
    assert [one for one in published if not isinstance(one, CommitmentsOpened)] == [not_issued]


def test_operations_are_alerted_if_intake_does_not_answer() -> None:
    monitor = decided().given(*[(TimerFired(), CARD_AT)] * MAX_REQUESTS)
    (alert,) = of_type(OperationsAlerted, monitor.last.out)
    assert alert.issue is IssueKind.UNVERIFIED
    (settled,) = of_type(OperationsAlerted, monitor.when(DELIVERY, CARD_AT))
    assert settled.settled_at is not None


def test_an_answer_of_routing_does_not_count_for_intake() -> None:
    late, complaint = at("2026-06-01 10:00"), timers(timer("complaint/1"))
    monitor = opened().given((complaint, MONDAY), (TimerFired(), late), (TimerFired(), late))
    assert {type(one) for one in monitor.last.out} >= {CaseStateRequested, SideTimersRequested}
    monitor.when(complaint, late)
    assert monitor.case.unanswered_requests == 2, "routing has not answered"
    monitor.when(REPORTED_OPEN, late)
    assert monitor.case.unanswered_requests == 0


# -- before acceptance -------------------------------------------------------------------------------------------------


def test_acceptance_ends_the_timers_that_lead_to_it() -> None:
    monitor = Monitor().given((timers(timer("acceptance"), timer("notice")), MONDAY))
    assert not monitor.last.closed
    monitor.when(BUSINESS.accepted(TUESDAY), TUESDAY)
    ends = {commitment.key: ended_at for commitment, ended_at in monitor.case.commitment_ends()}
    assert ends == {"acceptance": TUESDAY, "case": None, "notice": TUESDAY, "step/licence": None}
    late = at("2026-03-20 10:00")
    assert not {key for key, _ in raised(monitor.when(TimerFired(), late))} & {"acceptance", "notice"}


def test_an_application_that_ends_before_the_card_draws_none() -> None:
    """The province's rule of termination for applications by web."""
    ended = timers(timer("acceptance", ended_at=TUESDAY), change=2)
    monitor = Monitor().given((timers(timer("acceptance")), MONDAY), (ended, TUESDAY))
    assert (monitor.last.closed, monitor.last.timer_at, monitor.last.retry_after) == (True, None, None)


# -- special procedures ------------------------------------------------------------------------------------------------

PROCEDURE = procedure_key("commerce/licence/P1")
BEGUN = BUSINESS.suspended("licence", "P1", MONDAY)


def in_procedure() -> Monitor:
    """A licence in a special procedure for which the rules have a limit of seven days."""
    limit = "limits:\n  - {kinds: [procedure], committed: {working_days: 7}}\n"
    return opened(rules=changed_rules(("limits:\n", limit))).given((BEGUN, MONDAY))


def test_a_special_procedure_has_a_clock_of_its_own_where_the_rules_give_it_a_limit() -> None:
    monitor = in_procedure()
    commitment = monitor.tracked(PROCEDURE).as_message()
    assert commitment is not None
    assert (commitment.owner, commitment.committed_due) == ("Market office", at("2026-03-11 17:30"))
    late = at("2026-03-11 17:30") + INSTANT
    assert (PROCEDURE, Rung.WARNING) in raised(monitor.when(TimerFired(), late))
    assert raised(monitor.when(REPORTED_OPEN, late)) == [(PROCEDURE, Rung.YELLOW)]


def test_a_procedure_without_a_limit_only_stops_the_other_clocks() -> None:
    monitor = opened().given((BEGUN, MONDAY))
    assert PROCEDURE not in {key for key, _ in monitor.standing_rungs()}
    assert monitor.tracked(PROCEDURE).due is None


@pytest.mark.parametrize("end", [BEGUN.replace(until=FRIDAY, reported_at=FRIDAY), BUSINESS.done("licence", FRIDAY)])
def test_it_ends_with_the_procedure_and_with_its_step_at_the_latest(end: Message) -> None:
    assert in_procedure().given((end, FRIDAY)).tracked(PROCEDURE).ended_at == FRIDAY


def test_a_procedure_with_a_long_name_has_a_key_that_fits() -> None:
    key = procedure_key("commerce/" + "s" * 64 + "/" + "p" * 64)
    assert len(key) <= MAX_KEY_LENGTH and key.startswith("procedure/")


# -- any order ---------------------------------------------------------------------------------------------------------

ANSWERED = at("2026-03-10 10:00")
HISTORY = [
    (BUSINESS.accepted(MONDAY), MONDAY),
    (BUSINESS.delivered("licence", MONDAY), MONDAY),
    (BUSINESS.done("licence", TUESDAY, delivered_at=MONDAY), MONDAY),
    (BUSINESS.decided(at("2026-03-04 10:00")), MONDAY),
    (timers(timer("complaint/1")), MONDAY),
    (timers(timer("complaint/1", ended_at=ANSWERED), timer("delivery"), change=2), ANSWERED),
    (timers(timer("complaint/1", ended_at=ANSWERED), timer("delivery", ended_at=ANSWERED), change=3), ANSWERED),
]


@given(st.permutations(HISTORY), st.lists(st.sampled_from(HISTORY), max_size=4))
def test_order_and_repetition_do_not_matter(order: list[At], again: list[At]) -> None:
    plain, shuffled = Monitor().given(*HISTORY), Monitor().given(*order, *again)
    assert plain.standing() == shuffled.standing()
    for name in ("matter", "region", "change_ids", "decided_at"):
        assert getattr(plain.case, name) == getattr(shuffled.case, name)
    commitments = [
        [(w.key, w.opened_at, w.ended_at, w.due, ended_at) for w, ended_at in monitor.case.commitment_ends()]
        for monitor in (plain, shuffled)
    ]
    assert commitments[0] == commitments[1]


def test_a_late_answer_closes_the_alerts_once() -> None:
    monitor = decided().given((TimerFired(), CARD_AT), (DELIVERY, CARD_AT))
    late = DELIVERY_DUE + timedelta(days=2)
    end = timers(timer("delivery", ended_at=late), change=2)
    closed = AlertClosed(commitment="delivery", ended_at=late, region="440305")
    assert closed in monitor.when(end, late)
    assert closed not in monitor.when(end, late)


def test_the_largest_plan_with_timers_is_published_in_several_messages() -> None:
    many = tuple(timer(f"complaint/{number}") for number in range(32))
    licence, _ = BUSINESS.plan.steps
    steps = tuple(licence.replace(step=f"s{number}", item=f"i{number}") for number in range(64))
    accepted = BUSINESS.accepted(MONDAY, plan=BUSINESS.plan.replace(steps=steps))
    monitor = Monitor().given((timers(*many), MONDAY))
    published = of_type(CommitmentsOpened, monitor.when(accepted, MONDAY))
    assert [len(message.commitments) for message in published] == [65, 32]
