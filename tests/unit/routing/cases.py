"""Cases in routing."""

from collections.abc import Iterable
from datetime import timedelta

from contracts.envelope import Message
from contracts.messages.tasks import TaskRequested
from services.routing.core.handle import handle
from services.routing.core.state import RoutedCase
from tests.support.messages import MONDAY, CaseMessages, plan, plan_step
from tests.support.scenario import At, Scenario, of_type

TUESDAY = MONDAY + timedelta(days=1)


def case_of(**steps: tuple[str, ...]) -> CaseMessages:
    """A case with these steps, each with those that come before it."""
    return CaseMessages(plan(*(plan_step(step, after=before) for step, before in steps.items())))


def routed(case: CaseMessages, *messages: At | Message) -> Scenario[RoutedCase]:
    """The accepted case, after these messages."""
    return Scenario(handle).given(case.accepted(MONDAY), *messages)


def requested(messages: Iterable[Message]) -> list[str]:
    """The steps that are requested."""
    return [request.step for request in of_type(TaskRequested, messages)]
