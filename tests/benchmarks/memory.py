"""Resident memory of each service: with a million open cases, and with a million records to catch up with.

``python -m tests.benchmarks.memory [COUNT] [SERVICE ...]``. Each service is started as a cluster starts it, by itself:
forked from a process that has everything imported, as on one machine, its resident memory would count the programs of
all others as well. The records are those that the service hears of cases which it knows; they are read until none is
left, or for a minute.
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
from deploy.local.supervisor import answers_ready
from deploy.local.wiring import Options
from services.registry import CORE_SERVICES, default_systems
from services.runtime.settings import Settings
from tests.benchmarks import measured_platform, resources
from tests.benchmarks.figures import Figure, figure, save_and_print
from tests.support import stored_cases
from tests.support.partial_platform import READY_S, PartialPlatform
from tests.support.simulated_case import CASE_ID, CATALOGUE, StoredCase, simulate, three_departments_plan
from tests.support.topics import ensure_topics
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
    """The most megabytes that each service had, in either state."""
    figures = []
    for service in services:
        with measured_platform.folder("memory") as place:
            async with PartialPlatform(place, Options(extra={"*": {"ONEDOOR_CATALOGUE": str(CATALOGUE)}})) as ground:
                await ground.database(service)
                figures += [
                    await _memory_with_open_cases(ground, service, count),
                    await _memory_catching_up(ground, service, count),
                ]
    return figures


async def _memory_with_open_cases(ground: PartialPlatform, service: str, count: int) -> Figure:
    life = simulate(three_departments_plan(), answered=False)
    await _fill(ground, service, life.last(service), count)
    most = await _peak_mb(ground, service, REST_S)
    await _empty(ground, service)
    return figure(f"memory of {service} with {count} open cases", most, "MB", TARGET_MB, at_most=True)


async def _memory_catching_up(ground: PartialPlatform, service: str, count: int) -> Figure:
    """``count`` records about cases that the service knows as it does before it hears the first of them."""
    life = simulate(three_departments_plan(), answered=True)
    heard = life.received(service)
    if service in ("intake", "routing"):  # they would not take an answer about a case they do not know
        known = life.first(service)
        heard = [envelope for envelope in heard if envelope is not known.received]
        await _fill(ground, service, known, count // len(heard))
    await _produce(ground, heard, count // len(heard))
    most = await _peak_mb(ground, service, CATCHING_UP_S, catching_up=count)
    name = f"memory of {service} catching up with {count} records"
    return figure(name, most, "MB", TARGET_MB, at_most=True)


async def _fill(ground: PartialPlatform, service: str, kept: StoredCase, count: int) -> None:
    connection = await ground.connect(service)
    try:
        await stored_cases.insert_cases(connection, kept, count)
        await stored_cases.vacuum_and_checkpoint(connection)
    finally:
        await connection.close()


async def _empty(ground: PartialPlatform, service: str) -> None:
    connection = await ground.connect(service)
    try:
        await connection.execute("TRUNCATE cases, outbox, unpublished, dead_letters")
    finally:
        await connection.close()


async def _produce(ground: PartialPlatform, messages: Sequence[Envelope[Message]], cases: int) -> None:
    """Put copies of the messages about so many cases into Kafka, in whole batches."""
    settings = Settings(
        service="benchmark",
        systems=SYSTEMS,
        kafka=ground.engines.kafka,
        database="postgresql+asyncpg://nowhere",
        secret_key="k" * 32,
        partitions=PARTITIONS,
    )
    await ensure_topics(settings, topics_for(REGISTRY, SYSTEMS))
    mark = CASE_ID.encode()
    async with AIOKafkaProducer(bootstrap_servers=ground.engines.kafka, max_batch_size=BATCH_BYTES) as producer:
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


async def _peak_mb(ground: PartialPlatform, service: str, seconds: float, catching_up: int = 0) -> float:
    """The most memory of the service while it runs for so long, or until it has caught up."""
    connection = await ground.connect(service)
    try:
        async with _own_process(ground, service) as pid:
            most, began = 0.0, time.monotonic()
            while time.monotonic() - began < seconds:
                most = max(most, resources.resident_mb(pid))
                await asyncio.sleep(POLL_S)
        if catching_up:
            written = await connection.fetchval("SELECT sum(version) FROM cases", timeout=300)
            letters = await connection.fetchval("SELECT count(*) FROM dead_letters", timeout=300)
            print(f"{service}: {most:.0f} MB; {written} row versions of {catching_up} records, {letters} letters")
            if letters:
                raise RuntimeError(f"{letters} records were refused: not what the service hears")
        return most
    finally:
        await connection.close()


@asynccontextmanager
async def _own_process(ground: PartialPlatform, service: str) -> AsyncIterator[int]:
    """The service in a process that nobody else has a part in, by its number."""
    (own,) = [one for one in ground.wiring.services() if one.arguments == ("serve", service)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "onedoor.cli", *own.arguments, env=own.environment, stdout=asyncio.subprocess.DEVNULL
    )

    async def ready() -> bool:
        return own.port is not None and await asyncio.to_thread(answers_ready, own.port)

    try:
        await eventually(ready, READY_S, f"{service} is ready", POLL_S)
        yield process.pid
    finally:
        process.terminate()
        await process.wait()


def main() -> None:
    """Measure and print; the figures go to ``build/bench.json``."""
    services = [one for one in sys.argv[1:] if one in SERVICES] or SERVICES
    counts = [int(one) for one in sys.argv[1:] if one.isdecimal()]
    figures = asyncio.run(measure(counts[0] if counts else COUNT, services))
    save_and_print(figures)


if __name__ == "__main__":
    main()
