"""One assault by records: real cases, bad records made from what was said of them, and the reckoning."""

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

from contracts.registry import REGISTRY, topics_for
from onedoor.applicants import applications
from services.intake.catalogue.load import sample_catalogue
from services.load import load
from services.registry import CORE_SERVICES, default_systems
from tests.hostile.attacked_centre import besieged, processes
from tests.hostile.mutations import Forger, Record
from tests.support import ledger_checks
from tests.support.centre import Answer, Centre
from tests.support.waiting import eventually

SYSTEMS = default_systems()

SERVICES = (*CORE_SERVICES, *SYSTEMS)

NEIGHBOURS, VICTIMS = 24, 12
"""Cases decided before the assault: those that nothing may happen to, and those that are lied about."""

RATE = int(os.environ.get("HOSTILE_RATE", "250"))
"""Bad records a second: half of them are well formed, and make work as good ones do."""

LOT = 50

CASES_A_SECOND = 4
QUIET_S = 8.0
LOOK_S = 0.05
PATIENCE_S = 60.0

GOLDEN = Path(__file__).parents[1] / "contract" / "golden"

ALL_TOPICS = topics_for(REGISTRY, SYSTEMS)

Content = tuple[str, bytes, bytes]
"""What makes two records the same dead letter: topic, key, digest of the value."""


@dataclass
class Count:
    """What became of the bad records at one service."""

    hostile: int = 0
    """Bad records on topics that it reads."""
    read: int = 0
    """Records it has handled since the assault began, by its own metrics."""
    parked: int = 0
    """Bad records of which it has a letter; the others it has consumed."""
    unread: int = 0
    without_reason: int = 0
    not_parked: Counter[str] = field(default_factory=Counter)
    """Broken records without a letter, by kind."""
    of_unknown_origin: list[str] = field(default_factory=list)
    """Letters whose origin is no place at which such a record lies."""


@dataclass
class Reckoning:
    """Everything that came of an assault."""

    sent: int
    services: dict[str, Count]
    processes_before: dict[str, tuple[int | None, int]]
    processes_after: dict[str, tuple[int | None, int]]
    faults: list[str]
    """What keeps services from being ready afterwards."""
    settled: int
    """Rows of cases that were decided before."""
    changed: list[str]
    wrong: list[str]
    """What the ledger finds wrong with cases that were handled meanwhile."""
    quiet_s: list[float]
    """From application to decision, before the assault."""
    latencies_s: list[float]
    """The same during it."""
    unforeseen: list[str]
    """Errors in the services' logs that are no dead letters."""
    seconds: float

    def __str__(self) -> str:
        lines = [f"{self.sent} bad records in {self.seconds:.0f} s"]
        for name, count in self.services.items():
            consumed = count.hostile - count.parked
            lines.append(f"{name:9} {count.hostile:7} to it, {count.parked:7} parked, {consumed:7} consumed or known")
        for name, values in (("before", sorted(self.quiet_s)), ("during", sorted(self.latencies_s))):
            lines.append(
                f"cases {name}: {len(values)}, median {values[len(values) // 2]:.3f} s, longest {values[-1]:.3f} s"
            )
        return "\n".join(lines)


class Assault:
    """Applies, captures, forges, sends, waits, and counts."""

    def __init__(self, folder: Path, records: int, seed: int) -> None:
        self._folder = folder
        self._count = records
        self._seed = seed
        self._applications = applications(sample_catalogue(), 1_000_000, seed)
        self._applied = 0
        self._sent: dict[Content, list[tuple[Record, str]]] = defaultdict(list)
        """Bad records by content, each with its place."""

    async def run(self) -> Reckoning:
        """The whole of it."""
        async with besieged(self._folder) as centre:
            receipts = [await self._apply(centre) for _ in range(NEIGHBOURS + VICTIMS)]
            await self._all_closed(centre, [receipt["number"] for receipt in receipts])
            neighbours = [receipt["number"] for receipt in receipts[:NEIGHBOURS]]
            victims = [receipt["number"] for receipt in receipts[NEIGHBOURS:]]
            real = await _captured(centre.platform.engines.kafka)
            real += _seldom_said(real, victims)
            forger = Forger(self._seed, real, neighbours, victims)
            quiet: dict[str, float] = {}
            async with self._applying(centre, quiet):
                await asyncio.sleep(QUIET_S)

            before = await _settled(centre, neighbours)
            processes_before = processes(centre.platform)
            read_before = {name: await _read(centre, name) for name in SERVICES}
            latencies: dict[str, float] = {}
            began = time.monotonic()
            async with self._applying(centre, latencies):
                sent = await self._send(centre.platform.engines.kafka, forger)
                ends = await _ends(centre.platform.engines.kafka)
                await self._all_read(centre, ends)
            seconds = time.monotonic() - began
            after = await _settled(centre, neighbours)
            numbers = {*neighbours, *quiet, *latencies}
            return Reckoning(
                sent=sent,
                services={name: await self._counted(centre, name, ends, read_before[name]) for name in SERVICES},
                processes_before=processes_before,
                processes_after=processes(centre.platform),
                faults=[fault for name in SERVICES for fault in await _faults(centre, name)],
                settled=len(before),
                changed=[
                    f"{row}: {before[row]} became {after.get(row)}" for row in before if after.get(row) != before[row]
                ],
                wrong=await _wrong(centre, numbers),
                quiet_s=list(quiet.values()),
                latencies_s=list(latencies.values()),
                unforeseen=_unforeseen(self._folder),
                seconds=seconds,
            )

    async def _apply(self, centre: Centre) -> Answer:
        self._applied += 1
        return await centre.apply(next(self._applications), f"assault-{self._applied}")

    @asynccontextmanager
    async def _applying(self, centre: Centre, latencies: dict[str, float]) -> AsyncIterator[None]:
        """Applications at a steady pace while the body runs; at the end how long each took to be decided."""
        applied: dict[str, float] = {}
        stop = asyncio.Event()

        async def apply() -> None:
            while not stop.is_set():
                began = time.monotonic()
                applied[(await self._apply(centre))["number"]] = began
                await asyncio.sleep(1 / CASES_A_SECOND)

        async def watch(connection: Any) -> None:
            query = "SELECT case_id FROM cases WHERE case_id = ANY($1) AND state LIKE '%\"decision\":{%'"
            while not stop.is_set() or applied.keys() - latencies.keys():
                waiting = [number for number in applied if number not in latencies]
                for row in await connection.fetch(query, waiting):
                    latencies[row["case_id"]] = time.monotonic() - applied[row["case_id"]]
                await asyncio.sleep(LOOK_S)

        connection = await centre.platform.engines.postgres.connect("onedoor_intake")
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(apply())
                watching = group.create_task(watch(connection))
                yield
                stop.set()
                await asyncio.wait([watching], timeout=PATIENCE_S)
                assert watching.done(), f"not decided: {sorted(applied.keys() - latencies.keys())}"
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

        await eventually(closed, PATIENCE_S, f"{len(numbers)} cases are closed")

    async def _send(self, kafka: str, forger: Forger) -> int:
        """Publish all bad records at a steady pace; how many they were."""
        producer = AIOKafkaProducer(bootstrap_servers=kafka, max_request_size=8 * 1024 * 1024, linger_ms=2)
        sent = 0
        async with producer:
            began = time.monotonic()
            lot: list[Record] = []
            for record in forger.records(self._count):
                lot.append(record)
                sent += 1
                if len(lot) == LOT or sent == self._count:
                    await self._publish(producer, lot)
                    lot = []
                    await asyncio.sleep(max(0.0, began + sent / RATE - time.monotonic()))
        return sent

    async def _publish(self, producer: AIOKafkaProducer, lot: Sequence[Record]) -> None:
        futures = [await producer.send(one.topic, one.value, key=one.key, headers=list(one.headers)) for one in lot]
        for one, place in zip(lot, await asyncio.gather(*futures), strict=True):
            origin = f"partition {place.partition}, offset {place.offset}"
            # The value itself is not kept: a long run has too many of them.
            kept = Record(one.topic, one.key, None, (), one.kind, one.must_be_parked)
            self._sent[_content(one.topic, one.key, one.value)].append((kept, origin))

    async def _all_read(self, centre: Centre, ends: Mapping[TopicPartition, int]) -> None:
        """Wait until every service has acknowledged what lay before these ends. More comes all the time."""
        left: dict[str, dict[TopicPartition, int]] = {}

        async def read() -> bool:
            left.clear()
            for name in SERVICES:
                lag = await _lag(centre.platform.engines.kafka, name, ends)
                if unread := {one: records for one, records in lag.items() if records}:
                    left[name] = unread
            return not left

        try:
            await eventually(read, PATIENCE_S + self._count / RATE, "all records have been read")
        except TimeoutError as error:
            error.add_note(f"unread: {left}")
            raise

    async def _counted(self, centre: Centre, service: str, ends: Mapping[TopicPartition, int], read: float) -> Count:
        count = Count(read=int(await _read(centre, service) - read))
        count.unread = sum((await _lag(centre.platform.engines.kafka, service, ends)).values())
        topics = _topics(service)
        letters: dict[Content, str] = {}
        query = "SELECT topic, key, md5(coalesce(value, '')) AS digest, origin, reason FROM dead_letters"
        for row in await centre.rows(f"onedoor_{service}", query):
            letters[row["topic"], row["key"] or b"", row["digest"].encode()] = row["origin"]
            count.without_reason += not row["reason"].strip()
        for content, records in self._sent.items():
            if content[0] not in topics:
                continue
            count.hostile += len(records)
            origin = letters.get(content)
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


async def _captured(kafka: str) -> list[Record]:
    """Every record that has been said, in the order of its place."""
    ends = await _ends(kafka)
    partitions = list(ends)
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="earliest", enable_auto_commit=False)
    async with consumer:
        consumer.assign(partitions)
        records = []
        while any([await consumer.position(one) < ends[one] for one in partitions]):
            for lot in (await consumer.getmany(timeout_ms=500)).values():
                records += [Record(one.topic, one.key, one.value, tuple(one.headers)) for one in lot]
    return sorted(records, key=lambda one: (one.topic, one.key or b"", one.value or b""))


def _seldom_said(real: Sequence[Record], victims: Sequence[str]) -> list[Record]:
    """One record of each message that nobody had reason to say, as the contracts keep it, about a case given up."""
    said = {json.loads(record.value or b"{}").get("type") for record in real}
    found = []
    for number, file in enumerate(sorted(GOLDEN.glob("*.jsonl"))):
        event = json.loads(file.read_text(encoding="utf-8").splitlines()[0])
        if event["type"] not in said:
            topic = next(topic for message, (topic, _, _) in REGISTRY.items() if message.type == event["type"])
            case = victims[number % len(victims)]
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
    """Records before these ends that the service has not acknowledged."""
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
    metrics = (await centre.client.get(f"{centre.platform.address(service)}/metrics")).text
    found = re.search(r'^onedoor_messages_total\{origin="kafka"\} (\S+)', metrics, re.MULTILINE)
    return float(found[1]) if found else 0.0


async def _faults(centre: Centre, service: str) -> Iterable[str]:
    answer = await centre.client.get(f"{centre.platform.address(service)}/health/ready")
    return [f"{service}: {fault}" for fault in answer.json()["faults"]]


async def _settled(centre: Centre, numbers: Sequence[str]) -> dict[tuple[str, str], str]:
    """The rows of these cases in all services."""
    query = "SELECT case_id, version, state, seen, closed_at FROM cases WHERE case_id = ANY($1)"
    rows = {}
    for name in SERVICES:
        for row in await centre.rows(f"onedoor_{name}", query, numbers):
            rows[name, row["case_id"]] = repr(tuple(row))
    return rows


async def _wrong(centre: Centre, numbers: set[str]) -> list[str]:
    """What an auditor finds wrong with these cases."""
    async with ledger_checks.opened(centre.platform.engines.database_url) as tables:
        found = await ledger_checks.faults(tables, numbers)
    return [fault for fault in found if "parked letter" not in fault and any(number in fault for number in numbers)]


def _unforeseen(folder: Path) -> list[str]:
    """Errors in the logs of the services, but for dead letters and what the Kafka client says of a young broker."""
    found = []
    for service in SERVICES:
        for line in (folder / "logs" / f"{service}.log").read_text(errors="replace").splitlines():
            try:
                said = json.loads(line)
            except ValueError:
                found.append(f"{service}: {line[:300]}")
                continue
            grave = said["level"] in ("error", "critical") and not said["logger"].startswith("aiokafka")
            if grave and said["event"] != "dead letter":
                found.append(f"{service}: {said['event']} {str(said.get('exception', said.get('reason')))[-300:]}")
    return found[:20]
