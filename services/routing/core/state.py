"""The state of a case in routing. Data only: the capabilities beside this file change it."""

from contracts.envelope import Instant, Name
from contracts.messages.cases import Applicant, StepState
from contracts.messages.fields import Region
from contracts.messages.plans import Outcome, PlanStep
from contracts.values import Value


class RoutedStep(Value):
    """A step of the plan and its progress."""

    plan: PlanStep
    state: StepState = StepState.WAITING
    requested_at: Instant | None = None
    delivered_at: Instant | None = None
    decided_at: Instant | None = None
    arrived_at: Instant | None = None
    """When the department's answer arrived."""
    outcome: Outcome | None = None
    document: Name | None = None

    @property
    def name(self) -> str:
        return self.plan.step


Steps = tuple[RoutedStep, ...]


class RoutedCase(Value):
    """All that routing stores of one case."""

    region: Region
    applicant: Applicant | None = None
    materials: tuple[Name, ...] = ()
    accepted_at: Instant
    steps: Steps
    attempts: int = 1
    """How often the open steps were requested since the last answer."""
    outcome: Outcome | None = None
    decided_at: Instant | None = None
