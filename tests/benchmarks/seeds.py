"""Cases by the million: one is played through all cores in memory, and the tables are filled with copies of it.

So what stands in the tables is what the services themselves would have written, but for the numbers and the ids.
"""

from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

import asyncpg

from contracts.codec import encode
from contracts.core import Core, Step
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
from services.monitor.core.state import MonitoredCase
from services.registry import CORE_SERVICES, default_systems
from tests.benchmarks.stage import CATALOGUE

SYSTEMS = default_systems()

CASE_ID = "K7Q2-9MXF-4TBA-3"
"""Stands for the number of each copy."""

APPLICANT = Applicant(kind="person", name="王芳", id_number="450103199003070028")
ACCEPTED_AT = datetime(2026, 3, 2, 1, 30, 0, 123456, tzinfo=UTC)
"""A Monday morning in Nanning."""

SCATTER = 379_362_610_509
"""Odd, so that no two copies have one number."""

FAR = "now() + interval '40 days'"
"""When the copies' open questions are due: not while something is being measured."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What a service keeps of the case after one message, and the step that it took."""

    state: str
    version: int
    step: Step[Any]
    heard: Envelope[Message]


@dataclass(slots=True)
class Life:
    """A case in all services, one message after another."""

    kept: dict[str, list[Kept]] = field(default_factory=dict)
    said: dict[str, list[Envelope[Message]]] = field(default_factory=dict)

    def first(self, name: str) -> Kept:
        """What this service keeps after the first message."""
        return self.kept[name][0]

    def last(self, name: str) -> Kept:
        """What it keeps in the end."""
        return self.kept[name][-1]

    def heard(self, name: str) -> list[Envelope[Message]]:
        """What it has heard from others."""
        return [one.heard for one in self.kept[name] if type(one.heard.data) in REGISTRY]


@cache
def _core(name: str) -> Core[Any]:
    """By the first version of its rules, which is what the program ships with."""
    service = load(name)
    if service.rules is None or service.rules.core_for is None or service.rules.shipped is None:
        return service.core
    return service.rules.core_for(1, service.rules.shipped())


@dataclass(slots=True)
class _Play:
    answered: bool
    life: Life = field(default_factory=Life)
    states: dict[str, Value] = field(default_factory=dict)
    waiting: deque[tuple[str, Envelope[Message]]] = field(default_factory=deque)

    def hear(self, name: str, envelope: Envelope[Message]) -> None:
        step = _core(name)(self.states.get(name), envelope)
        self.states[name] = step.state
        kept = self.life.kept.setdefault(name, [])
        state = step.state.model_dump_json(exclude_defaults=True)
        kept.append(Kept(state, len(kept) + 1, step, envelope))
        source = f"/onedoor/{name}"
        for index, message in enumerate(step.out):
            own = follow(message, envelope, source, index)
            self.life.said.setdefault(name, []).append(own)
            self.waiting.extend((hearer, own) for hearer in hearers(message))
        if isinstance(step.call, Submit) and len(kept) == 1:
            answer = Submitted(task_id=step.call.task.task_id, answer=_answer(name, answered=self.answered))
            told = envelop(
                answer, id=derive_id(envelope.id, "office", 0), source=source, subject=CASE_ID, time=envelope.time
            )
            self.waiting.append((name, told))


def hearers(message: Message) -> list[str]:
    """The services that hear this message."""
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


def measured_plan() -> Plan:
    """The plan of the case that is measured: three departments, four commitments."""
    catalogue = load_catalogue(CATALOGUE)
    matter = matter_of(catalogue, "three-departments")
    if matter is None:
        raise LookupError("the benchmark's catalogue has lost its bundle")
    return plan_for(catalogue, matter)


def single_plan() -> Plan:
    """The same with one commitment, the case's own, and steps without limits."""
    plan = measured_plan()
    limits = Limits(committed=Limit(working_days=5), statutory=Limit(working_days=20))
    return plan.model_copy(
        update={"limits": limits, "steps": tuple(step.model_copy(update={"limits": None}) for step in plan.steps)}
    )


def played(plan: Plan, *, answered: bool) -> Life:
    """The life of a case with this plan: decided and closed in the end, or else taken by all departments."""
    play = _Play(answered)
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
    play.waiting.append(("intake", first))
    while play.waiting:
        play.hear(*play.waiting.popleft())
    return play.life


def number_of(n: int) -> str:
    """The case number of the copy ``n``, as `case_number` gives it."""
    scattered = f"{(n * SCATTER) & (2**48 - 1):012X}"
    return f"{scattered[:4]}-{scattered[4:8]}-{scattered[8:]}-0"


def case_number(n: str = "n") -> str:
    """An SQL expression that gives the well-formed case number of a copy: as scattered as real ones, never the same."""
    scattered = f"upper(lpad(to_hex(({n}::bigint * {SCATTER}) & 281474976710655), 12, '0'))"
    return f"regexp_replace({scattered}, '^(.{{4}})(.{{4}})(.{{4}})$', '\\1-\\2-\\3-0')"


@asynccontextmanager
async def without_indexes(connection: "asyncpg.Connection[Any]", table: str) -> AsyncIterator[None]:
    """Drop a table's indexes and its key, and make them anew afterwards: much quicker than to keep them up."""
    key = await connection.fetchrow(
        "SELECT conname, pg_get_constraintdef(oid) AS is FROM pg_constraint"
        " WHERE conrelid = $1::regclass AND contype = 'p'",
        table,
    )
    indexes = await connection.fetch(
        "SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS is FROM pg_index"
        " WHERE indrelid = $1::regclass AND NOT indisprimary",
        table,
    )
    for index in indexes:
        await connection.execute(f"DROP INDEX {index['name']}")
    if key is not None:
        await connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {key['conname']}")
    yield
    await connection.execute("SET maintenance_work_mem = '512MB'")
    if key is not None:
        await connection.execute(f"ALTER TABLE {table} ADD CONSTRAINT {key['conname']} {key['is']}")
    for index in indexes:
        await connection.execute(str(index["is"]))


def first_rungs(kept: Kept) -> tuple[datetime, datetime]:
    """When the warning and the yellow card of the first commitment that monitor keeps fall due."""
    due = MonitoredCase.model_validate_json(kept.state).commitments[0].due
    if due is None or due.warning is None or due.yellow is None:
        raise AssertionError("an accepted case has its deadlines")
    return due.warning, due.yellow


async def fill_cases(
    connection: "asyncpg.Connection[Any]", kept: Kept, count: int, *, first: int = 0, timer_at: str | None = None
) -> None:
    """Fill ``cases`` with copies.

    ``timer_at`` is an SQL expression over ``n``; without it, copies that want an alarm have one far ahead.
    """
    step = kept.step
    columns = {
        "case_id": "id",
        "version": str(kept.version),
        "state": "replace($1, $2, id)",
        "processed_ids": f"decode(repeat(md5(id), {kept.version}), 'hex')",
        "timer_at": timer_at or (FAR if step.timer_at is not None else "NULL"),
        "retry_at": FAR if step.retry_after is not None else "NULL",
        "call_due_at": FAR if step.call is not None else "NULL",
        "closed_at": "now()" if step.closed else "NULL",
    }
    statement = (
        f"INSERT INTO cases ({', '.join(columns)}) SELECT {', '.join(columns.values())}"
        f" FROM (SELECT n, {case_number()} AS id FROM generate_series({first}, {first + count - 1}) AS n) AS numbers"
    )
    await connection.execute("SET synchronous_commit = off")
    async with without_indexes(connection, "cases"):
        await connection.execute(statement, kept.state, CASE_ID, timeout=1200)


async def fill_outbox(
    connection: "asyncpg.Connection[Any]", said: Sequence[Envelope[Message]], count: int, *, first: int = 0
) -> None:
    """Fill the ledger with copies of what the service said of the case."""
    async with without_indexes(connection, "outbox"):
        for index, envelope in enumerate(said):
            await connection.execute(
                "INSERT INTO outbox (case_id, message_id, topic, event)"
                f" SELECT id, md5(id || '{index}')::uuid, $1, replace($2, $3, id)"
                f" FROM (SELECT {case_number()} AS id FROM generate_series({first}, {first + count - 1}) n) AS copies",
                topic_of(envelope.data),
                encode(envelope).decode(),
                CASE_ID,
                timeout=1200,
            )


async def settle(connection: "asyncpg.Connection[Any]") -> None:
    """Leave nothing to be done in the background because of what was filled in: neither to disk nor to statistics."""
    await connection.execute("VACUUM ANALYZE", timeout=1200)
    await connection.execute("CHECKPOINT", timeout=1200)
