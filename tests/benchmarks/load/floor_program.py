"""The floor program: the messages and rows of the measured case with bare aiokafka and asyncpg, and nothing else.

It has no checks, no HTTP, no core and no decoding: it copies bytes and inserts the case number. It is one process
with batches of up to 500 records. The difference to the platform is the cost of everything else that the platform does.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from services.registry import default_systems

BATCH = 500
SYSTEMS = default_systems()
BYTES = {
    "case.accepted": 1750,
    "task.requested": 900,
    "task.done": 620,
    "case.decided": 1100,
    "commitments.opened": 1000,
}
"""Length of an event of each kind, as the platform writes them."""

STATES = {"intake": 3000, "routing": 2300, "monitor": 1100, **dict.fromkeys(SYSTEMS, 1100)}
"""Length of a case's state in each service, as the platform writes it."""

Out = tuple[str, str, bytes]
"""Case, topic, event."""

_LOAD = "SELECT case_id, version, state, processed_ids FROM cases WHERE case_id = ANY($1) ORDER BY case_id FOR UPDATE"
_SAVE = """
    INSERT INTO cases (case_id, version, state, processed_ids)
    SELECT case_id, 1, state, ''::bytea FROM unnest($1::text[], $2::text[]) AS t (case_id, state)
    ON CONFLICT (case_id) DO UPDATE SET version = cases.version + 1, state = excluded.state
"""
_PUBLISH = """
    WITH published AS (
        INSERT INTO outbox (case_id, message_id, topic, event)
        SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[])
    ) INSERT INTO unpublished (batch_id, case_ids, message_ids) VALUES ($5, $1, $2)
"""
_MARK_PUBLISHED = "DELETE FROM unpublished WHERE batch_id = ANY($1)"


def event(kind: str, case_id: str) -> bytes:
    """An event of the usual length."""
    head = b'{"id":"%b","subject":"%b","data":"' % (str(uuid4()).encode(), case_id.encode())
    return head + b"x" * (BYTES[kind] - len(head) - 2) + b'"}'


class ServiceProgram:
    """One service: reads its topics, writes a state a case, publishes what follows."""

    def __init__(self, name: str, database: asyncpg.Connection, producer: AIOKafkaProducer, prefix: str) -> None:
        self.name = name
        self._database = database
        self._producer = producer
        self._prefix = prefix
        self._state = "s" * STATES[name]
        self._published: list[UUID] = []

    async def commit(self, cases: Sequence[str], out: Sequence[Out]) -> None:
        """The rows and messages of one batch."""
        ids = sorted(set(cases))
        async with self._database.transaction():
            await self._database.fetch(_LOAD, ids)
            await self._database.execute(_SAVE, ids, [self._state] * len(ids))
            batch = uuid4()
            if out:
                names, messages = [case_id for case_id, _, _ in out], [uuid4() for _ in out]
                events = [value.decode() for _, _, value in out]
                await self._database.execute(_PUBLISH, names, messages, [topic for _, topic, _ in out], events, batch)
            if self._published:
                published, self._published = self._published, []
                await self._database.execute(_MARK_PUBLISHED, published)
        futures = [
            await self._producer.send(self._prefix + topic, value, key=case_id.encode())
            for case_id, topic, value in out
        ]
        if futures:
            await asyncio.gather(*futures)
            self._published.append(batch)

    async def consume(self, bootstrap: str, topics: Sequence[str], follow: Callable[[str, str], list[Out]]) -> None:
        """Consume until cancelled. ``follow`` returns the messages that follow from a record."""
        consumer = AIOKafkaConsumer(
            *(self._prefix + topic for topic in topics),
            bootstrap_servers=bootstrap,
            group_id=f"{self._prefix}floor-{self.name}",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        async with consumer:
            while True:
                polled = await consumer.getmany(timeout_ms=100, max_records=BATCH)
                records = [record for partition in polled.values() for record in partition]
                if records:
                    cases = [record.key.decode() for record in records]
                    skip = len(self._prefix)
                    out = [
                        one for c, record in zip(cases, records, strict=True) for one in follow(c, record.topic[skip:])
                    ]
                    await self.commit(cases, out)
                    await consumer.commit()


async def measure(bootstrap: str, database: Callable[[str], str], prefix: str, count: int) -> float:
    """Cases a second. The databases ``floor_<role>`` and the topics must exist and be empty."""
    roles: dict[str, ServiceProgram] = {}
    connections = []
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=1, max_batch_size=512 * 1024) as producer:
        for name in STATES:
            connections.append(await asyncpg.connect(database(f"floor_{name}")))
            roles[name] = ServiceProgram(name, connections[-1], producer, prefix)
        answers: Counter[str] = Counter()
        decided: set[str] = set()
        all_decided = asyncio.Event()

        def routing(case_id: str, topic: str) -> list[Out]:
            if topic == "onedoor.cases":
                return [(case_id, f"onedoor.tasks.{s}", event("task.requested", case_id)) for s in SYSTEMS]
            answers[case_id] += 1
            last = answers[case_id] == len(SYSTEMS)
            return [(case_id, "onedoor.decisions", event("case.decided", case_id))] if last else []

        def monitor(case_id: str, topic: str) -> list[Out]:
            if topic == "onedoor.cases":
                return [(case_id, "onedoor.commitments", event("commitments.opened", case_id))]
            return []

        def intake(case_id: str, topic: str) -> list[Out]:
            if topic == "onedoor.decisions":
                decided.add(case_id)
                if len(decided) == count:
                    all_decided.set()
            return []

        def department(system: str) -> Callable[[str, str], list[Out]]:
            return lambda case_id, _: [(case_id, f"onedoor.answers.{system}", event("task.done", case_id))]

        answer_topics = [f"onedoor.answers.{s}" for s in SYSTEMS]
        read = {
            "intake": ([*answer_topics, "onedoor.decisions", "onedoor.commitments"], intake),
            "routing": (["onedoor.cases", *answer_topics], routing),
            "monitor": (["onedoor.cases", *answer_topics, "onedoor.decisions"], monitor),
            **{s: ([f"onedoor.tasks.{s}"], department(s)) for s in SYSTEMS},
        }
        running = [
            asyncio.create_task(roles[name].consume(bootstrap, topics, follow))
            for name, (topics, follow) in read.items()
        ]
        front = ServiceProgram("intake", await asyncpg.connect(database("floor_intake")), producer, prefix)
        began = time.perf_counter()
        numbers = [f"{n // 10_000:04d}-{n % 10_000:04d}-0000-0" for n in range(count)]
        for start in range(0, count, BATCH):
            some = numbers[start : start + BATCH]
            await front.commit(some, [(c, "onedoor.cases", event("case.accepted", c)) for c in some])
        await _wait_or_raise(all_decided.wait(), running)
        seconds = time.perf_counter() - began
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    for connection in connections:
        await connection.close()
    return count / seconds


async def _wait_or_raise(done: Any, running: Sequence["asyncio.Task[None]"]) -> None:
    """Wait until all is done. Raises the error of a service that fails."""
    waiting = asyncio.ensure_future(done)
    ended, _ = await asyncio.wait({waiting, *running}, return_when=asyncio.FIRST_COMPLETED)
    for task in ended:
        task.result()
