"""Any number of decided cases, made by SQL: all databases of an installation, and the ledgers of the departments.

One case is taken through the real cores; its states and messages become patterns, in which PostgreSQL puts another
number for each of the others. So they are sound by construction, and as large as real ones.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from contracts.codec import encode
from contracts.envelope import Envelope, Message, envelop, follow
from contracts.messages.cases import Applicant, Channel
from contracts.messages.plans import Outcome
from contracts.messages.tasks import TaskDone, TaskRequested
from contracts.registry import topic_of
from services.departments.sdk.core.messages import Decision, Submitted
from services.intake.catalogue.load import load_catalogue
from services.intake.core.catalogue.plans import matter_of, plan_for
from services.intake.core.lifecycle import AcceptCase
from services.load import load
from tests.support.simulated_case import CATALOGUE

CASE_MARK = "9999-9999-9999-9"
NUMBER_MARK = "@@@@@@@"
"""Placeholders in the patterns for the case number and for the number of a department."""

_CASE_OF = """(SELECT i, lpad(i::text, 7, '0') AS n, regexp_replace(upper(left(md5(i::text), 12)), '(....)(....)(....)',
    '\\1-\\2-\\3-0') AS id FROM generate_series($1::int, $2::int) AS i) AS c"""


@dataclass
class ServiceRows:
    """The rows of the one case in the database of a service."""

    name: str
    state: Any = None
    processed_ids: bytes = b""
    version: int = 0
    closed_at: datetime | None = None
    published: list[Envelope[Message]] = field(default_factory=list)

    def receive(self, envelope: Envelope[Message], *, from_kafka: bool = True) -> list[Envelope[Message]]:
        """Process a message as the host would; the messages that follow."""
        step = load(self.name).core(self.state, envelope)
        self.state, self.version = step.state, self.version + 1
        self.closed_at = self.closed_at or (envelope.time if step.closed else None)
        self.processed_ids += envelope.id.bytes if from_kafka else b""
        source = f"/onedoor/{self.name}"
        published = [follow(message, envelope, source, index) for index, message in enumerate(step.out)]
        self.published += published
        return published


def one_case(accepted_at: datetime) -> dict[str, ServiceRows]:
    """A case from its acceptance to its end, an hour later."""
    services = {name: ServiceRows(name) for name in ("intake", "routing", "monitor")}
    catalogue = load_catalogue(CATALOGUE)
    matter = matter_of(catalogue, "three-departments")
    assert matter is not None
    accept = AcceptCase(
        plan=plan_for(catalogue, matter),
        region="450103",
        channel=Channel.WEB,
        applicant=Applicant(kind="person", name="罗洋超", id_number="450103196612031293"),
        materials=("Proof of the applicant's identity (申请人身份证明)",),
        accepted_at=accepted_at,
        fingerprint="f" * 64,
    )
    command = envelop(accept, id=UUID(int=1), source="/onedoor/intake", subject=CASE_MARK, time=accepted_at)
    on_their_way = services["intake"].receive(command, from_kafka=False)
    while on_their_way:
        envelope = on_their_way.pop(0)
        if isinstance(envelope.data, TaskRequested):
            on_their_way += _answered(services, envelope, accepted_at + timedelta(minutes=10 + len(services)))
            continue
        for service in list(services.values()):
            if type(envelope.data) in load(service.name).consumes:
                on_their_way += service.receive(envelope)
    assert all(service.closed_at for service in services.values())
    return services


def _answered(services: dict[str, ServiceRows], request: Envelope[Message], at: datetime) -> list[Envelope[Message]]:
    """The messages of the department's service about this request, once the department has decided."""
    task = request.data
    assert isinstance(task, TaskRequested)
    department = services.setdefault(task.system, ServiceRows(task.system))
    department.receive(request)
    number = f"{task.system}受〔2026〕{NUMBER_MARK}"
    decision = Decision(
        reference=number,
        delivered_at=at,
        outcome=Outcome.APPROVED,
        document=f"证{number}",
        opinion="同意",
        decided_at=at,
    )
    answer = Submitted(task_id=task.task_id, answer=decision)
    cause = UUID(int=100 + len(services))
    envelope = envelop(answer, id=cause, source=f"/onedoor/{task.system}", subject=CASE_MARK, time=at)
    return department.receive(envelope, from_kafka=False)


async def insert_cases(
    connection: "asyncpg.Connection[asyncpg.Record]", service: ServiceRows, first: int, last: int
) -> None:
    """Insert the rows of the cases with these numbers in the database of a service, after its migrations."""
    await connection.execute("ALTER TABLE outbox DROP CONSTRAINT IF EXISTS outbox_pkey")
    for table in ("cases", "outbox"):
        await connection.execute(f"ALTER TABLE {table} SET UNLOGGED")  # test data need not survive a crash
    pattern = service.state.model_dump_json(exclude_defaults=True)
    await connection.execute(
        f"""INSERT INTO cases (case_id, version, state, processed_ids, closed_at)
        SELECT id, $3, replace(replace($4, '{CASE_MARK}', id), '{NUMBER_MARK}', n), $5, $6 FROM {_CASE_OF}""",
        *(first, last, service.version, pattern, service.processed_ids, service.closed_at),
    )
    for message in service.published:
        await connection.execute(
            f"""INSERT INTO outbox (case_id, message_id, topic, event, created_at)
            SELECT id, $3, $4, replace(replace($5, '{CASE_MARK}', id), '{NUMBER_MARK}', n), $6 FROM {_CASE_OF}""",
            *(first, last, message.id, topic_of(message.data), encode(message).decode(), message.time),
        )
    await connection.execute("ALTER TABLE outbox ADD PRIMARY KEY (case_id, message_id)")
    for table in ("cases", "outbox"):
        await connection.execute(f"VACUUM ANALYZE {table}")


async def insert_ledger_entries(
    connection: "asyncpg.Connection[asyncpg.Record]", service: ServiceRows, first: int, last: int
) -> None:
    """Insert the same cases in the ledger of the department, whose table exists."""
    (done,) = (message.data for message in service.published)
    assert isinstance(done, TaskDone)
    await connection.execute(
        f"""INSERT INTO ledger (system, task_id, number, received_at, decide_at, outcome)
        SELECT $3, id || $4, replace($5, '{NUMBER_MARK}', n), $6, $7, $8 FROM {_CASE_OF}""",
        *(first, last, service.name, done.task_id.removeprefix(CASE_MARK), done.reference),
        *(done.delivered_at, done.decided_at, done.outcome.value),
    )
    await connection.execute("VACUUM ANALYZE ledger")
