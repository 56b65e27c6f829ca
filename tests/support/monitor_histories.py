"""The messages of a case, and a monitor that processes them, for the tests of the core."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from contracts.core import Transition
from contracts.envelope import Envelope, Message, envelop
from contracts.messages.alerts import AlertRaised, AlertWithdrawn, Rung
from contracts.messages.cases import Applicant, CaseAccepted, CaseDecided, CaseReported, Channel, StepReport, StepState
from contracts.messages.commitments import CommitmentKey
from contracts.messages.plans import Limit, Limits, Outcome, Plan, PlanStep
from contracts.messages.tasks import TaskDelivered, TaskDone
from services.monitor.core.handle import handle
from services.monitor.core.rules import Rules
from services.monitor.core.state import MonitoredCase
from services.monitor.store.rule_store import shipped

CASE_ID = "K7Q2-9MXF-4TBA-3"
APPLICANT = Applicant(kind="person", name="Li Hua", id_number="11010519491231002X")


def at(text: str) -> datetime:
    """A moment on the office's clock, as an instant in UTC: ``2026-03-02 10:00``."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Asia/Shanghai")).astimezone(UTC)


def limits(committed: int | datetime, statutory: int | datetime) -> Limits:
    return Limits(committed=_limit(committed), statutory=_limit(statutory))


def _limit(end: int | datetime) -> Limit:
    return Limit(working_days=end) if isinstance(end, int) else Limit(due_at=end)


def plan(whole: Limits | None = None, licence: Limits | None = None, tax: Limits | None = None) -> Plan:
    """Commerce leads; a licence with a limit of its own, and a tax registration after it, without one unless given."""
    return Plan(
        matter="start-business",
        matter_name="Starting a business",
        catalogue_version="1",
        lead_department="Commerce",
        limits=whole or limits(5, 10),
        steps=(
            PlanStep(
                step="licence",
                item="licence",
                item_name="Business licence",
                department="Market office",
                system="commerce",
                limits=licence or limits(1, 3),
            ),
            PlanStep(
                step="tax",
                item="tax",
                item_name="Tax registration",
                department="Tax",
                system="tax",
                after=("licence",),
                limits=tax,
            ),
        ),
    )


def accepted(moment: datetime, of: Plan | None = None) -> CaseAccepted:
    return CaseAccepted(
        plan=of or plan(), region="440305", channel=Channel.WEB, applicant=APPLICANT, accepted_at=moment
    )


def delivered(moment: datetime, step: str = "licence") -> TaskDelivered:
    return TaskDelivered(
        task_id=f"{CASE_ID}/{step}",
        step=step,
        department="Market office",
        system="commerce",
        reference="4403-1",
        requested_at=moment,
        delivered_at=moment,
    )


def done(moment: datetime, step: str = "licence", *, delivered_at: datetime | None = None) -> TaskDone:
    """An answer of that moment to a step that was delivered long before, unless given."""
    return TaskDone(
        task_id=f"{CASE_ID}/{step}",
        step=step,
        department="Market office",
        system="commerce",
        reference="4403-1",
        delivered_at=delivered_at or min(moment, at("2026-03-02 10:00")),
        outcome=Outcome.APPROVED,
        decided_at=moment,
    )


def report(
    step: str, state: StepState, requested_at: datetime | None, decided_at: datetime | None = None
) -> StepReport:
    return StepReport(step=step, state=state, requested_at=requested_at, decided_at=decided_at)


def reported(*steps: StepReport) -> CaseReported:
    return CaseReported(steps=steps or (report("licence", StepState.WAITING, None),))


def decided(moment: datetime, *steps: StepReport) -> CaseDecided:
    return CaseDecided(outcome=Outcome.APPROVED, decided_at=moment, steps=steps)


def envelope(message: Message, time: datetime) -> Envelope[Message]:
    return envelop(message, id=UUID(int=1), source="/test", subject=CASE_ID, time=time)


class Monitor:
    """Processes the messages of one case and keeps the published messages."""

    def __init__(self, rules: Rules | None = None) -> None:
        self.rules = rules or shipped()
        self.state: MonitoredCase | None = None
        self.published: list[Message] = []
        self.step: Transition[MonitoredCase] | None = None

    def process(self, message: Message, time: datetime) -> tuple[Message, ...]:
        """The messages that follow from this one."""
        self.step = handle(self.rules, self.state, envelope(message, time))
        self.state = self.step.state
        self.published.extend(self.step.out)
        return self.step.out

    def process_all(self, messages: Iterable[tuple[Message, datetime]]) -> "Monitor":
        for message, time in messages:
            self.process(message, time)
        return self

    @property
    def timer_at(self) -> datetime | None:
        assert self.step is not None
        return self.step.timer_at

    @property
    def retry_after(self) -> timedelta | None:
        assert self.step is not None
        return self.step.retry_after

    def standing(self) -> set[tuple[CommitmentKey, Rung, datetime]]:
        """The alerts raised and not withdrawn. Each rung is raised, and withdrawn, at most once an occurrence."""
        raised = [one for one in self.published if isinstance(one, AlertRaised)]
        withdrawn = [
            (one.commitment, one.rung, one.occurrence) for one in self.published if isinstance(one, AlertWithdrawn)
        ]
        keys = [(one.commitment, one.rung, one.occurrence) for one in raised]
        assert len(set(keys)) == len(keys), "a rung has fired twice"
        assert len(set(withdrawn)) == len(withdrawn), "a rung was withdrawn twice"
        assert set(withdrawn) <= set(keys), "a rung was withdrawn that had not fired"
        standing = [a for a in raised if (a.commitment, a.rung, a.occurrence) not in withdrawn]
        assert len({(a.commitment, a.rung) for a in standing}) == len(standing), "a rung stands twice"
        return {(a.commitment, a.rung, a.due_at) for a in standing}
