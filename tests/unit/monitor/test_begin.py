"""Routing and monitor agree on when each step begins, whatever becomes of the messages on the way to monitor."""

from datetime import datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from contracts.envelope import Message
from contracts.messages.cases import CaseDecided, CaseStateRequested, StepState
from contracts.messages.commitments import step_key
from contracts.messages.plans import Outcome
from services.departments.sdk.core.messages import Decision, Notified
from services.load import load
from services.routing.core.state import RoutedCase
from tests.support.messages import MONDAY, CaseMessages, limits, plan, plan_step
from tests.support.monitor_histories import Monitor
from tests.support.scenario import At, Scenario, of_type

DAY = timedelta(days=1)
WITHIN = limits(3, 10)

PLANS = [
    {"a": (), "b": ("a",), "c": ("b",)},
    {"a": (), "b": (), "c": ("a", "b"), "d": ("a",)},
]


def decision(task_id: str, at: datetime) -> Notified:
    return Notified(
        task_id=task_id,
        content=Decision(reference=task_id, delivered_at=at, outcome=Outcome.APPROVED, decided_at=at),
    )


@st.composite
def courses(draw: st.DrawFn) -> tuple[CaseMessages, RoutedCase, list[At]]:
    """A case at routing in the end, and what was published about it: departments decide and report when they like.

    Some report impossible times, and correct them later; some answers are repeated.
    """
    steps = draw(st.sampled_from(PLANS))
    of = CaseMessages(plan(*(plan_step(name, after=before, limits=WITHIN) for name, before in steps.items())))
    routing, tax = Scenario(load("routing").core), Scenario(load("tax").core)
    sent: list[At] = [(of.accepted(MONDAY), MONDAY)]
    pending: list[Message] = [*routing.when(*sent[0])]
    now = MONDAY
    while pending:
        request: Any = pending.pop(draw(st.integers(0, len(pending) - 1)))
        now = max(now, request.requested_at) + draw(st.integers(0, 5)) * DAY
        claimed = now - draw(st.sampled_from([timedelta(), DAY, 20_000 * DAY]))
        tax.given((request, request.requested_at))
        answers = [*tax.when(decision(request.task_id, claimed), now)]
        corrected = decision(request.task_id, request.requested_at)
        later = now + draw(st.integers(0, 5)) * DAY
        answers += [*tax.when(corrected, later), *tax.when(request, later)]
        for answer in answers:
            sent.append((answer, now))
            published = routing.when(answer, now)
            sent += [(one, now) for one in of_type(CaseDecided, published)]
            pending += [one for one in published if not isinstance(one, CaseDecided)]
        sent += [(one, now) for one in routing.when(CaseStateRequested(), now)]
    return of, routing.case, sent


@given(courses(), st.data())
def test_routing_and_monitor_agree_on_the_begin_of_each_step(
    course: tuple[CaseMessages, RoutedCase, list[At]], data: st.DataObject
) -> None:
    _, routed, sent = course
    accepted, last = sent[0], sent[-1]
    kept = data.draw(st.lists(st.sampled_from(sent), max_size=2 * len(sent)))
    received = data.draw(st.permutations([accepted, *kept, last]))
    monitor = Monitor().given(*received)
    arrived = {step.name: step.arrived_at for step in routed.steps}
    for step in routed.steps:
        tracked = monitor.case.commitment(step_key(step.name))
        assert step.state is StepState.DONE and tracked is not None
        begins_at = max((at for name in step.plan.after if (at := arrived[name]) is not None), default=MONDAY)
        assert tracked.opened_at == step.requested_at == begins_at
