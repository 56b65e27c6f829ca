"""Every pair of state and message in routing: it moves the case or a step, changes nothing, or is invalid."""

from collections.abc import Mapping
from itertools import product
from typing import Any

import pytest

from contracts.core import UnknownCase
from contracts.envelope import Message, TimerFired
from contracts.messages.cases import CaseStateRequested
from contracts.messages.plans import Outcome
from contracts.messages.tasks import TaskDone
from contracts.moves import IllegalMove, Moves, next_state
from services.routing.core import lifecycle, steps
from services.routing.core.handle import RoutingMessage, handle
from services.routing.core.lifecycle import CaseState
from services.routing.core.state import RoutedCase
from services.routing.core.steps import Prerequisites
from tests.support.messages import MONDAY
from tests.support.scenario import Scenario
from tests.unit.routing.cases import TUESDAY, case_of, routed

CASE = case_of(licence=(), tax=("licence",))

MESSAGES: Mapping[str, Message] = {
    "acceptance": CASE.accepted(MONDAY),
    "request for the state": CaseStateRequested(),
    "timer": TimerFired(),
    "delivery of the licence": CASE.delivered("licence", MONDAY),
    "approval of the licence": CASE.done("licence", TUESDAY),
    "refusal of the licence": CASE.done("licence", TUESDAY, outcome=Outcome.REFUSED),
    "delivery of the tax": CASE.delivered("tax", MONDAY),
    "approval of the tax": CASE.done("tax", TUESDAY),
    "refusal of the tax": CASE.done("tax", TUESDAY, outcome=Outcome.REFUSED),
}
"""The tax step comes after the licence."""

STATES: Mapping[str, tuple[str, ...]] = {
    "licence requested": (),
    "licence delivered": ("delivery of the licence",),
    "tax requested": ("approval of the licence",),
    "tax delivered": ("approval of the licence", "delivery of the tax"),
    "tax done": ("approval of the licence", "approval of the tax"),
    "tax dropped": ("refusal of the licence",),
}
"""State of a case -> the messages that lead to it after acceptance."""

_TAX_NOT_REQUESTED = {"delivery of the tax", "approval of the tax", "refusal of the tax"}

CAPABILITIES: Mapping[str, Moves[Any]] = {"lifecycle": lifecycle.MOVES, "steps": steps.MOVES}

INVALID: Mapping[str, set[str]] = {
    "licence requested": _TAX_NOT_REQUESTED,
    "licence delivered": _TAX_NOT_REQUESTED,
    "tax requested": {"refusal of the licence"},
    "tax delivered": {"refusal of the licence"},
    "tax done": {"refusal of the licence", "refusal of the tax"},
    "tax dropped": {"approval of the licence", *_TAX_NOT_REQUESTED},
}
"""A department answers for a step that nobody requested, or takes its decision back."""


def scenario_in(state: str) -> Scenario[RoutedCase]:
    return routed(CASE, *(MESSAGES[name] for name in STATES[state]))


@pytest.mark.parametrize(("state", "name"), [*product(STATES, MESSAGES)])
def test_each_pair_of_state_and_message_moves_or_is_invalid(state: str, name: str) -> None:
    scenario, message = scenario_in(state), MESSAGES[name]
    if name in INVALID[state]:
        scenario.refuses(message)
        return
    before = scenario.case
    after = scenario.given(message).case
    old, new = lifecycle.state_of(before), lifecycle.state_of(after)
    assert old is new or CAPABILITIES["lifecycle"][old, type(message)] is new
    triggers = (type(message), *Prerequisites)
    for was, now in zip(before.steps, after.steps, strict=True):
        targets = {CAPABILITIES["steps"].get((was.state, trigger)) for trigger in triggers}
        assert was.state is now.state or now.state in targets, "the move stands in the table"


@pytest.mark.parametrize("name", [name for name in MESSAGES if name != "acceptance"])
def test_a_case_begins_with_its_acceptance_only(name: str) -> None:
    Scenario(handle).refuses(MESSAGES[name], error=UnknownCase)


def test_the_examples_reach_every_state_of_the_tables() -> None:
    cases = [scenario_in(state).case for state in STATES]
    assert {lifecycle.state_of(case) for case in cases} == set(CAPABILITIES["lifecycle"].values()) == set(CaseState)
    assert {step.state for case in cases for step in case.steps} == set(CAPABILITIES["steps"].values())


def test_the_examples_have_every_message() -> None:
    assert {type(message) for message in MESSAGES.values()} == set(RoutingMessage.__args__)


def test_an_illegal_move_names_subject_state_and_trigger() -> None:
    for state in steps.ENDED:
        with pytest.raises(IllegalMove, match=f"step licence is {state} and cannot move by TaskDone"):
            next_state(steps.MOVES, "step licence", state, TaskDone)


def test_a_message_that_is_not_for_routing_is_invalid() -> None:
    report = lifecycle.report(scenario_in("tax done").case)
    Scenario(handle).refuses(report, reason="not for routing")
