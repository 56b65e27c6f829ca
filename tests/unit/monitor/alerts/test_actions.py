"""Actions on an alert: acknowledged, appealed against (申诉), decided; and a supervisor's hold.

Given messages, when one more comes, then this is published.
"""

from datetime import timedelta
from pathlib import Path

import pytest

from contracts.core import Rejected, UnknownCase
from contracts.envelope import Message, TimerFired
from contracts.messages.alerts import AlertAcknowledged, AlertAppealed, AlertRaised, AlertWithdrawn, AppealDecided, Rung
from contracts.messages.cases import CaseHeld, StepState
from contracts.messages.commitments import Cause, CommitmentsMoved
from services.monitor.core.alerts.actions import APPEAL_UPHELD
from services.monitor.core.rules import Rules, rule_set
from services.monitor.core.state import MonitoredCase
from services.monitor.store import rule_store
from tests.support.monitor_histories import Monitor, accepted, at, decided, delivered, report, reported

MONDAY = at("2026-03-02 10:00")
INSTANT = timedelta(microseconds=1)
STEP_YELLOW = at("2026-03-03 17:30")
LATER = at("2026-03-04 10:00")
REGION = "440305"


def carded() -> Monitor:
    """A licence that is open after its time: warned of, and a yellow card."""
    monitor = Monitor().process_all([(accepted(MONDAY), MONDAY), (delivered(MONDAY), MONDAY)])
    monitor.process(TimerFired(), STEP_YELLOW + INSTANT)
    monitor.process(reported(report("licence", StepState.DELIVERED, MONDAY)), STEP_YELLOW + INSTANT)
    assert ("step/licence", Rung.YELLOW, STEP_YELLOW) in monitor.standing()
    return monitor


def state(monitor: Monitor) -> MonitoredCase:
    assert monitor.state is not None
    return monitor.state


def acknowledged(
    rung: Rung = Rung.YELLOW, by: str = "wang", reason: str = "已督促承办人", occurrence: int = 1
) -> AlertAcknowledged:
    return AlertAcknowledged(
        commitment="step/licence", rung=rung, occurrence=occurrence, by=by, reason=reason, acknowledged_at=LATER
    )


def appealed(rung: Rung = Rung.YELLOW, by: str = "li", reason: str = "材料当日才收到") -> AlertAppealed:
    return AlertAppealed(commitment="step/licence", rung=rung, by=by, reason=reason, appealed_at=LATER)


def answered(upheld: bool, by: str = "zhou", reason: str = "情况属实") -> AppealDecided:
    return AppealDecided(
        commitment="step/licence", rung=Rung.YELLOW, by=by, upheld=upheld, reason=reason, decided_at=LATER
    )


def held(until: bool = False, hold: str = "h1") -> CaseHeld:
    return CaseHeld(
        hold=hold,
        by="zhou",
        reason="等待上级批复",
        since=LATER,
        until=LATER + timedelta(days=2) if until else None,
        recorded_at=LATER + timedelta(days=2) if until else LATER,
    )


# -- acknowledged ------------------------------------------------------------------------------------------------------


def test_an_alert_is_acknowledged_once_with_its_reason() -> None:
    monitor = carded()
    assert monitor.process(acknowledged(), LATER) == (acknowledged().replace(region=REGION),)
    assert monitor.process(acknowledged(), LATER) == ()
    assert monitor.process(acknowledged(by="somebody-else"), LATER) == (), "the first has taken it in hand"
    tracked = state(monitor).commitment("step/licence")
    assert tracked is not None
    (taken,) = (one.acknowledgement for one in tracked.raised if one.acknowledgement)
    assert (taken.by, taken.reason) == ("wang", "已督促承办人")


@pytest.mark.parametrize(
    ("remark", "why"),
    [
        (acknowledged(Rung.RED), "no such alert"),
        (acknowledged(occurrence=2), "no such alert"),
        (acknowledged().replace(commitment="step/other"), "no such alert"),
        (appealed(Rung.WARNING), "a warning is no card"),
        (answered(True), "nobody has appealed"),
    ],
)
def test_an_action_that_is_not_possible_is_refused_in_both_languages(remark: Message, why: str) -> None:
    monitor = carded()
    with pytest.raises(Rejected, match=why) as refused:
        monitor.process(remark, LATER)
    assert refused.value.why_zh


@pytest.mark.parametrize("remark", [acknowledged(), appealed(), answered(True), held()], ids=lambda one: one.type)
def test_an_action_on_an_unknown_case_is_refused(remark: Message) -> None:
    with pytest.raises(UnknownCase):
        Monitor().process(remark, LATER)


# -- appealed against --------------------------------------------------------------------------------------------------


def test_an_upheld_appeal_withdraws_the_card_for_good() -> None:
    monitor = carded()
    assert monitor.process(appealed(), LATER) == (appealed().replace(region=REGION),)
    published = monitor.process(answered(True), LATER)
    withdrawn = AlertWithdrawn(
        commitment="step/licence", rung=Rung.YELLOW, reason=APPEAL_UPHELD, withdrawn_at=LATER, region=REGION
    )
    assert published == (answered(True).replace(region=REGION), withdrawn)
    assert monitor.process(answered(True), LATER) == ()
    # It is open and late still; the card that was overturned is not issued again, the red one is.
    much_later = at("2026-03-06 10:00")
    monitor.process(TimerFired(), much_later)
    published = monitor.process(reported(report("licence", StepState.DELIVERED, MONDAY)), much_later)
    assert [one.rung for one in published if isinstance(one, AlertRaised) and one.commitment == "step/licence"] == [
        Rung.RED
    ]
    monitor.process(decided(much_later), much_later)
    assert {(key, rung) for key, rung, _ in monitor.standing()} >= {("step/licence", Rung.RED)}
    assert ("step/licence", Rung.YELLOW, STEP_YELLOW) not in monitor.standing()


def test_a_rejected_appeal_leaves_the_card() -> None:
    monitor = carded()
    monitor.process(appealed(), LATER)
    assert monitor.process(answered(False), LATER) == (answered(False).replace(region=REGION),)
    assert ("step/licence", Rung.YELLOW, STEP_YELLOW) in monitor.standing()


def test_an_appellant_cannot_decide_and_no_appeal_is_made_or_decided_twice() -> None:
    monitor = carded()
    monitor.process(appealed(), LATER)
    with pytest.raises(Rejected, match="of his own"):
        monitor.process(answered(True, by="li"), LATER)
    with pytest.raises(Rejected, match="once only"):
        monitor.process(appealed(reason="再次申诉"), LATER)
    assert monitor.process(appealed(), LATER) == ()
    monitor.process(answered(False), LATER)
    with pytest.raises(Rejected, match="has been decided"):
        monitor.process(answered(True), LATER)


def test_a_withdrawn_alert_is_neither_acknowledged_nor_appealed_against() -> None:
    monitor = carded()
    monitor.process(decided(STEP_YELLOW), LATER)
    for remark in (acknowledged(), appealed()):
        with pytest.raises(Rejected, match="withdrawn"):
            monitor.process(remark, LATER)


# -- held --------------------------------------------------------------------------------------------------------------


def test_a_hold_stops_the_case_and_its_steps_until_it_ends() -> None:
    monitor = Monitor().process_all([(accepted(MONDAY), MONDAY), (delivered(MONDAY), MONDAY)])
    published = monitor.process(held(), LATER)
    assert held().replace(region=REGION) in published
    (moved,) = (one for one in published if isinstance(one, CommitmentsMoved))
    assert (moved.cause, moved.moves[0].commitment.key) == (Cause.SUSPENDED, "case")
    assert moved.moves[0].commitment.pause is not None
    (moved,) = (one for one in monitor.process(held(until=True), LATER) if isinstance(one, CommitmentsMoved))
    assert moved.cause is Cause.RESUMED
    # 4 March is suspended, 5 March too; the 6th counts again: two days more.
    assert moved.moves[0].commitment.committed_due == at("2026-03-11 17:30")


def test_a_hold_that_arrives_before_the_acceptance_counts() -> None:
    plain = Monitor().process_all([(accepted(MONDAY), MONDAY), (held(), LATER)])
    turned = Monitor().process_all([(delivered(MONDAY), MONDAY), (held(), LATER), (accepted(MONDAY), MONDAY)])
    dues = [[w.due for w in state(monitor).commitments if w.key == "case"] for monitor in (plain, turned)]
    assert dues[0] == dues[1]


# -- a rung beyond red (督办) ------------------------------------------------------------------------------------------


def test_oversight_fires_after_red_if_the_rules_have_it(tmp_path: Path) -> None:
    text = rule_store.SHIPPED.read_text(encoding="utf-8")
    text = text.replace(
        "      red: {limit: statutory}\n",
        "      red: {limit: statutory}\n      oversight: {limit: statutory, days_over: 2}\n",
        1,
    )
    (tmp_path / "rules.yaml").write_text(text, encoding="utf-8")
    monitor = Monitor(Rules(1, rule_set(rule_store.read(tmp_path / "rules.yaml"))))
    monitor.process_all([(accepted(MONDAY), MONDAY), (delivered(MONDAY), MONDAY)])
    # The licence's statutory limit of three days ends on Thursday, and two working days more on Monday.
    due_at = at("2026-03-09 17:30")
    for moment, expected in ((due_at, False), (due_at + INSTANT, True)):
        monitor.process(TimerFired(), moment)
        monitor.process(reported(report("licence", StepState.DELIVERED, MONDAY)), moment)
        assert (("step/licence", Rung.OVERSIGHT, due_at) in monitor.standing()) is expected


# -- an alarm at every committed limit ---------------------------------------------------------------------------------


def test_a_case_has_a_timer_at_its_committed_limit_even_without_a_rung(tmp_path: Path) -> None:
    text = rule_store.SHIPPED.read_text(encoding="utf-8")
    text = text.replace(
        "      warning: {days_left: 2, share_used: 0.5}\n      yellow: {}\n      red: {limit: statutory}\n",
        "      red: {limit: statutory}\n",
        1,
    )
    (tmp_path / "rules.yaml").write_text(text, encoding="utf-8")
    monitor = Monitor(Rules(1, rule_set(rule_store.read(tmp_path / "rules.yaml"))))
    monitor.process_all([(accepted(MONDAY), MONDAY), (delivered(MONDAY), MONDAY)])
    assert monitor.timer_at == STEP_YELLOW
    monitor.process(TimerFired(), STEP_YELLOW)
    assert monitor.timer_at == at("2026-03-05 17:30") + INSTANT, "the licence's red card"
