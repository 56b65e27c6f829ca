"""Every pair of state and message at intake: it moves a capability, merges facts, or is refused."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from itertools import product
from typing import Any

import pytest

from contracts.core import Rejected, UnknownCase
from contracts.envelope import Message, RulesChanged, TimerFired
from contracts.messages.cases import CaseSuspended, StepState
from contracts.messages.commitments import Cause, CommitmentsMoved, Move
from contracts.messages.side_timers import SideTimersRequested
from contracts.moves import Moves, Trigger
from services.intake.app import SERVICE
from services.intake.core import confirmation, extension, lifecycle, side_timers, suspension
from services.intake.core.extension import AlreadyExtended
from services.intake.core.handle import IntakeMessage
from services.intake.core.lifecycle import AcceptCase, CaseIsDecided, KeyReused
from services.intake.core.side_timers import EndTimer, StartTimer, TimerEnded, TimerExists, UnknownTimer
from services.intake.core.state import Case
from services.intake.core.suspension import AlreadySuspended, SuspensionEnded, SuspensionEvent, UnknownSuspension
from tests.support.messages import case_extended, case_restarted
from tests.support.scenario import Scenario
from tests.unit.intake.core.cases import CASE, NUMBER, accept, accepted, after, commitments, hold, step_report

CAPABILITIES: Mapping[str, tuple[Moves[Any], Callable[[Case], StrEnum | None]]] = {
    "lifecycle": (lifecycle.MOVES, lifecycle.state_of),
    "suspension": (suspension.MOVES, suspension.state_of),
    "extension": (extension.MOVES, extension.state_of),
    "side_timers": (side_timers.MOVES, lambda case: side_timers.state_of(case, "delivery")),
    "confirmation": (confirmation.MOVES, confirmation.state_of),
}


def timer(hours: float = 1) -> StartTimer:
    return StartTimer(commitment="delivery", owner="Land", started_at=after(hours))


MOVED = Move(
    commitment=commitments(("case", 100)).commitments[0], committed_before=after(90), statutory_before=after(900)
)
CHANGES = ("s1-begin", "timers-1", "timers-2")

MESSAGES: Mapping[str, Message] = {
    "same application": accept(),
    "another application": accept("another request"),
    "delivery to a department": CASE.delivered("taxes", after(2)),
    "answer of a department": CASE.done("taxes", after(3)),
    "report of routing": CASE.reported(step_report("taxes", StepState.DONE, 3)),
    "decision": CASE.decided(after(3)),
    "opened commitments": commitments(("case", 100), change_ids=CHANGES),
    "moved commitments": CommitmentsMoved(moves=(MOVED,), cause=Cause.RULES, change_ids=CHANGES),
    "timer of the runtime": TimerFired(),
    "new rules": RulesChanged(),
    "suspension begins": hold(),
    "another suspension begins": hold("s2"),
    "suspension ends": hold(until=2),
    "suspension ends at another time": hold(until=2.5, change_id="s1-end-later"),
    "extension": case_extended(10, after(1)),
    "another extension": case_extended(15, after(2), "e2"),
    "restart": case_restarted(after(1)),
    "timer starts": timer(),
    "timer starts at another time": timer(1.5),
    "timer ends": EndTimer(commitment="delivery", ended_at=after(2)),
    "timer ends at another time": EndTimer(commitment="delivery", ended_at=after(2.5)),
    "request for the timers": SideTimersRequested(),
}

STATES: Mapping[str, tuple[str, ...]] = {
    "accepted": (),
    "accepted and monitored": ("opened commitments",),
    "suspended": ("suspension begins",),
    "resumed": ("suspension begins", "suspension ends"),
    "extended": ("extension",),
    "restarted": ("restart",),
    "timer running": ("timer starts",),
    "timer ended": ("timer starts", "timer ends"),
    "decided": ("decision",),
    "decided while suspended": ("suspension begins", "decision"),
    "decided, not every change confirmed": ("timer starts", "opened commitments", "timer ends", "decision"),
    "confirmed": ("opened commitments", "decision"),
    "confirmed, timer running": ("timer starts", "opened commitments", "decision"),
}
"""State of a case -> the messages that lead to it after acceptance."""

Refusals = dict[str, type[Rejected]]

_NO_TIMER: Refusals = {"timer ends": UnknownTimer, "timer ends at another time": UnknownTimer}
_RUNNING_TIMER: Refusals = {"timer starts at another time": TimerExists}
_ENDED_TIMER: Refusals = _RUNNING_TIMER | {"timer ends at another time": TimerEnded}
_NO_SUSPENSION: Refusals = {"suspension ends": UnknownSuspension, "suspension ends at another time": UnknownSuspension}
_DECIDED: Refusals = dict.fromkeys(
    [
        "suspension begins", "another suspension begins", "suspension ends", "suspension ends at another time",
        "extension", "another extension", "restart",
    ],
    CaseIsDecided,
)  # fmt: skip

REFUSED: Mapping[str, Refusals] = {
    "accepted": _NO_TIMER | _NO_SUSPENSION,
    "accepted and monitored": _NO_TIMER | _NO_SUSPENSION,
    "suspended": _NO_TIMER | {"another suspension begins": AlreadySuspended},
    "resumed": _NO_TIMER | {"suspension ends at another time": SuspensionEnded},
    "extended": _NO_TIMER | _NO_SUSPENSION | {"another extension": AlreadyExtended},
    "restarted": _NO_TIMER | _NO_SUSPENSION,
    "timer running": _RUNNING_TIMER | _NO_SUSPENSION,
    "timer ended": _ENDED_TIMER | _NO_SUSPENSION,
    "decided": _NO_TIMER | _DECIDED,
    # A change that is recorded already is no new change, whatever has happened since.
    "decided while suspended": _NO_TIMER
    | {name: error for name, error in _DECIDED.items() if name != "suspension begins"},
    "decided, not every change confirmed": _ENDED_TIMER | _DECIDED,
    "confirmed": _NO_TIMER | _DECIDED,
    "confirmed, timer running": _RUNNING_TIMER | _DECIDED,
}
"""The messages that are refused, by state. Every other pair changes the case or leaves it as it is."""


def scenario_in(state: str) -> Scenario[Case]:
    return accepted(*((MESSAGES[name], after(4)) for name in STATES[state]))


def moves_of(scenario: Scenario[Case], message: Message) -> dict[str, tuple[StrEnum | None, Trigger, StrEnum]]:
    """The capabilities that the message moves, each with its move."""
    before = scenario.state
    scenario.when(message, after(5))
    moved = {}
    for name, (_, state_of) in CAPABILITIES.items():
        old, new = state_of(before) if before else None, state_of(scenario.case)
        if new is not None and new is not old:
            moved[name] = (old, trigger_of(name, message), new)
    return moved


def trigger_of(capability: str, message: Message) -> Trigger:
    if capability == "suspension" and isinstance(message, CaseSuspended):
        return SuspensionEvent.BEGIN if message.until is None else SuspensionEvent.END
    return type(message)


@pytest.mark.parametrize(("state", "name"), [*product(STATES, MESSAGES)])
def test_each_pair_of_state_and_message_moves_or_is_refused(state: str, name: str) -> None:
    scenario, message = scenario_in(state), MESSAGES[name]
    refused = KeyReused if name == "another application" else REFUSED[state].get(name)
    if refused is not None:
        scenario.refuses(message, after(5), error=refused)
        return
    for capability, (old, trigger, new) in moves_of(scenario, message).items():
        assert CAPABILITIES[capability][0].get((old, trigger)) is new, "the move stands in the table"


def test_each_move_in_a_table_happens() -> None:
    seen = {(name, *move) for name, move in moves_of(Scenario(SERVICE.core, NUMBER), accept()).items()}
    for state, message in product(STATES, MESSAGES):
        if message != "another application" and message not in REFUSED[state]:
            seen |= {(name, *move) for name, move in moves_of(scenario_in(state), MESSAGES[message]).items()}
    assert seen == {
        (name, old, trigger, new) for name, (moves, _) in CAPABILITIES.items() for (old, trigger), new in moves.items()
    }


@pytest.mark.parametrize("name", [name for name, message in MESSAGES.items() if not isinstance(message, AcceptCase)])
def test_a_case_begins_with_its_acceptance_only(name: str) -> None:
    Scenario(SERVICE.core, NUMBER).refuses(MESSAGES[name], error=UnknownCase)


def test_the_examples_have_every_message() -> None:
    assert {type(message) for message in MESSAGES.values()} == set(IntakeMessage.__args__)


def test_each_refusal_gives_its_reason_in_both_languages() -> None:
    for error in {error for refused in REFUSED.values() for error in refused.values()}:
        refusal = error()  # type: ignore[call-arg]
        assert refusal.en and refusal.zh
