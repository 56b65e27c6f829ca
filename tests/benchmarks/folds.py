"""Processor time of the pure part, without engines: folding, writing and reading the messages of a case.

A whole case of the measured catalogue passes through all cores once. Then each core folds the same messages again, and
each message and state is written and read again, often enough to measure it.
"""

import gc
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from contracts.codec import decode, encode
from contracts.envelope import Envelope, Message, envelop
from contracts.registry import topic_of
from services.load import load
from tests.benchmarks.figures import Figure, figure
from tests.support.cases.simulated_case import SYSTEMS, SimulatedCase, core_of, simulate, three_departments_plan

ROUNDS = 40
REPEATS = 60
"""The fastest of so many measurements counts: other load can only make it slower."""

ROLES = ("intake", "routing", "departments", "monitor")


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


def _core_figures(role: str, case: SimulatedCase) -> list[Figure]:
    names = [name for name in case.stored if name in SYSTEMS] if role == "departments" else [role]
    core, state = core_of(names[0]), load(names[0]).state
    folds = [one for name in names for one in case.stored[name]]
    states = [one.transition.state for one in folds]
    stored = [one.state for one in folds]
    return [
        figure(f"{role}: messages of one case", len(folds), "messages"),
        figure(f"{role}: fold", fastest_us(lambda one: core(one.before, one.received), folds), "us a message"),
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
    case = simulate(three_departments_plan(), answered=True)
    figures = [line for role in ROLES for line in _core_figures(role, case)]
    return figures + _message_figures(case.published)
