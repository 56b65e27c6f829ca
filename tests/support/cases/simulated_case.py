"""One case, taken through all cores in memory: what each service receives, publishes and stores of it."""

import json
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

from contracts.core import Core, Transition
from contracts.envelope import Envelope, Message, envelop, follow
from contracts.messages.cases import Applicant, Channel
from contracts.messages.plans import Outcome, Plan
from contracts.registry import REGISTRY, topic_of, topics_for
from contracts.values import Value
from onedoor.applicants import person
from services.departments.sdk.core.messages import Answer, Decision, Receipt, Submit, Submitted
from services.intake.catalogue.load import load_catalogue
from services.intake.core.catalogue.offers import Offers
from services.intake.core.lifecycle import AcceptCase
from services.load import load
from services.registry import CORE_SERVICES, default_systems
from tests.support.messages import CASE_ID, limits

SYSTEMS = default_systems()

CATALOGUE = Path(__file__).with_name("three_departments.yaml")
"""The catalogue of the measured case: three departments, requested at once."""

BUNDLE = "three-departments"
REGION = "450103"

NUMBER = "-000123"
"""The end of the numbers that each department gives to the case and to its document."""

ACCEPTED_AT = datetime(2026, 3, 2, 1, 30, 0, 123456, tzinfo=UTC)
"""A Monday morning in Nanning."""


@dataclass(frozen=True, slots=True)
class StoredCase:
    """The row of the case at one service after one message, and the transition of its core."""

    before: Value | None
    received: Envelope[Message]
    transition: Transition[Any]
    version: int
    processed_ids: bytes
    """The ids of the messages that came from Kafka."""

    @property
    def state(self) -> str:
        """The state as the runtime writes it."""
        state: Value = self.transition.state
        return state.model_dump_json(exclude_defaults=True)


@dataclass(slots=True)
class SimulatedCase:
    """A case at all services, message by message."""

    stored: dict[str, list[StoredCase]] = field(default_factory=dict)
    published: list[Envelope[Message]] = field(default_factory=list)

    def first(self, name: str) -> StoredCase:
        """The row of this service after the first message."""
        return self.stored[name][0]

    def last(self, name: str) -> StoredCase:
        """The row of this service in the end."""
        return self.stored[name][-1]

    def received(self, name: str) -> list[Envelope[Message]]:
        """The messages that this service received from others."""
        return [one.received for one in self.stored[name] if type(one.received.data) in REGISTRY]

    def published_by(self, name: str) -> list[Envelope[Message]]:
        """The messages that this service published."""
        return [envelope for envelope in self.published if envelope.source == _source(name)]

    def closed_at(self, name: str) -> datetime | None:
        """When this service closed the case."""
        return next((one.received.time for one in self.stored[name] if one.transition.closed), None)


@cache
def core_of(name: str, rules_version: int = 1) -> Core[Any]:
    """The core of a service under this version of its rules. The first is the one that the program ships."""
    service = load(name)
    if not rules_version or service.rules is None or service.rules.core_for is None or service.rules.shipped is None:
        return service.core
    return service.rules.core_for(rules_version, service.rules.shipped())


def consumers(message: Message) -> list[str]:
    """The services that consume this message."""
    return [
        name
        for name in (*CORE_SERVICES, *SYSTEMS)
        if type(message) in load(name).consumes
        and topic_of(message) in topics_for([type(message)], (name,) if name in SYSTEMS else SYSTEMS)
    ]


def application(random: Random) -> bytes:
    """The body of an application for the measured case, by a random applicant."""
    content = {
        "bundle": BUNDLE,
        "region": REGION,
        "channel": "web",
        "applicant": person(random, REGION),
        "materials": ["identity"],
    }
    return json.dumps(content).encode()


def three_departments_plan() -> Plan:
    """The plan of the case that is measured: three departments, four commitments."""
    offer = Offers(load_catalogue(CATALOGUE), SYSTEMS).bundle(BUNDLE)
    assert offer is not None
    return offer.plan


def one_commitment_plan() -> Plan:
    """The same plan with one commitment, that of the case; its steps have no limits."""
    plan = three_departments_plan()
    steps = tuple(step.model_copy(update={"limits": None}) for step in plan.steps)
    return plan.model_copy(update={"limits": limits(5, 20), "steps": steps})


def simulate(
    plan: Plan,
    *,
    answered: bool,
    accepted_at: datetime = ACCEPTED_AT,
    answer_after: timedelta = timedelta(),
    late_by: timedelta = timedelta(),
    rules_version: int = 1,
) -> SimulatedCase:
    """A case with this plan: decided and closed in the end, or else delivered to all departments and open.

    Messages are processed in the order of their publication. The departments decide ``answer_after`` the request, and
    report it ``late_by`` later.
    """
    case = SimulatedCase()
    states: dict[str, Value] = {}
    accept = AcceptCase(
        plan=plan,
        region=REGION,
        channel=Channel.WEB,
        applicant=Applicant(kind="person", name="李华", id_number="450103199001011234"),
        materials=("申请人身份证明 Proof of the applicant's identity",),
        accepted_at=accepted_at,
        fingerprint="f" * 64,
    )
    command = envelop(accept, id=UUID(int=1), source=_source("intake"), subject=CASE_ID, time=accepted_at)
    pending: deque[tuple[str, Envelope[Message]]] = deque([("intake", command)])
    while pending:
        name, envelope = pending.popleft()
        before = states.get(name)
        transition = core_of(name, rules_version)(before, envelope)
        states[name] = transition.state
        stored = case.stored.setdefault(name, [])
        processed_ids = stored[-1].processed_ids if stored else b""
        if type(envelope.data) in REGISTRY:
            processed_ids += envelope.id.bytes
        stored.append(StoredCase(before, envelope, transition, len(stored) + 1, processed_ids))
        for index, message in enumerate(transition.out):
            published = follow(message, envelope, _source(name), index)
            case.published.append(published)
            pending.extend((consumer, published) for consumer in consumers(message))
        if isinstance(transition.call, Submit) and not transition.call_after:
            at = envelope.time + answer_after
            answer = Submitted(task_id=transition.call.task.task_id, answer=_answer(name, at, answered=answered))
            reply = follow(answer, envelope, _source(name), len(transition.out))
            pending.append((name, reply.replace(time=at + late_by)))
    return case


def _source(name: str) -> str:
    return f"/onedoor/{name}"


def _answer(system: str, at: datetime, *, answered: bool) -> Answer:
    reference = f"{system}-{REGION}{NUMBER}"
    if not answered:
        return Receipt(reference=reference, delivered_at=at)
    return Decision(
        reference=reference,
        delivered_at=at,
        outcome=Outcome.APPROVED,
        document=f"{system}-2026{NUMBER}",
        decided_at=at,
    )
