"""Processor time of the pure part, without engines: folding, writing and reading the messages of a case.

A whole case of the measured catalogue passes through all cores once. Then each core folds the same messages again, and
each message and state is written and read again, often enough to measure it.
"""

import gc
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

from contracts.codec import decode, encode
from contracts.core import Core, Transition
from contracts.envelope import Envelope, Message, envelop, follow
from contracts.messages.cases import Applicant, Channel
from contracts.messages.plans import Outcome
from contracts.registry import REGISTRY, topic_of
from contracts.values import Value
from contracts.working_time.almanac import RegionalRules, almanac
from services.departments.sdk.core import handle as departments
from services.departments.sdk.core.messages import Decision, Submit, Submitted
from services.departments.sdk.core.state import Tasks
from services.intake.catalogue.load import load_catalogue
from services.intake.core import handle as intake
from services.intake.core.catalogue.plans import plan_for
from services.intake.core.lifecycle import AcceptCase
from services.intake.core.state import Case as IntakeCase
from services.monitor.core import handle as monitor
from services.monitor.core.rules import Rules
from services.monitor.core.state import MonitoredCase
from services.monitor.store.rule_store import shipped
from services.routing.core import handle as routing
from services.routing.core.state import RoutedCase
from tests.benchmarks.figures import Figure, figure, table
from tests.support.simulated_case import CATALOGUE

CASE_ID = "K7Q2-9MXF-4TBA-3"
NOW = datetime(2026, 3, 2, 2, 0, 0, 123456, tzinfo=UTC)
ROUNDS = 40
REPEATS = 60
"""The fastest of so many measurements counts: other load can only make it slower."""

CORES: dict[str, tuple[Core[Any], type[Value]]] = {
    "intake": (partial(intake.handle, RegionalRules(almanac())), IntakeCase),
    "routing": (routing.handle, RoutedCase),
    "departments": (departments.handle, Tasks),
    # The first version in a database is what the program ships with.
    "monitor": (partial(monitor.handle, Rules(1, shipped().rule_set)), MonitoredCase),
}


@dataclass(frozen=True, slots=True)
class Fold:
    """One message that a core received, and the step that it returned."""

    role: str
    before: Value | None
    envelope: Envelope[Message]
    step: Transition[Any]


@dataclass(slots=True)
class CaseRun:
    """A case on its way through all cores. Messages are processed in the order of their publication."""

    folds: list[Fold] = field(default_factory=list)
    published: list[Envelope[Message]] = field(default_factory=list)
    _states: dict[str, Value] = field(default_factory=dict)
    _pending: deque[tuple[str, Envelope[Message]]] = field(default_factory=deque)

    def run(self, first: Envelope[Message]) -> None:
        """Give intake the first message, and every core what follows from it, until no message is left."""
        self._pending.append(("intake", first))
        while self._pending:
            self._fold(*self._pending.popleft())

    def _fold(self, place: str, envelope: Envelope[Message]) -> None:
        """``place`` is the key of the state: a role, and for a department its system as well."""
        role, _, system = place.partition(" ")
        before = self._states.get(place)
        step = CORES[role][0](before, envelope)
        self._states[place] = step.state
        self.folds.append(Fold(role, before, envelope, step))
        source = f"/onedoor/{system or role}"
        for index, message in enumerate(step.out):
            self._publish(follow(message, envelope, source, index))
        if isinstance(step.call, Submit) and not step.call_after:
            answer = Submitted(task_id=step.call.task.task_id, answer=_decision(system))
            self._pending.append((place, follow(answer, envelope, source, len(step.out))))

    def _publish(self, envelope: Envelope[Message]) -> None:
        self.published.append(envelope)
        for role in REGISTRY[type(envelope.data)].consumers:
            place = f"{role} {envelope.data.system}" if role == "departments" else role  # type: ignore[attr-defined]
            self._pending.append((place, envelope))


def _decision(system: str) -> Decision:
    return Decision(
        reference=f"{system}-450103-000123",
        delivered_at=NOW,
        outcome=Outcome.APPROVED,
        document=f"{system}-2026-000123",
        decided_at=NOW,
    )


def application() -> Envelope[Message]:
    """The command that the benchmark's case begins with."""
    catalogue = load_catalogue(CATALOGUE)
    command = AcceptCase(
        plan=plan_for(catalogue, catalogue.bundles[0]),
        region="450103",
        channel=Channel.WEB,
        applicant=Applicant(kind="person", name="李华", id_number="450103199001011234"),
        materials=("申请人身份证明 Proof of the applicant's identity",),
        accepted_at=NOW,
        fingerprint="f" * 64,
    )
    return envelop(command, id=UUID(int=1), source="/onedoor/intake", subject=CASE_ID, time=NOW)


def fastest_us(do: Callable[[Any], object], samples: Iterable[Any]) -> float:
    """Microseconds a sample, averaged over all samples, of the fastest repetition."""
    kept = list(samples)
    fastest = float("inf")
    gc.disable()
    try:
        for _ in range(REPEATS):
            began = time.process_time()
            for _ in range(ROUNDS):
                for sample in kept:
                    do(sample)
            fastest = min(fastest, time.process_time() - began)
    finally:
        gc.enable()
    return 1e6 * fastest / ROUNDS / len(kept)


def _core_figures(role: str, folds: Sequence[Fold]) -> list[Figure]:
    core, state = CORES[role]
    states = [one.step.state for one in folds]
    stored = [one.model_dump_json(exclude_defaults=True) for one in states]
    return [
        figure(f"{role}: messages of one case", len(folds), "messages"),
        figure(f"{role}: fold", fastest_us(lambda one: core(one.before, one.envelope), folds), "us a message"),
        figure(
            f"{role}: write the state", fastest_us(lambda one: one.model_dump_json(exclude_defaults=True), states), "us"
        ),
        figure(f"{role}: read the state", fastest_us(state.model_validate_json, stored), "us"),
        figure(f"{role}: size of the last state", len(stored[-1].encode()), "bytes"),
    ]


def _message_figures(published: Sequence[Envelope[Message]]) -> list[Figure]:
    of_type: dict[str, list[Envelope[Message]]] = defaultdict(list)
    for envelope in published:
        of_type[type(envelope.data).__name__].append(envelope)
    figures = []
    for name, envelopes in (*of_type.items(), ("all messages", published)):
        records = [(encode(one), one.subject.encode(), topic_of(one.data)) for one in envelopes]
        figures += [
            figure(f"{name}: envelop", fastest_us(_envelop_again, envelopes), "us a message"),
            figure(f"{name}: encode", fastest_us(encode, envelopes), "us a message"),
            figure(f"{name}: decode", fastest_us(lambda record: decode(*record), records), "us a message"),
            figure(f"{name}: size", sum(len(value) for value, _, _ in records) / len(records), "bytes"),
        ]
    return figures


def _envelop_again(one: Envelope[Message]) -> Envelope[Message]:
    return envelop(one.data, id=one.id, source=one.source, subject=one.subject, time=one.time, cause=one.causationid)


def measure() -> list[Figure]:
    """Fold, write and read one whole case."""
    case = CaseRun()
    case.run(application())
    of_role: dict[str, list[Fold]] = defaultdict(list)
    for one in case.folds:
        of_role[one.role].append(one)
    figures = [line for role in CORES for line in _core_figures(role, of_role[role])]
    return figures + _message_figures(case.published)


if __name__ == "__main__":
    print(table(measure()))
