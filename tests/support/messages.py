"""Messages about one case, for the tests of every core: each is built in one place, with plausible defaults."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from contracts.messages.cases import (
    Applicant,
    CaseAccepted,
    CaseDecided,
    CaseExtended,
    CaseReported,
    CaseRestarted,
    CaseSuspended,
    Channel,
    StepReport,
    StepState,
    SuspensionKind,
)
from contracts.messages.plans import Limit, Limits, Outcome, Plan, PlanStep
from contracts.messages.tasks import TaskDelivered, TaskDone, TaskRequested, TaskSuspended, task_id

CASE_ID = "K7Q2-9MXF-4TBA-3"
REFERENCE = "4403-1"
"""The number of each task at its department."""

ZONE = ZoneInfo("Asia/Shanghai")
APPLICANT = Applicant(kind="person", name="Li Hua", id_number="11010519491231002X")


def at(text: str) -> datetime:
    """The instant, in UTC, of a moment on a wall clock in China: ``2026-03-02 10:00``."""
    return datetime.fromisoformat(text).replace(tzinfo=ZONE).astimezone(UTC)


MONDAY = at("2026-03-02 10:00")
"""The moment at which most cases of the tests are accepted."""


def limit(end: int | datetime) -> Limit:
    """A limit of so many working days, or one that ends at a moment."""
    return Limit(working_days=end) if isinstance(end, int) else Limit(due_at=end)


def limits(committed: int | datetime, statutory: int | datetime) -> Limits:
    """The committed and the statutory limit."""
    return Limits(committed=limit(committed), statutory=limit(statutory))


def plan_step(step: str, *, department: str = "Tax", system: str = "tax", **fields: Any) -> PlanStep:
    """A step at one department, for the item of the same name."""
    return PlanStep(
        **{"step": step, "item": step, "item_name": step, "department": department, "system": system} | fields
    )


def plan(*steps: PlanStep, whole: Limits | None = None, **fields: Any) -> Plan:
    """The plan of a case with these steps, by default within 5 working days of 20."""
    defaults = {
        "matter": "start-business",
        "matter_name": "Starting a business",
        "catalogue_version": "1",
        "lead_department": "Commerce",
    }
    return Plan(**defaults | {"limits": whole or limits(5, 20), "steps": steps} | fields)


def report(
    step: str,
    state: StepState,
    requested_at: datetime | None = None,
    decided_at: datetime | None = None,
    **fields: Any,
) -> StepReport:
    """How a step stands, by the report of routing. An answer arrived at once."""
    times = {"requested_at": requested_at, "decided_at": decided_at, "arrived_at": decided_at}
    return StepReport(**{"step": step, "state": state} | times | fields)


def case_suspended(since: datetime, until: datetime | None = None, **fields: Any) -> CaseSuspended:
    """A correction that staff recorded at once, when it began or when it ended."""
    defaults: dict[str, Any] = {
        "change_id": "c1-begins" if until is None else "c1-ends",
        "suspension": "c1",
        "kind": SuspensionKind.CORRECTION,
        "reason": "材料不齐",
        "recorded_at": until or since,
    }
    return CaseSuspended(**defaults | {"since": since, "until": until} | fields)


def case_extended(days: int, notified_at: datetime, change_id: str = "e1", steps: Sequence[str] = ()) -> CaseExtended:
    """An extension of which the applicant was notified then. These steps get the days."""
    return CaseExtended(change_id=change_id, days=days, steps=tuple(steps), reason="案情复杂", notified_at=notified_at)


def case_restarted(restarted_at: datetime, change_id: str = "r1") -> CaseRestarted:
    """A restart of the time of the case."""
    return CaseRestarted(change_id=change_id, reason="重新受理", restarted_at=restarted_at)


@dataclass(frozen=True)
class CaseMessages:
    """Builds what the services publish about one case with this plan."""

    plan: Plan
    case_id: str = CASE_ID
    region: str = "440305"

    def accepted(self, moment: datetime, **fields: Any) -> CaseAccepted:
        """The acceptance by intake."""
        defaults = {"plan": self.plan, "region": self.region, "channel": Channel.WEB, "applicant": APPLICANT}
        return CaseAccepted(**defaults | {"accepted_at": moment} | fields)

    def requested(self, step: str, moment: datetime, **fields: Any) -> TaskRequested:
        """The request by routing."""
        planned = self._planned(step)
        defaults = {"item": planned.item, "item_name": planned.item_name, "region": self.region}
        return TaskRequested(**self._task(step) | defaults | {"requested_at": moment} | fields)

    def delivered(self, step: str, moment: datetime, **fields: Any) -> TaskDelivered:
        """The receipt of the department that the plan names, for a task requested at the same moment."""
        defaults = {"reference": REFERENCE, "requested_at": moment, "delivered_at": moment}
        return TaskDelivered(**self._task(step) | defaults | fields)

    def suspended(self, step: str, procedure: str, since: datetime, **fields: Any) -> TaskSuspended:
        """A special procedure that the department reported at once, when it opened or when it ended."""
        defaults = {"procedure": procedure, "name": "检验", "reason": "需要检验", "since": since}
        defaults["reported_at"] = fields.get("until") or since
        return TaskSuspended(**self._task(step) | defaults | fields)

    def done(self, step: str, moment: datetime, **fields: Any) -> TaskDone:
        """The approval of the department, for a task delivered an hour before. It arrived at once."""
        defaults = {"reference": REFERENCE, "delivered_at": moment - timedelta(hours=1), "decided_at": moment}
        defaults |= {"outcome": Outcome.APPROVED, "arrived_at": moment}
        return TaskDone(**self._task(step) | defaults | fields)

    def reported(self, *steps: StepReport) -> CaseReported:
        """The report of routing; without steps every step waits."""
        waiting = tuple(report(step.step, StepState.WAITING) for step in self.plan.steps)
        return CaseReported(steps=steps or waiting)

    def decided(self, moment: datetime, *steps: StepReport) -> CaseDecided:
        """The decision on the case as a whole: approved."""
        return CaseDecided(outcome=Outcome.APPROVED, decided_at=moment, steps=steps)

    def _planned(self, step: str) -> PlanStep:
        return next(one for one in self.plan.steps if one.step == step)

    def _task(self, step: str) -> dict[str, Any]:
        planned = self._planned(step)
        of_plan = {"step": step, "department": planned.department, "system": planned.system}
        return of_plan | {"task_id": task_id(self.case_id, step)}
