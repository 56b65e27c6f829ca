"""Commitments, alerts and appeals change their states by the moves of their tables only."""

from datetime import timedelta
from enum import StrEnum
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.core import Rejected
from contracts.envelope import TimerFired
from contracts.messages.alerts import AlertAppealed, AppealDecided, Rung
from contracts.messages.cases import CaseSuspended, SuspensionKind
from contracts.moves import Moves
from services.monitor.core import commitment
from services.monitor.core.alerts import appeals, lifecycle
from services.monitor.core.alerts.records import RaisedRung
from services.monitor.core.state import MonitoredCase
from tests.support.monitor_histories import Monitor, at
from tests.unit.monitor.test_core_properties import Timed, disturbed, histories, moments

START = at("2026-03-02 10:00")


def is_move(moves: Moves[Any], before: StrEnum | None, after: StrEnum) -> bool:
    return before is after or any(was is before and then is after for (was, _), then in moves.items())


def states_of_commitments(state: MonitoredCase) -> dict[str, commitment.CommitmentState]:
    return {one.key: commitment.state_of(one, ended_at) for one, ended_at in state.commitment_ends()}


def states_of_alerts(state: MonitoredCase) -> dict[tuple[str, Rung, int], lifecycle.AlertState]:
    return {
        (one.key, fired.rung, fired.occurrence): lifecycle.state_of(fired, ended_at)
        for one, ended_at in state.commitment_ends()
        for fired in one.raised
    }


def suspension(until_known: bool) -> CaseSuspended:
    return CaseSuspended(
        change_id=f"s1-{until_known}",
        suspension="s1",
        kind=SuspensionKind.CORRECTION,
        reason="补正材料",
        since=START + timedelta(hours=3),
        until=START + timedelta(days=2) if until_known else None,
        recorded_at=START + timedelta(days=2 * until_known, hours=3),
    )


@st.composite
def disturbed_histories(draw: st.DrawFn) -> list[Timed]:
    history = draw(histories().flatmap(disturbed))
    extra: list[Timed] = [(TimerFired(), moment) for moment in draw(st.lists(moments, max_size=4))]
    if draw(st.booleans()):
        extra += [(suspension(False), START + timedelta(hours=3)), (suspension(True), START + timedelta(days=2))]
    return [history[0], *draw(st.permutations([*history[1:], *extra]))]


@given(disturbed_histories())
def test_commitments_and_alerts_make_the_moves_of_their_tables_only(history: list[Timed]) -> None:
    monitor = Monitor()
    commitments: dict[str, commitment.CommitmentState] = {}
    raised: dict[tuple[str, Rung, int], lifecycle.AlertState] = {}
    for message, time in history:
        if monitor.state is None and isinstance(message, TimerFired):
            continue
        monitor.process(message, time)
        assert monitor.state is not None
        for key, state in states_of_commitments(monitor.state).items():
            assert is_move(commitment.MOVES, commitments.get(key), state), (key, commitments.get(key), state)
            commitments[key] = state
        for alert, alert_state in states_of_alerts(monitor.state).items():
            assert is_move(lifecycle.MOVES, raised.get(alert), alert_state), (alert, raised.get(alert), alert_state)
            raised[alert] = alert_state


CARD = RaisedRung(rung=Rung.YELLOW, raised_at=START)
ACTION: dict[str, Any] = {"commitment": "case", "rung": Rung.YELLOW}
APPEAL = AlertAppealed(**ACTION, by="li", reason="材料当日才收到", appealed_at=START)
UPHOLD = AppealDecided(**ACTION, by="zhou", reason="情况属实", upheld=True, decided_at=START)
REJECT = AppealDecided(**ACTION, by="zhou", reason="证据不足", upheld=False, decided_at=START)

APPEALED = appeals.appeal(CARD, APPEAL)
CARDS = {
    appeals.AppealState.NONE: CARD,
    appeals.AppealState.APPEALED: APPEALED,
    appeals.AppealState.UPHELD: appeals.decide(APPEALED, UPHOLD),
    appeals.AppealState.REJECTED: appeals.decide(APPEALED, REJECT),
}
ACTIONS = {
    AlertAppealed: APPEAL.replace(by="wang"),
    appeals.Decision.UPHOLD: UPHOLD.replace(by="wu"),
    appeals.Decision.REJECT: REJECT.replace(by="wu"),
}


@pytest.mark.parametrize(("state", "trigger"), [*product(CARDS, ACTIONS)])
def test_an_appeal_moves_by_its_table_or_the_action_is_rejected(state: appeals.AppealState, trigger: Any) -> None:
    card, action = CARDS[state], ACTIONS[trigger]
    assert appeals.state_of(card) is state
    apply: Any = appeals.appeal if trigger is AlertAppealed else appeals.decide
    if (state, trigger) in appeals.MOVES:
        assert appeals.state_of(apply(card, action)) is appeals.MOVES[state, trigger]
    else:
        with pytest.raises(Rejected):
            apply(card, action)
