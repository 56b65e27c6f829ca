"""Actions of people: an alert is acknowledged, appealed against (申诉), decided on; a supervisor holds a case."""

from datetime import datetime, timedelta

import pytest

from contracts.core import Rejected, UnknownCase
from contracts.envelope import Message, TimerFired
from contracts.messages.alerts import AlertAcknowledged, AlertAppealed, AlertRaised, AlertWithdrawn, AppealDecided, Rung
from contracts.messages.cases import CaseHeld
from contracts.messages.commitments import Cause, CommitmentsMoved
from services.monitor.core.alerts.actions import APPEAL_UPHELD
from services.monitor.core.holds import (
    AlreadyHeld,
    BeforeAcceptance,
    BeginHold,
    CaseIsDecided,
    EndHold,
    EndsBeforeBeginning,
    FixedDeadline,
    HoldEnded,
    UnknownHold,
)
from tests.support.messages import MONDAY, at, limits
from tests.support.monitor_histories import (
    BUSINESS,
    INSTANT,
    REPORTED_OPEN,
    STEP_RED,
    STEP_YELLOW,
    Monitor,
    business,
    carded,
    changed_rules,
    opened,
)
from tests.support.scenario import of_type, only

LATER = at("2026-03-04 10:00")
LICENCE_CARD = ("step/licence", Rung.YELLOW, STEP_YELLOW)


def acknowledged(
    rung: Rung = Rung.YELLOW, by: str = "wang", reason: str = "已督促承办人", occurrence: int = 1
) -> AlertAcknowledged:
    return AlertAcknowledged(
        commitment="step/licence", rung=rung, occurrence=occurrence, by=by, reason=reason, acknowledged_at=LATER
    )


def appealed(rung: Rung = Rung.YELLOW, by: str = "li", reason: str = "材料当日才收到") -> AlertAppealed:
    return AlertAppealed(commitment="step/licence", rung=rung, by=by, reason=reason, appealed_at=LATER)


def decided(upheld: bool, by: str = "zhou", reason: str = "情况属实") -> AppealDecided:
    return AppealDecided(
        commitment="step/licence", rung=Rung.YELLOW, by=by, upheld=upheld, reason=reason, decided_at=LATER
    )


def begin_hold(hold: str = "h1", since: datetime = LATER) -> BeginHold:
    return BeginHold(hold=hold, by="zhou", reason="等待上级批复", since=since)


def end_hold(until: datetime, hold: str = "h1") -> EndHold:
    return EndHold(hold=hold, by="zhou", reason="已批复", until=until)


# -- acknowledged ------------------------------------------------------------------------------------------------------


def test_an_alert_is_acknowledged_once_with_its_reason() -> None:
    monitor = carded()
    assert monitor.when(acknowledged(), LATER) == (acknowledged().replace(region=BUSINESS.region),)
    assert monitor.when(acknowledged(), LATER) == ()
    assert monitor.when(acknowledged(by="li"), LATER) == (), "the first acknowledgement counts"
    tracked = monitor.case.commitment("step/licence")
    assert tracked is not None
    (taken,) = (one.acknowledgement for one in tracked.raised if one.acknowledgement)
    assert (taken.by, taken.reason) == ("wang", "已督促承办人")


@pytest.mark.parametrize(
    ("action", "why"),
    [
        (acknowledged(Rung.RED), "no such alert"),
        (acknowledged(occurrence=2), "no such alert"),
        (acknowledged().replace(commitment="step/other"), "no such alert"),
        (appealed(Rung.WARNING), "only cards can be appealed against"),
        (decided(True), "there is no appeal"),
    ],
)
def test_an_action_that_is_not_possible_is_refused_in_both_languages(action: Message, why: str) -> None:
    refused = carded().refuses(action, LATER, why, Rejected)
    assert isinstance(refused, Rejected) and refused.zh


@pytest.mark.parametrize(
    "action", [acknowledged(), appealed(), decided(True), begin_hold(), end_hold(LATER)], ids=lambda one: one.type
)
def test_an_action_on_an_unknown_case_is_refused(action: Message) -> None:
    Monitor().refuses(action, LATER, "unknown", UnknownCase)


# -- appealed against --------------------------------------------------------------------------------------------------


def test_an_upheld_appeal_withdraws_the_card_for_good() -> None:
    monitor = carded()
    assert monitor.when(appealed(), LATER) == (appealed().replace(region=BUSINESS.region),)
    published = monitor.when(decided(True), LATER)
    withdrawn = AlertWithdrawn(
        commitment="step/licence", rung=Rung.YELLOW, reason=APPEAL_UPHELD, withdrawn_at=LATER, region=BUSINESS.region
    )
    assert published == (decided(True).replace(region=BUSINESS.region), withdrawn)
    assert monitor.when(decided(True), LATER) == ()
    # The licence is still open and late: the overturned card is not issued again, the red one is.
    much_later = at("2026-03-06 10:00")
    monitor.when(TimerFired(), much_later)
    raised = of_type(AlertRaised, monitor.when(REPORTED_OPEN, much_later))
    assert [alert.rung for alert in raised if alert.commitment == "step/licence"] == [Rung.RED]
    monitor.when(BUSINESS.decided(much_later), much_later)
    assert ("step/licence", Rung.RED) in monitor.standing_rungs()
    assert LICENCE_CARD not in monitor.standing()


def test_a_rejected_appeal_leaves_the_card() -> None:
    monitor = carded()
    monitor.when(appealed(), LATER)
    assert monitor.when(decided(False), LATER) == (decided(False).replace(region=BUSINESS.region),)
    assert LICENCE_CARD in monitor.standing()


def test_an_appellant_cannot_decide_and_no_appeal_is_made_or_decided_twice() -> None:
    monitor = carded()
    monitor.when(appealed(), LATER)
    monitor.refuses(decided(True, by="li"), LATER, "cannot decide on their own", Rejected)
    monitor.refuses(appealed(reason="再次申诉"), LATER, "once only", Rejected)
    assert monitor.when(appealed(), LATER) == ()
    monitor.when(decided(False), LATER)
    monitor.refuses(decided(True), LATER, "has been decided", Rejected)


def test_a_withdrawn_alert_is_neither_acknowledged_nor_appealed_against() -> None:
    monitor = carded()
    monitor.when(BUSINESS.decided(STEP_YELLOW), LATER)
    for action in (acknowledged(), appealed()):
        monitor.refuses(action, LATER, "withdrawn", Rejected)


# -- held --------------------------------------------------------------------------------------------------------------


def test_a_case_whose_deadline_another_party_has_fixed_is_not_held() -> None:
    fixed = business(whole=limits(at("2026-03-20 17:30"), at("2026-03-20 17:30")))
    opened(fixed).refuses(begin_hold(), error=FixedDeadline, reason="does not move")


def test_a_hold_stops_the_case_and_its_steps_until_it_ends() -> None:
    monitor, end_at = opened(), LATER + timedelta(days=2)
    published = monitor.when(begin_hold(), LATER)
    held = only(CaseHeld, of_type(CaseHeld, published))
    assert held == CaseHeld(
        hold="h1", by="zhou", reason="等待上级批复", since=LATER, recorded_at=LATER, region=BUSINESS.region
    )
    (moved,) = of_type(CommitmentsMoved, published)
    assert (moved.cause, moved.moves[0].commitment.key) == (Cause.SUSPENDED, "case")
    assert moved.moves[0].commitment.pause is not None
    published = monitor.when(end_hold(end_at), end_at)
    ended = held.replace(reason="已批复", until=end_at, recorded_at=end_at)
    assert of_type(CaseHeld, published) == [ended]
    (moved,) = of_type(CommitmentsMoved, published)
    assert moved.cause is Cause.RESUMED
    # 4 and 5 March are suspended, and the 6th counts again: two days more.
    assert moved.moves[0].commitment.committed_due == at("2026-03-11 17:30")


def test_a_case_is_held_once_at_a_time_and_not_after_its_decision() -> None:
    monitor, later = opened(), LATER + timedelta(days=2)
    monitor.refuses(begin_hold(since=MONDAY - INSTANT), LATER, "before the case was accepted", BeforeAcceptance)
    monitor.refuses(end_hold(later), later, "no such hold", UnknownHold)
    monitor.when(begin_hold(), LATER)
    assert monitor.when(begin_hold(), LATER) == ()
    monitor.refuses(end_hold(later, "h2"), later, "no such hold", UnknownHold)
    monitor.refuses(end_hold(MONDAY), later, "before it begins", EndsBeforeBeginning)
    monitor.refuses(begin_hold("h2", LATER + INSTANT), LATER, "held already", AlreadyHeld)
    # A clock that was set back: the later of two records counts all the same.
    (ended,) = of_type(CaseHeld, monitor.when(end_hold(later), LATER))
    assert ended.recorded_at > LATER
    assert monitor.when(end_hold(later), LATER) == ()
    monitor.refuses(end_hold(LATER), later, "has ended", HoldEnded)
    assert monitor.when(begin_hold(), later) == (), "a request that arrives again begins no second hold"
    assert of_type(CaseHeld, monitor.when(begin_hold("h2", later), later)), "and then another one"
    monitor.when(BUSINESS.decided(later), later)
    for command in (begin_hold("h3"), end_hold(later, "h2")):
        monitor.refuses(command, later, "is decided", CaseIsDecided)


@pytest.mark.parametrize(
    "error", [AlreadyHeld, BeforeAcceptance, CaseIsDecided, EndsBeforeBeginning, HoldEnded, UnknownHold]
)
def test_a_hold_is_refused_with_a_reason_in_both_languages(error: type[Rejected]) -> None:
    refusal = error()  # type: ignore[call-arg]
    assert refusal.en and refusal.zh


def test_a_hold_that_arrives_before_the_acceptance_counts() -> None:
    accepted, delivered = (BUSINESS.accepted(MONDAY), MONDAY), (BUSINESS.delivered("licence", MONDAY), MONDAY)
    hold = (begin_hold(), LATER)
    orders = ((accepted, hold), (delivered, hold, accepted))
    first, other = (Monitor().given(*order).case.commitment("case") for order in orders)
    assert first is not None and other is not None and first.due == other.due


# -- a rung beyond red (督办), and a timer at every committed limit ----------------------------------------------------

RUNGS = "      warning: {days_left: 2, share_used: 0.5}\n      yellow: {}\n      red: {limit: statutory}\n"


def test_oversight_fires_after_red_if_the_rules_have_it() -> None:
    oversight = f"{RUNGS}      oversight: {{limit: statutory, days_over: 2}}\n"
    monitor = opened(rules=changed_rules((RUNGS, oversight)))
    # The licence's statutory limit of three days ends on Thursday, and two working days more on Monday.
    due_at = at("2026-03-09 17:30")
    for moment, expected in ((due_at, False), (due_at + INSTANT, True)):
        monitor.given((TimerFired(), moment), (REPORTED_OPEN, moment))
        assert (("step/licence", Rung.OVERSIGHT, due_at) in monitor.standing()) is expected


def test_a_case_has_a_timer_at_its_committed_limit_even_without_a_rung() -> None:
    monitor = opened(rules=changed_rules((RUNGS, "      red: {limit: statutory}\n")))
    assert monitor.last.timer_at == STEP_YELLOW
    monitor.when(TimerFired(), STEP_YELLOW)
    assert monitor.last.timer_at == STEP_RED + INSTANT
