"""Resident memory of each service: with a million open cases, and with a backlog of a million records.

Each service is a process of its own, as in a cluster: one
that is forked from the fork server, as on one machine, would also count the programs of all others. The backlog has the
messages that the service receives about cases which it knows. It is consumed to its end, or for a minute.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaProducer

from contracts.codec import CONTENT_TYPE_HEADER, encode
from contracts.envelope import Envelope, Message
from contracts.registry import REGISTRY, topic_of, topics_for
from deploy.local.processes.supervisor import answers_ready
from deploy.local.wiring import Options
from services.registry import CORE_SERVICES, default_systems
from services.runtime.settings import Settings
from tests.benchmarks import measured_platform, resources
from tests.benchmarks.figures import Figure, figure
from tests.support.cases import stored_cases
from tests.support.cases.simulated_case import CATALOGUE, StoredCase, simulate, three_departments_plan
from tests.support.messages import CASE_ID
from tests.support.partial_platform import READY_S, PartialPlatform
from tests.support.runtime.topics import ensure_topics
from tests.support.waiting import eventually

SYSTEMS = default_systems()

COUNT = 1_000_000
SERVICES = (*CORE_SERVICES, *SYSTEMS)
PARTITIONS = 4
REST_S = 8.0
CATCHING_UP_S = 60.0
POLL_S = 0.25
BATCH_BYTES = 256 * 1024
TARGET_MB = 150.0


async def measure(count: int = COUNT, services: Sequence[str] = SERVICES) -> list[Figure]:
    """The peak memory of each service in both situations, in MB."""
    figures = []
    for service in services:
        with measured_platform.folder("memory") as path:
            async with PartialPlatform(path, Options(extra={"*": {"ONEDOOR_CATALOGUE": str(CATALOGUE)}})) as platform:
                await platform.database(service)
                figures += [
                    await _memory_with_open_cases(platform, service, count),
                    await _memory_catching_up(platform, service, count),
                ]
    return figures


async def _memory_with_open_cases(platform: PartialPlatform, service: str, count: int) -> Figure:
    life = simulate(three_departments_plan(), answered=False)
    await _fill(platform, service, life.last(service), count)
    peak = await _peak_mb(platform, service, REST_S)
    await _empty(platform, service)
    return figure(f"memory of {service} with {count} open cases", peak, "MB", TARGET_MB, at_most=True)


async def _memory_catching_up(platform: PartialPlatform, service: str, count: int) -> Figure:
    """A backlog of ``count`` records, about cases in the state before the first of them."""
    life = simulate(three_departments_plan(), answered=True)
    received = life.received(service)
    if service in ("intake", "routing"):  # they refuse answers about unknown cases
        first_case = life.first(service)
        received = [envelope for envelope in received if envelope is not first_case.received]
        await _fill(platform, service, first_case, count // len(received))
    await _produce(platform, received, count // len(received))
    peak = await _peak_mb(platform, service, CATCHING_UP_S, catching_up=count)
    name = f"memory of {service} catching up with {count} records"
    return figure(name, peak, "MB", TARGET_MB, at_most=True)


async def _fill(platform: PartialPlatform, service: str, stored_case: StoredCase, count: int) -> None:
    connection = await platform.connect(service)
    try:
        await stored_cases.insert_cases(connection, stored_case, count)
        await stored_cases.vacuum_and_checkpoint(connection)
    finally:
        await connection.close()


async def _empty(platform: PartialPlatform, service: str) -> None:
    connection = await platform.connect(service)
    try:
        await connection.execute("TRUNCATE cases, outbox, unpublished, dead_letters")
    finally:
        await connection.close()


async def _produce(platform: PartialPlatform, messages: Sequence[Envelope[Message]], cases: int) -> None:
    """Publish copies of the messages about so many cases, in whole batches."""
    settings = Settings(
        service="benchmark",
        systems=SYSTEMS,
        kafka=platform.engines.kafka,
        database="postgresql+asyncpg://127.0.0.1/none",
        secret_key="k" * 32,
        documents_key="k" * 32,
        partitions=PARTITIONS,
    )
    await ensure_topics(settings, topics_for(REGISTRY, SYSTEMS))
    mark = CASE_ID.encode()
    async with AIOKafkaProducer(bootstrap_servers=platform.engines.kafka, max_batch_size=BATCH_BYTES) as producer:
        for envelope in messages:
            topic, template = topic_of(envelope.data), encode(envelope)
            sent = []
            for partition in range(PARTITIONS):
                batch = producer.create_batch()
                for number in range(partition, cases, PARTITIONS):
                    key = stored_cases.number_of(number).encode()
                    own = {"key": key, "value": template.replace(mark, key), "headers": CONTENT_TYPE_HEADER}
                    if batch.append(timestamp=None, **own) is None:
                        sent.append(await producer.send_batch(batch, topic, partition=partition))
                        batch = producer.create_batch()
                        batch.append(timestamp=None, **own)
                sent.append(await producer.send_batch(batch, topic, partition=partition))
            await asyncio.gather(*sent)


async def _peak_mb(platform: PartialPlatform, service: str, seconds: float, catching_up: int = 0) -> float:
    """The peak memory of the service within so many seconds, in MB."""
    connection = await platform.connect(service)
    try:
        async with _own_process(platform, service) as pid:
            peak, began = 0.0, time.monotonic()
            while time.monotonic() - began < seconds:
                peak = max(peak, resources.resident_mb(pid))
                await asyncio.sleep(POLL_S)
        if catching_up:
            written = await connection.fetchval("SELECT sum(version) FROM cases", timeout=300)
            dead_letters = await connection.fetchval("SELECT count(*) FROM dead_letters", timeout=300)
            print(f"{service}: {peak:.0f} MB; {written} row versions of {catching_up} records, {dead_letters} letters")
            if dead_letters:
                raise RuntimeError(f"{dead_letters} records were refused: they are not what the service receives")
        return peak
    finally:
        await connection.close()


@asynccontextmanager
async def _own_process(platform: PartialPlatform, service: str) -> AsyncIterator[int]:
    """The service in a process of its own; its process id."""
    own = platform.wiring.replica(service, 1)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "onedoor.cli", *own.arguments, env=own.environment, stdout=asyncio.subprocess.DEVNULL
    )

    async def ready() -> bool:
        return own.operator_port is not None and await asyncio.to_thread(answers_ready, own.operator_port)

    try:
        await eventually(ready, READY_S, f"{service} is ready", POLL_S)
        yield process.pid
    finally:
        process.terminate()
        await process.wait()
