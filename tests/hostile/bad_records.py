"""An attack by records: real cases, bad records made from their messages, and the result."""

import asyncio
import hashlib
import json
import os
import re
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from contracts.registry import DOCUMENTS, REGISTRY, REPORTS, topics_for
from onedoor.applicants import applications
from services.intake.catalogue.load import sample_catalogue
from services.load import load
from services.registry import CORE_SERVICES, default_systems
from tests.hostile.attacked_centre import processes
from tests.hostile.mutations import BadRecordMaker, Record
from tests.support import ledger_checks
from tests.support.centre import Answer, Centre
from tests.support.waiting import eventually

SYSTEMS = default_systems()

SERVICES = (*CORE_SERVICES, *SYSTEMS)

UNTOUCHED, TARGETED = 24, 12
"""Cases decided before the attack: those that must stay unchanged, and those about which records lie."""

RATE = int(os.environ.get("HOSTILE_RATE", "250"))
"""Bad records a second. Half of them are well formed and cost as much work as good ones."""

BATCH = 50

CASES_A_SECOND = 4
BASELINE_S = 8.0
POLL_S = 0.05
WITHIN_S = 60.0

GOLDEN = Path(__file__).parents[1] / "contract" / "golden"

ALL_TOPICS = topics_for(REGISTRY, SYSTEMS)

EXPECTED = ("dead letter", "a document is not followed", "a report cannot be read and is passed over")
"""Errors in a log that tell of bad records."""

Content = tuple[str, bytes, bytes]
"""Topic, key and digest of the value: records with the same content are one dead letter."""


@dataclass
class ServiceCounts:
    """The effects of the bad records on one service."""

    sent_to: int = 0
    """Bad records on topics that it reads."""
    read: int = 0
    """Records that it has handled since the attack began, by its own metrics."""
    parked: int = 0
    """Bad records that it has parked as dead letters; it has consumed the others."""
    unread: int = 0
    without_reason: int = 0
    not_parked: Counter[str] = field(default_factory=Counter)
    """Broken records without a dead letter, by kind."""
    of_unknown_origin: list[str] = field(default_factory=list)
    """Dead letters whose origin is not the place of such a record."""


@dataclass
class AttackResult:
    """Everything measured and found during an attack."""

    sent: int
    services: dict[str, ServiceCounts]
    processes_before: dict[str, tuple[int | None, int]]
    processes_after: dict[str, tuple[int | None, int]]
    faults: list[str]
    """Reasons why services are not ready after the attack."""
    decided_rows: int
    """Number of rows of cases that were decided before the attack."""
    changed: list[str]
    ledger_faults: list[str]
    """Faults that the ledger checks find in the cases handled during the attack."""
    baseline_s: list[float]
    """Seconds from application to decision, before the attack."""
    latencies_s: list[float]
    """The same during the attack."""
    unexpected_errors: list[str]
    """Errors in the logs of the services, except dead letters."""
    seconds: float

    def __str__(self) -> str:
        lines = [f"{self.sent} bad records in {self.seconds:.0f} s"]
        for name, count in self.services.items():
            consumed = count.sent_to - count.parked
            lines.append(f"{name:9} {count.sent_to:7} to it, {count.parked:7} parked, {consumed:7} consumed or known")
        for name, values in (("before", sorted(self.baseline_s)), ("during", sorted(self.latencies_s))):
            lines.append(
                f"cases {name}: {len(values)}, median {values[len(values) // 2]:.3f} s, longest {values[-1]:.3f} s"
            )
        return "\n".join(lines)


class RecordAttack:
    """Makes bad records from the messages of real cases, publishes them, and counts what the services did with them."""

    def __init__(self, centre: Centre, records: int, seed: int) -> None:
        self._centre = centre
        self._count = records
        self._seed = seed
        self._applications = applications(sample_catalogue(), 1_000_000, seed)
        self._applied = 0
        self._sent: dict[Content, list[tuple[Record, str]]] = defaultdict(list)
        """Bad records by content, each with its place in Kafka."""

    async def run(self) -> AttackResult:
        """Run the attack."""
        centre = self._centre
        receipts = [await self._apply(centre) for _ in range(UNTOUCHED + TARGETED)]
        await self._all_closed(centre, [receipt["number"] for receipt in receipts])
        untouched = [receipt["number"] for receipt in receipts[:UNTOUCHED]]
        targeted = [receipt["number"] for receipt in receipts[UNTOUCHED:]]
        originals = await _published_records(centre.platform.engines.kafka)
        originals += _rare_records(originals, targeted)
        maker = BadRecordMaker(self._seed, originals, untouched, targeted)
        baseline: dict[str, float] = {}
        async with self._applying(centre, baseline):
            await asyncio.sleep(BASELINE_S)

        before = await _decided_rows(centre, untouched)
        processes_before = processes(centre.platform)
        read_before = {name: await _read(centre, name) for name in SERVICES}
        latencies: dict[str, float] = {}
        began = time.monotonic()
        async with self._applying(centre, latencies):
            sent = await self._send(centre.platform.engines.kafka, maker)
            ends = await _ends(centre.platform.engines.kafka)
            await self._all_read(centre, ends)
        seconds = time.monotonic() - began
        after = await _decided_rows(centre, untouched)
        numbers = {*untouched, *baseline, *latencies}
        return AttackResult(
            sent=sent,
            services={name: await self._count_records(centre, name, ends, read_before[name]) for name in SERVICES},
            processes_before=processes_before,
            processes_after=processes(centre.platform),
            faults=[fault for name in SERVICES for fault in await _readiness_faults(centre, name)],
            decided_rows=len(before),
            changed=[
                f"{row}: {before[row]} became {after.get(row)}" for row in before if after.get(row) != before[row]
            ],
            ledger_faults=await _ledger_faults(centre, numbers),
            baseline_s=list(baseline.values()),
            latencies_s=list(latencies.values()),
            unexpected_errors=_unexpected_errors(centre.platform.folder),
            seconds=seconds,
        )

    async def _apply(self, centre: Centre) -> Answer:
        self._applied += 1
        return await centre.apply(next(self._applications), f"attack-{self._applied}")

    @asynccontextmanager
    async def _applying(self, centre: Centre, latencies: dict[str, float]) -> AsyncIterator[None]:
        """Apply at a steady pace while the body runs. ``latencies`` receives seconds until the decision."""
        applied: dict[str, float] = {}
        stop = asyncio.Event()

        async def apply() -> None:
            while not stop.is_set():
                began = time.monotonic()
                applied[(await self._apply(centre))["number"]] = began
                await asyncio.sleep(1 / CASES_A_SECOND)

        async def poll_decisions(connection: Any) -> None:
            query = "SELECT case_id FROM cases WHERE case_id = ANY($1) AND state LIKE '%\"decision\":{%'"
            while not stop.is_set() or applied.keys() - latencies.keys():
                waiting = [number for number in applied if number not in latencies]
                for row in await connection.fetch(query, waiting):
                    latencies[row["case_id"]] = time.monotonic() - applied[row["case_id"]]
                await asyncio.sleep(POLL_S)

        connection = await centre.platform.engines.postgres.connect("onedoor_intake")
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(apply())
                polling = group.create_task(poll_decisions(connection))
                yield
                stop.set()
                await asyncio.wait([polling], timeout=WITHIN_S)
                assert polling.done(), f"not decided: {sorted(applied.keys() - latencies.keys())}"
        finally:
            await connection.close()
        await self._all_closed(centre, list(applied))

    async def _all_closed(self, centre: Centre, numbers: Sequence[str]) -> None:
        query = "SELECT count(*) AS closed FROM cases WHERE case_id = ANY($1) AND closed_at IS NOT NULL"

        async def closed() -> bool:
            rows = [
                (await centre.rows(f"onedoor_{name}", query, numbers))[0] for name in ("intake", "routing", "monitor")
            ]
            return all(row["closed"] == len(numbers) for row in rows)

        await eventually(closed, WITHIN_S, f"{len(numbers)} cases are closed")

    async def _send(self, kafka: str, maker: BadRecordMaker) -> int:
        """Publish all bad records at a steady pace. Returns their number."""
        producer = AIOKafkaProducer(bootstrap_servers=kafka, max_request_size=8 * 1024 * 1024, linger_ms=2)
        sent = 0
        async with producer:
            began = time.monotonic()
            batch: list[Record] = []
            for record in maker.records(self._count):
                sent += 1
                if record.key is not None or record.topic not in DOCUMENTS | REPORTS:  # else Kafka itself refuses it
                    batch.append(record)
                if len(batch) == BATCH or sent == self._count:
                    await self._publish(producer, batch)
                    batch = []
                    await asyncio.sleep(max(0.0, began + sent / RATE - time.monotonic()))
        return sent

    async def _publish(self, producer: AIOKafkaProducer, batch: Sequence[Record]) -> None:
        futures = [await producer.send(one.topic, one.value, key=one.key, headers=list(one.headers)) for one in batch]
        for one, place in zip(batch, await asyncio.gather(*futures), strict=True):
            origin = f"partition {place.partition}, offset {place.offset}"
            # A long run has too many values to keep them all.
            without_value = Record(one.topic, one.key, None, (), one.kind, one.must_be_parked)
            self._sent[_content(one.topic, one.key, one.value)].append((without_value, origin))

    async def _all_read(self, centre: Centre, ends: Mapping[TopicPartition, int]) -> None:
        """Wait until every service has acknowledged all records before these offsets. More arrive meanwhile."""
        left: dict[str, dict[TopicPartition, int]] = {}

        async def read() -> bool:
            left.clear()
            for name in SERVICES:
                lag = await _lag(centre.platform.engines.kafka, name, ends)
                if unread := {one: records for one, records in lag.items() if records}:
                    left[name] = unread
            return not left

        try:
            await eventually(read, WITHIN_S + self._count / RATE, "all records have been read")
        except TimeoutError as error:
            error.add_note(f"unread: {left}")
            raise

    async def _count_records(
        self, centre: Centre, service: str, ends: Mapping[TopicPartition, int], read: float
    ) -> ServiceCounts:
        count = ServiceCounts(read=int(await _read(centre, service) - read))
        count.unread = sum((await _lag(centre.platform.engines.kafka, service, ends)).values())
        topics = _topics(service)
        dead_letters: dict[Content, str] = {}
        query = "SELECT topic, key, md5(coalesce(value, '')) AS digest, origin, reason FROM dead_letters"
        for row in await centre.rows(f"onedoor_{service}", query):
            dead_letters[row["topic"], row["key"] or b"", row["digest"].encode()] = row["origin"]
            count.without_reason += not row["reason"].strip()
        for content, records in self._sent.items():
            if content[0] not in topics:
                continue
            count.sent_to += len(records)
            origin = dead_letters.get(content)
            if origin is not None:
                count.parked += len(records)
                if origin not in [place for _, place in records]:
                    count.of_unknown_origin.append(f"{content[0]} {origin}")
            else:
                count.not_parked.update(record.kind for record, _ in records if record.must_be_parked)
        return count


def _content(topic: str, key: bytes | None, value: bytes | None) -> Content:
    return topic, key or b"", hashlib.md5(value or b"", usedforsecurity=False).hexdigest().encode()


def _topics(service: str) -> tuple[str, ...]:
    consumes = load(service).consumes
    return topics_for(consumes, (service,) if service in SYSTEMS else SYSTEMS)


async def _published_records(kafka: str) -> list[Record]:
    """Every published record, sorted by content."""
    ends = await _ends(kafka)
    partitions = list(ends)
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="earliest", enable_auto_commit=False)
    async with consumer:
        consumer.assign(partitions)
        records = []
        while any([await consumer.position(one) < ends[one] for one in partitions]):
            for batch in (await consumer.getmany(timeout_ms=500)).values():
                records += [Record(one.topic, one.key, one.value, tuple(one.headers)) for one in batch]
    return sorted(records, key=lambda one: (one.topic, one.key or b"", one.value or b""))


def _rare_records(originals: Sequence[Record], targeted: Sequence[str]) -> list[Record]:
    """One golden record of each message type that was not published, about one of the targeted cases."""
    published = {json.loads(record.value or b"{}").get("type") for record in originals}
    found = []
    for number, file in enumerate(sorted(GOLDEN.glob("*.jsonl"))):
        event = json.loads(file.read_text(encoding="utf-8").splitlines()[0])
        if event["type"] not in published:
            topic = next(topic for message, (topic, _, _) in REGISTRY.items() if message.type == event["type"])
            case = targeted[number % len(targeted)]
            value = json.dumps(event, ensure_ascii=False).replace(event["subject"], case)
            topic = topic.format(system=event["data"].get("system"))
            found.append(Record(topic, case.encode(), value.encode()))
    return found


async def _ends(kafka: str) -> dict[TopicPartition, int]:
    consumer = AIOKafkaConsumer(*ALL_TOPICS, bootstrap_servers=kafka)
    async with consumer:
        partitions = [
            TopicPartition(topic, number)
            for topic in ALL_TOPICS
            for number in consumer.partitions_for_topic(topic) or ()
        ]
        return dict(await consumer.end_offsets(partitions))


async def _lag(kafka: str, service: str, ends: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
    """Records before these offsets that the service has not acknowledged, by partition."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        committed = await admin.list_consumer_group_offsets(f"onedoor-{service}")
    finally:
        await admin.close()
    topics = _topics(service)
    return {
        one: max(0, end - max(0, committed[one].offset if one in committed else 0))
        for one, end in ends.items()
        if one.topic in topics
    }


async def _read(centre: Centre, service: str) -> float:
    metrics = (await centre.client.get(f"{centre.platform.operator_address(service)}/metrics")).text
    found = re.search(r'^onedoor_messages_total\{origin="kafka"\} (\S+)', metrics, re.MULTILINE)
    return float(found[1]) if found else 0.0


async def _readiness_faults(centre: Centre, service: str) -> Iterable[str]:
    answer = await centre.client.get(f"{centre.platform.operator_address(service)}/health/ready")
    return [f"{service}: {fault}" for fault in answer.json()["faults"]]


async def _decided_rows(centre: Centre, numbers: Sequence[str]) -> dict[tuple[str, str], str]:
    """The rows of these cases in all services."""
    query = "SELECT case_id, version, state, processed_ids, closed_at FROM cases WHERE case_id = ANY($1)"
    rows = {}
    for name in SERVICES:
        for row in await centre.rows(f"onedoor_{name}", query, numbers):
            rows[name, row["case_id"]] = repr(tuple(row))
    return rows


async def _ledger_faults(centre: Centre, numbers: set[str]) -> list[str]:
    """Faults that the ledger checks find in these cases."""
    async with ledger_checks.opened(centre.platform.engines.database_url) as tables:
        found = await ledger_checks.faults(tables, numbers)
    return [
        fault for fault in found if "parked dead letter" not in fault and any(number in fault for number in numbers)
    ]


def _unexpected_errors(folder: Path) -> list[str]:
    """Errors in the logs of the services, except those about bad records and the Kafka client's during its start."""
    found = []
    for service in SERVICES:
        for line in (folder / "logs" / f"{service}.log").read_text(errors="replace").splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                found.append(f"{service}: {line[:300]}")
                continue
            is_error = entry["level"] in ("error", "critical") and not entry["logger"].startswith("aiokafka")
            if is_error and entry["event"] not in EXPECTED:
                found.append(f"{service}: {entry['event']} {str(entry.get('exception', entry.get('reason')))[-300:]}")
    return found[:20]
