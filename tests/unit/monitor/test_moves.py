"""Commitments, alerts, appeals and holds make every move of their tables, and no other."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import timedelta
from enum import StrEnum
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.core import Rejected, UnknownCase
from contracts.envelope import TimerFired
from contracts.messages.alerts import AlertAcknowledged, AlertAppealed, AppealDecided, Rung
from contracts.moves import Moves
from services.monitor.core import holds
from services.monitor.core import lifecycle as commitments
from services.monitor.core.alerts import appeals
from services.monitor.core.alerts import lifecycle as alerts
from services.monitor.core.alerts.records import RaisedRung
from services.monitor.core.facts import procedure_key
from services.monitor.core.holds import AlreadyHeld, BeginHold, EndHold, HoldEnded, UnknownHold
from services.monitor.core.state import MonitoredCase
from tests.support.messages import MONDAY, at, case_suspended, limits
from tests.support.monitor_histories import (
    STEP_WARNING,
    Monitor,
    business,
    changed_rules,
    disturbed,
    histories,
    moments,
)
from tests.support.scenario import At

TUESDAY, WEDNESDAY, THURSDAY, FRIDAY = (at(f"2026-03-0{day} 10:00") for day in (3, 4, 5, 6))

OF = business(tax=limits(2, 4))
PROCEDURE = OF.suspended("licence", "P1", TUESDAY)
ALERT: dict[str, Any] = {"commitment": "step/licence", "rung": Rung.WARNING, "by": "li", "reason": "已督促承办人"}
HOLD = BeginHold(hold="h1", by="zhou", reason="等待上级批复", since=TUESDAY)
HOLD_END = EndHold(hold="h1", by="zhou", reason="已批复", until=WEDNESDAY)

MESSAGES: Mapping[str, At] = {
    "acceptance": (OF.accepted(MONDAY), MONDAY),
    "delivery": (OF.delivered("licence", MONDAY), MONDAY),
    "answer in time": (OF.done("licence", MONDAY, delivered_at=MONDAY), FRIDAY),
    "late answer": (OF.done("licence", FRIDAY, delivered_at=MONDAY), FRIDAY),
    "answer for the tax": (OF.done("tax", FRIDAY), FRIDAY),
    "decision": (OF.decided(FRIDAY), FRIDAY),
    "suspension begins": (case_suspended(TUESDAY), TUESDAY),
    "suspension ends": (case_suspended(TUESDAY, WEDNESDAY), WEDNESDAY),
    "procedure begins": (PROCEDURE, TUESDAY),
    "procedure ends": (PROCEDURE.replace(until=THURSDAY, reported_at=THURSDAY), THURSDAY),
    "procedure goes on": (PROCEDURE.replace(reported_at=FRIDAY), FRIDAY),
    "hold begins": (HOLD, TUESDAY),
    "another hold begins": (HOLD.replace(hold="h2"), WEDNESDAY),
    "hold ends": (HOLD_END, WEDNESDAY),
    "hold ends at another time": (HOLD_END.replace(until=THURSDAY), THURSDAY),
    "timer": (TimerFired(), STEP_WARNING),
    "timer of the procedure": (TimerFired(), WEDNESDAY),
    "acknowledgement": (AlertAcknowledged(**ALERT, acknowledged_at=TUESDAY), TUESDAY),
    "acknowledgement in the procedure": (
        AlertAcknowledged(**ALERT | {"commitment": procedure_key("commerce/licence/P1")}, acknowledged_at=WEDNESDAY),
        WEDNESDAY,
    ),
}

OPEN = ("acceptance", "delivery")
WARNED_PROCEDURE = (*OPEN, "procedure begins", "timer of the procedure")

STATES: Mapping[str, tuple[str, ...]] = {
    "unknown": (),
    "delivered, not accepted": ("delivery",),
    "suspended, not accepted": ("suspension begins",),
    "open": OPEN,
    "suspended": (*OPEN, "suspension begins"),
    "held": (*OPEN, "hold begins"),
    "held and resumed": (*OPEN, "hold begins", "hold ends"),
    "in a procedure": (*OPEN, "procedure begins"),
    "after a procedure": (*OPEN, "procedure begins", "procedure ends"),
    "after a procedure with a warning": (*WARNED_PROCEDURE, "procedure ends"),
    "after a procedure with an acknowledgement": (
        *WARNED_PROCEDURE,
        "acknowledgement in the procedure",
        "procedure ends",
    ),
    "warned": (*OPEN, "timer"),
    "acknowledged": (*OPEN, "timer", "acknowledgement"),
    "answered late": (*OPEN, "late answer"),
}
"""State of a case -> the messages that lead to it."""

RULES = {
    "limited": changed_rules(("limits:\n", "limits:\n  - {kinds: [procedure], committed: {working_days: 1}}\n")),
    "unlimited": changed_rules(),
}
"""Rules with a limit for special procedures, and without one."""

Move = tuple[str, StrEnum | None, StrEnum]
"""The capability, and the states before and after."""

CAPABILITIES: Mapping[str, Moves[Any]] = {
    "commitment": commitments.MOVES,
    "alert": alerts.MOVES,
    "hold": holds.MOVES,
}

LEGAL: set[Move] = {(name, was, then) for name, moves in CAPABILITIES.items() for (was, _), then in moves.items()}


def states(case: MonitoredCase | None) -> Iterator[tuple[tuple[str, object], StrEnum]]:
    """Each commitment, alert and hold of a case with its state."""
    for one, ended_at in case.commitment_ends() if case is not None else ():
        yield ("commitment", one.key), commitments.state_of(one, ended_at)
        for alert in one.raised:
            yield ("alert", (one.key, alert.rung, alert.occurrence)), alerts.state_of(alert, ended_at)
    for name, hold in holds.holds_of(case).items() if case is not None else ():
        yield ("hold", name), holds.state_of(hold)


def moves_of(monitor: Monitor, message: At) -> set[Move]:
    """The moves that a message makes."""
    before = dict(states(monitor.state))
    monitor.when(*message)
    return {(key[0], before.get(key), state) for key, state in states(monitor.case) if state is not before.get(key)}


def test_each_move_in_a_table_happens_and_no_other() -> None:
    seen: set[Move] = set()
    for rules, state, name in product(RULES, STATES, MESSAGES):
        monitor = Monitor(RULES[rules])
        for message in STATES[state]:
            with suppress(Rejected):  # an acknowledgement without its alert
                monitor.when(*MESSAGES[message])
        with suppress(Rejected, UnknownCase):
            seen |= moves_of(monitor, MESSAGES[name])
    assert seen == LEGAL


HOLDS_REFUSED: Mapping[tuple[str, str], type[Rejected]] = {
    ("open", "hold ends"): UnknownHold,
    ("open", "hold ends at another time"): UnknownHold,
    ("held", "another hold begins"): AlreadyHeld,
    ("held and resumed", "hold ends at another time"): HoldEnded,
}
"""State and command of each refusal that a table of moves decides. Every other pair moves a hold, or repeats."""


@pytest.mark.parametrize(
    ("state", "name"),
    [*product(("open", "held", "held and resumed"), (name for name in MESSAGES if "hold" in name))],
)
def test_a_hold_moves_by_its_table_or_the_command_is_refused(state: str, name: str) -> None:
    monitor = Monitor().given(*(MESSAGES[message] for message in STATES[state]))
    if (refused := HOLDS_REFUSED.get((state, name))) is not None:
        monitor.refuses(*MESSAGES[name], error=refused)
    else:
        assert {move for move in moves_of(monitor, MESSAGES[name]) if move[0] == "hold"} <= LEGAL


@st.composite
def disturbed_histories(draw: st.DrawFn) -> list[At]:
    history = draw(histories().flatmap(disturbed))
    extra: list[At] = [(TimerFired(), moment) for moment in draw(st.lists(moments, max_size=4))]
    if draw(st.booleans()):
        since, until = MONDAY + timedelta(hours=3), WEDNESDAY
        extra += [(case_suspended(since), since), (case_suspended(since, until), until)]
    return [history[0], *draw(st.permutations([*history[1:], *extra]))]


@given(disturbed_histories())
def test_no_history_makes_another_move(history: list[At]) -> None:
    monitor = Monitor()
    for message in history:
        assert moves_of(monitor, message) <= LEGAL


CARD = RaisedRung(rung=Rung.YELLOW, raised_at=MONDAY)
ACTION: dict[str, Any] = {"commitment": "case", "rung": Rung.YELLOW}
APPEAL = AlertAppealed(**ACTION, by="li", reason="材料当日才收到", appealed_at=MONDAY)
UPHOLD = AppealDecided(**ACTION, by="zhou", reason="情况属实", upheld=True, decided_at=MONDAY)
REJECT = AppealDecided(**ACTION, by="zhou", reason="证据不足", upheld=False, decided_at=MONDAY)

APPEALED = appeals.appeal(CARD, APPEAL)
CARDS = {
    appeals.AppealState.NONE: CARD,
    appeals.AppealState.APPEALED: APPEALED,
    appeals.AppealState.UPHELD: appeals.decide(APPEALED, UPHOLD),
    appeals.AppealState.REJECTED: appeals.decide(APPEALED, REJECT),
}
ACTIONS = {
    AlertAppealed: APPEAL.replace(by="wang"),
    appeals.AppealEvent.UPHOLD: UPHOLD.replace(by="wu"),
    appeals.AppealEvent.REJECT: REJECT.replace(by="wu"),
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
