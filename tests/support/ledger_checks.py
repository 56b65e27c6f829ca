"""Checks a run from the databases alone: every case decided once, every task under one number, nothing left over.

It shares no code with the services but the list of them. It reads their tables and the JSON in them as any auditor
could, and compares their messages with the ledgers of the sandboxes. `faults` names everything that is wrong; of a
`Content` that has been read before, `Content.faults` does.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from services.departments.sandbox.behaviour import Mistake
from services.departments.sdk.core.messages import CLOCK_TOLERANCE
from services.registry import CORE_SERVICES, default_systems

SYSTEMS = default_systems()
SERVICES = (*CORE_SERVICES, *SYSTEMS)
DATABASES = (*(f"onedoor_{name}" for name in SERVICES), *(f"sandbox_{name}" for name in SYSTEMS))

WHOLE_SECONDS = timedelta(seconds=1)
"""The files of land have whole seconds, so their times may be so much earlier than those in the ledger."""

Tables = Mapping[str, "asyncpg.Connection[asyncpg.Record]"]
"""A connection to each database, by its name."""

Json = dict[str, Any]


@asynccontextmanager
async def opened(url: Callable[[str], str]) -> AsyncIterator[Tables]:
    """Connections to all databases of an installation; ``url`` gives the address of each."""
    async with AsyncExitStack() as stack:
        tables = {}
        for name in DATABASES:
            tables[name] = await asyncpg.connect(url(name).replace("+asyncpg", ""))
            stack.push_async_callback(tables[name].close)
        yield tables


_VERSION = re.compile(r"\.v[0-9]+$")


async def faults(tables: Tables, numbers: Collection[str]) -> list[str]:
    """Everything wrong with an installation in which exactly these cases were accepted and all must be finished."""
    return (await read(tables)).faults(numbers)


async def read(tables: Tables) -> "Content":
    """The content of all databases."""
    return await Content({}, {}, [], set()).updated(tables)


@dataclass(frozen=True, slots=True)
class _Service:
    """The content of one service's database."""

    states: list[tuple[str, Json]]
    published: Mapping[str, list[tuple[str, Json]]]
    """Case and content of the messages in the outbox, by their type without prefix and version."""
    unfinished: list[str]
    unpublished: int
    parked: list[asyncpg.Record]

    @classmethod
    async def read(cls, database: "asyncpg.Connection[asyncpg.Record]") -> "_Service":
        published = defaultdict(list)
        for row in await database.fetch("SELECT case_id, event FROM outbox"):
            event = json.loads(row["event"])
            published[_VERSION.sub("", event["type"].removeprefix("onedoor."))].append((row["case_id"], event["data"]))
        states = await database.fetch("SELECT case_id, state FROM cases ORDER BY case_id")
        timers = "coalesce(timer_at, retry_at, call_due_at)"
        # A doubtful time is reported again until a supervisor settles it, also of a closed case.
        timed = f"{timers} IS NOT NULL AND state NOT LIKE '%\"doubtful\"%'"
        open_ones = f"SELECT case_id FROM cases WHERE closed_at IS NULL OR {timed}"
        return cls(
            states=[(row["case_id"], json.loads(row["state"])) for row in states],
            published=published,
            unfinished=[row["case_id"] for row in await database.fetch(open_ones)],
            unpublished=await database.fetchval("SELECT count(*) FROM unpublished"),
            parked=await database.fetch("SELECT case_id, topic, reason FROM dead_letters WHERE status = 'parked'"),
        )

    def different(self, kind: str) -> dict[str, list[Json]]:
        """The different contents of published messages of this type, by case. Repetitions count once."""
        by_case: dict[str, list[Json]] = defaultdict(list)
        for case_id, content in self.published.get(kind, ()):
            if content not in by_case[case_id]:
                by_case[case_id].append(content)
        return by_case

    def left_over(self) -> Iterator[str]:
        if self.unfinished:
            yield f"{len(self.unfinished)} cases are unfinished, such as {self.unfinished[0]}"
        if self.unpublished:
            yield f"{self.unpublished} messages are unpublished"
        for dead_letter in self.parked:
            of_case = f"of case {dead_letter['case_id']!r} from {dead_letter['topic']}"
            yield f"parked dead letter {of_case}: {dead_letter['reason']}"


@dataclass(frozen=True, slots=True)
class Content:
    """The content of all databases of an installation."""

    services: Mapping[str, _Service]
    ledgers: Mapping[str, list[asyncpg.Record]]
    alerts: list[tuple[str, str, str]]
    doubtful: Collection[str]
    """The tasks with a time that supervisors see as doubtful."""

    async def updated(self, tables: Tables) -> "Content":
        """This content with that of some databases read anew."""
        alerts, doubtful = self.alerts, self.doubtful
        if monitor := tables.get("onedoor_monitor"):
            alerts = [tuple(row) for row in await monitor.fetch("SELECT case_id, commitment, rung FROM alerts")]
            rows = await monitor.fetch("SELECT case_id, step FROM doubtful_times")
            doubtful = {f"{row['case_id']}/{row['step']}" for row in rows}
        services = {name: await _Service.read(tables[of]) for name in SERVICES if (of := f"onedoor_{name}") in tables}
        ledgers = {
            name: await tables[of].fetch("SELECT * FROM ledger")
            for name in SYSTEMS
            if (of := f"sandbox_{name}") in tables
        }
        return Content({**self.services, **services}, {**self.ledgers, **ledgers}, alerts, doubtful)

    def faults(self, numbers: Collection[str]) -> list[str]:
        """Everything wrong with it, if exactly these cases were accepted and all must be finished."""
        return [
            *_cases(self.services, numbers),
            *_tasks(self.services, self.ledgers, self.doubtful),
            *_doubtful_times(self.ledgers, self.doubtful),
            *_commitments(self.services["monitor"]),
            *_alerts(self.services["monitor"], self.alerts),
            *(f"{name}: {left}" for name, service in self.services.items() for left in service.left_over()),
        ]


def _cases(services: Mapping[str, _Service], numbers: Collection[str]) -> Iterator[str]:
    """Every case is accepted once, known everywhere, and decided once, with the same result at intake and routing."""
    intake = dict(services["intake"].states)
    accepted, decided = services["intake"].different("case.accepted"), services["routing"].different("case.decided")
    for name in ("intake", "routing", "monitor"):
        yield from _compared(f"cases of {name}", Counter(case_id for case_id, _ in services[name].states), numbers)
    for number in numbers:
        if (times := len(accepted[number])) != 1:
            yield f"{number}: accepted {times} times"
        if (times := len(decided[number])) != 1:
            yield f"{number}: decided {times} times"
            continue
        (decision,) = decided[number]
        shown = intake.get(number, {})
        if shown.get("decision") != {name: decision[name] for name in ("decided_at", "outcome")}:
            yield f"{number}: intake shows {shown.get('decision')}, routing decided {decision['outcome']}"
        if _answers(shown.get("steps", [])) != _answers(decision["steps"]):
            yield f"{number}: intake shows other steps than routing decided"


def _answers(steps: list[Json]) -> list[tuple[Any, ...]]:
    names = ("step", "state", "outcome", "document", "decided_at", "arrived_at")
    return [tuple(step.get(name) for name in names) for step in steps]


def _tasks(
    services: Mapping[str, _Service], ledgers: Mapping[str, list[asyncpg.Record]], doubtful: Collection[str]
) -> Iterator[str]:
    """Every requested task stands once in the ledger of its department, with the outcome that the case has."""
    requests = [content for _, content in services["routing"].published["task.requested"]]
    decided = {
        f"{case_id}/{step['step']}": step
        for case_id, contents in services["routing"].different("case.decided").items()
        for step in contents[0]["steps"]
        if step["state"] == "done"
    }
    yield from _compared("steps decided", Counter(list(decided)), {request["task_id"] for request in requests})
    for system, entries in ledgers.items():
        requested = {request["task_id"] for request in requests if request["system"] == system}
        yield from _compared(f"the ledger of {system}", Counter(entry["task_id"] for entry in entries), requested)
        numbers = Counter(entry["number"] for entry in entries)
        yield from (f"the ledger of {system}: number {number} given twice" for number in numbers if numbers[number] > 1)
        reported = defaultdict(set)
        for _, content in services[system].published.get("task.done", ()):
            reported[content["task_id"]].add(content["reference"])
        for entry in entries:
            task_id = entry["task_id"]
            if reported[task_id] != {entry["number"]}:
                yield f"{task_id}: {entry['number']} in the ledger, reported as {sorted(reported[task_id])}"
            if task_id in decided:
                yield from _contradictions(task_id, entry, decided[task_id], doubtful=task_id in doubtful)


def _contradictions(task_id: str, entry: asyncpg.Record, step: Json, *, doubtful: bool) -> Iterator[str]:
    if step["outcome"] != entry["outcome"]:
        yield f"{task_id}: {entry['outcome']} in the ledger, {step['outcome']} in the case"
    certificate = f"证{entry['number']}" if entry["outcome"] == "approved" else None
    if step.get("document") != certificate:
        yield f"{task_id}: {certificate} in the ledger, {step.get('document')} in the case"
    decided_at = datetime.fromisoformat(step["decided_at"])
    # A clock that lags a little behind the request counts as the moment of the request, or of the arrival before it.
    lags = decided_at <= datetime.fromisoformat(step["requested_at"])
    lags = lags and decided_at - entry["decide_at"] < CLOCK_TOLERANCE
    if not doubtful and not lags and not timedelta() <= entry["decide_at"] - decided_at < WHOLE_SECONDS:
        yield f"{task_id}: decided at {entry['decide_at']} in the ledger, at {step['decided_at']} in the case"


def _doubtful_times(ledgers: Mapping[str, list[asyncpg.Record]], listed: Collection[str]) -> Iterator[str]:
    """Supervisors see every time of a wrong clock."""
    for entry in (entry for of_system in ledgers.values() for entry in of_system):
        if entry["mistake"] == Mistake.WRONG_CLOCK and entry["task_id"] not in listed:
            yield f"{entry['task_id']}: its times are impossible, and no supervisor was notified"


def _commitments(monitor: _Service) -> Iterator[str]:
    """Every commitment that began has ended."""
    for number, state in monitor.states:
        commitments = {one["key"]: one for one in state.get("commitments", ())}
        if "ended_at" not in commitments.get("case", {}):
            yield f"{number}: the case's commitment is open"
        for key, one in commitments.items():
            if "opened_at" in one and "ended_at" not in one:
                yield f"{number}: commitment {key} is open"


def _alerts(monitor: _Service, listed: list[tuple[str, str, str]]) -> Iterator[str]:
    """Each rung is published once and listed once, and monitor's state of the case has the same rungs."""
    published = Counter(
        (case_id, alert["commitment"], alert["rung"]) for case_id, alert in monitor.published.get("alert.raised", ())
    )
    in_state = {
        (number, one["key"], raised["rung"])
        for number, state in monitor.states
        for one in state.get("commitments", ())
        for raised in one.get("raised", ())
    }
    yield from _compared("alerts published", published, in_state)
    yield from _compared("alerts listed", Counter(listed), in_state)


def _compared(what: str, found: Mapping[Any, int], expected: Collection[Any]) -> Iterator[str]:
    """Each expected item must occur once, and no other."""
    for one in sorted({*found, *expected}):
        if one not in expected:
            yield f"{what}: {one} is unexpected"
        elif (times := found.get(one, 0)) != 1:
            yield f"{what}: {one} occurs {times} times"
