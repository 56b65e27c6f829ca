"""A million commitments fall due in the same minute, with two monitors: the seconds until every rung has fired, once.

The tables are filled with open cases of one commitment each, whose warnings all fall due at the same moment; then the
clock steps past it.
"""

import asyncio
import time
from datetime import datetime, timedelta

import psutil
from aiokafka import AIOKafkaConsumer, TopicPartition

from contracts.messages.alerts import AlertRaised, Rung
from contracts.registry import REGISTRY
from deploy.local.processes.supervisor import Supervised
from deploy.local.wiring import Options
from services.runtime.clock import FileClock
from tests.benchmarks import measured_platform, resources
from tests.benchmarks.figures import Figure, figure
from tests.support.cases import stored_cases
from tests.support.cases.simulated_case import one_commitment_plan, simulate
from tests.support.partial_platform import Connection, PartialPlatform

COMMITMENTS = 1_000_000
MONITORS = 2
TARGET_S = 60.0
LONGEST_S = 900.0
POLL_S = 0.2
PROGRESS_S = 15.0


class ResourceMonitor:
    """Samples the peak memory and the processor time of each monitor."""

    def __init__(self, processes: list[Supervised]) -> None:
        self._pids = {one.specification.name: one.pid for one in processes if one.pid is not None}
        self._began = resources.processor_seconds(self._pids)
        self.most_mb = dict.fromkeys(self._pids, 0.0)

    def sample(self) -> None:
        for name, pid in self._pids.items():
            self.most_mb[name] = max(self.most_mb[name], resources.resident_mb(pid))

    def spent(self) -> dict[str, float]:
        return {name: s - self._began[name] for name, s in resources.processor_seconds(self._pids).items()}


async def _records(consumer: AIOKafkaConsumer, topic: str) -> int:
    partitions = [TopicPartition(topic, number) for number in range(4)]
    return int(sum((await consumer.end_offsets(partitions)).values()))


async def _wait_for_alerts(
    consumer: AIOKafkaConsumer, count: int, monitors: ResourceMonitor, server_pid: int, awaited: str
) -> float:
    """Seconds until so many alerts are in Kafka."""
    began = printed = time.monotonic()
    server = psutil.Process(server_pid)
    while (fired := await _records(consumer, REGISTRY[AlertRaised].topic)) < count:
        monitors.sample()
        now = time.monotonic()
        if now - began > LONGEST_S:
            raise TimeoutError(f"{fired} of {count} {awaited} after {LONGEST_S:.0f} s")
        if now - printed > PROGRESS_S:
            printed = now
            resident = sum(one.memory_info().rss for one in server.children()) / resources.MEGABYTE
            print(
                f"{now - began:4.0f} s: {fired} {awaited}, {monitors.most_mb}, PostgreSQL {resident:.0f} MB", flush=True
            )
        await asyncio.sleep(POLL_S)
    return time.monotonic() - began


async def measure(count: int = COMMITMENTS) -> list[Figure]:
    """Seconds until all warnings have fired."""
    stored_case = simulate(one_commitment_plan(), answered=False).last("monitor")
    warning, _ = stored_cases.first_rungs(stored_case)
    with measured_platform.folder("due") as path:
        clock = FileClock.create(path / "clock", warning - timedelta(minutes=1), speed=0)
        options = Options(clock=str(path / "clock"), replicas={"monitor": MONITORS}, sandboxes=False)
        async with PartialPlatform(path, options) as platform:
            await platform.database("monitor")
            connection = await platform.connect("monitor")
            began = time.monotonic()
            await stored_cases.insert_cases(
                connection, stored_case, count, timer_at=f"'{warning.isoformat()}'::timestamptz"
            )
            await stored_cases.vacuum_and_checkpoint(connection)
            print(f"{count} open cases made in {time.monotonic() - began:.0f} s", flush=True)
            monitors = ResourceMonitor(await platform.serve("monitor"))
            async with AIOKafkaConsumer(bootstrap_servers=platform.engines.kafka) as consumer:
                figures = await _step(platform, consumer, clock, warning, Rung.WARNING, count, monitors)
            await connection.close()
    figures.append(
        figure("memory of a monitor while a million fall due", max(monitors.most_mb.values()), "MB", 150, at_most=True)
    )
    return figures


async def _step(
    platform: PartialPlatform,
    consumer: AIOKafkaConsumer,
    clock: FileClock,
    at: datetime,
    rung: Rung,
    count: int,
    monitors: ResourceMonitor,
) -> list[Figure]:
    """Step past the moment of a rung. Returns its figures, after a check that each alert exists once."""
    engines = {one.name: one.process.pid for one in platform.engines.all if one.process is not None}
    before = monitors.spent() | resources.processor_seconds(engines)
    clock.set(at + timedelta(seconds=1), speed=1)
    seconds = await _wait_for_alerts(consumer, count, monitors, engines["postgres"], f"alerts of {rung}")
    spent = monitors.spent() | resources.processor_seconds(engines)
    print(f"{rung}: {count} in {seconds:.1f} s, {count / seconds:.0f}/s; processor microseconds an alert:")
    print({name: round(1e6 * (s - before[name]) / count, 1) for name, s in spent.items()})
    connection = await platform.connect("monitor")
    try:
        wrong = await _count_wrong(connection, rung, count)
    finally:
        await connection.close()
    published = await _records(consumer, REGISTRY[AlertRaised].topic)
    return [
        figure(f"{count} commitments due at once, two monitors: {rung}", seconds, "s", TARGET_S, at_most=True),
        figure(f"of these not fired, or not exactly once ({rung})", wrong, "commitments", 0, at_most=True),
        figure(
            f"records published more than once ({rung}; harmless, known by their ids)", published - count, "records"
        ),
    ]


async def _count_wrong(connection: "Connection", rung: Rung, count: int) -> int:
    """Commitments without exactly one alert of this rung in the list and one in the outbox."""
    listed = await connection.fetchval("SELECT count(*) FROM alerts WHERE rung = $1", rung.value, timeout=300)
    in_outbox = await connection.fetchrow(
        "SELECT count(*) AS published, count(DISTINCT case_id) AS cases FROM outbox"
        " WHERE topic = $1 AND event LIKE '%\"rung\":\"' || $2 || '\"%'",
        REGISTRY[AlertRaised].topic,
        rung.value,
        timeout=300,
    )
    published, cases = int(in_outbox["published"]), int(in_outbox["cases"])
    return abs(count - int(listed)) + abs(count - cases) + abs(published - cases)
