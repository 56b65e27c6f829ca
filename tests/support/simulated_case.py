"""One case, taken through all cores in memory: what each service receives, publishes and keeps of it."""

from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

from contracts.core import Core, Transition
from contracts.envelope import Envelope, Message, derive_id, envelop, follow
from contracts.messages.cases import Applicant, Channel
from contracts.messages.plans import Limit, Limits, Outcome, Plan
from contracts.registry import REGISTRY, topic_of, topics_for
from contracts.values import Value
from services.departments.sdk.core.messages import Answer, Decision, Receipt, Submit, Submitted
from services.intake.catalogue.load import load_catalogue
from services.intake.core.catalogue.plans import matter_of, plan_for
from services.intake.core.lifecycle import AcceptCase
from services.load import load
from services.registry import CORE_SERVICES, default_systems

SYSTEMS = default_systems()

CATALOGUE = Path(__file__).with_name("three_departments.yaml")
"""The catalogue of the measured case: three departments, asked at once."""


CASE_ID = "K7Q2-9MXF-4TBA-3"
"""The number of the case. Copies of the case replace it."""


APPLICANT = Applicant(kind="person", name="王芳", id_number="450103199003070028")


ACCEPTED_AT = datetime(2026, 3, 2, 1, 30, 0, 123456, tzinfo=UTC)
"""A Monday morning in Nanning."""


@dataclass(frozen=True, slots=True)
class StoredCase:
    """The row of the case at one service after one message, and the step of its core."""

    state: str
    version: int
    step: Transition[Any]
    received: Envelope[Message]


@dataclass(slots=True)
class SimulatedCase:
    """A case at all services, message by message."""

    stored: dict[str, list[StoredCase]] = field(default_factory=dict)
    published: dict[str, list[Envelope[Message]]] = field(default_factory=dict)

    def first(self, name: str) -> StoredCase:
        """The row of this service after the first message."""
        return self.stored[name][0]

    def last(self, name: str) -> StoredCase:
        """The row of this service in the end."""
        return self.stored[name][-1]

    def received(self, name: str) -> list[Envelope[Message]]:
        """The messages that this service received from others."""
        return [one.received for one in self.stored[name] if type(one.received.data) in REGISTRY]


@cache
def _core(name: str) -> Core[Any]:
    """The core under the first version of its rules, which the program ships."""
    service = load(name)
    if service.rules is None or service.rules.core_for is None or service.rules.shipped is None:
        return service.core
    return service.rules.core_for(1, service.rules.shipped())


@dataclass(slots=True)
class _Simulation:
    answered: bool
    case: SimulatedCase = field(default_factory=SimulatedCase)
    states: dict[str, Value] = field(default_factory=dict)
    pending: deque[tuple[str, Envelope[Message]]] = field(default_factory=deque)

    def receive(self, name: str, envelope: Envelope[Message]) -> None:
        step = _core(name)(self.states.get(name), envelope)
        self.states[name] = step.state
        kept = self.case.stored.setdefault(name, [])
        state = step.state.model_dump_json(exclude_defaults=True)
        kept.append(StoredCase(state, len(kept) + 1, step, envelope))
        source = f"/onedoor/{name}"
        for index, message in enumerate(step.out):
            own = follow(message, envelope, source, index)
            self.case.published.setdefault(name, []).append(own)
            self.pending.extend((hearer, own) for hearer in consumers(message))
        if isinstance(step.call, Submit) and len(kept) == 1:
            answer = Submitted(task_id=step.call.task.task_id, answer=_answer(name, answered=self.answered))
            answered = envelop(
                answer, id=derive_id(envelope.id, "department", 0), source=source, subject=CASE_ID, time=envelope.time
            )
            self.pending.append((name, answered))


def consumers(message: Message) -> list[str]:
    """The services that consume this message."""
    return [
        name
        for name in (*CORE_SERVICES, *SYSTEMS)
        if type(message) in load(name).consumes
        and topic_of(message) in topics_for([type(message)], (name,) if name in SYSTEMS else SYSTEMS)
    ]


def _answer(system: str, *, answered: bool) -> Answer:
    reference = f"{system}〔2026〕000001"
    if not answered:
        return Receipt(reference=reference, delivered_at=ACCEPTED_AT)
    return Decision(
        reference=reference,
        delivered_at=ACCEPTED_AT,
        outcome=Outcome.APPROVED,
        document=f"证{reference}",
        opinion="同意",
        decided_at=ACCEPTED_AT,
    )


def three_departments_plan() -> Plan:
    """The plan of the case that is measured: three departments, four commitments."""
    catalogue = load_catalogue(CATALOGUE)
    matter = matter_of(catalogue, "three-departments")
    if matter is None:
        raise LookupError("the measured catalogue has no such bundle")
    return plan_for(catalogue, matter)


def one_commitment_plan() -> Plan:
    """The same plan with one commitment, that of the case; its steps have no limits."""
    plan = three_departments_plan()
    limits = Limits(committed=Limit(working_days=5), statutory=Limit(working_days=20))
    return plan.model_copy(
        update={"limits": limits, "steps": tuple(step.model_copy(update={"limits": None}) for step in plan.steps)}
    )


def simulate(plan: Plan, *, answered: bool) -> SimulatedCase:
    """A case with this plan: decided and closed in the end, or else delivered to all departments and open."""
    play = _Simulation(answered)
    accept = AcceptCase(
        plan=plan,
        region="450103",
        channel=Channel.WEB,
        applicant=APPLICANT,
        materials=("identity",),
        accepted_at=ACCEPTED_AT,
        fingerprint="f" * 64,
    )
    first = envelop(accept, id=UUID(int=1), source="/onedoor/intake", subject=CASE_ID, time=ACCEPTED_AT)
    play.pending.append(("intake", first))
    while play.pending:
        play.receive(*play.pending.popleft())
    return play.case
