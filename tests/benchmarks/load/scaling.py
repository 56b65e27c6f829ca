"""The effect of more replicas, partitions and brokers: ratios of each trial to the first one in the same run.

The load is that of routing, which receives messages about every case
from all sides: acceptances arrive all at once, and when every case is planned, the answers of its three departments.
It needs no HTTP and no department, so that the trials differ only in replicas, partitions and brokers.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from aiokafka import AIOKafkaProducer

from contracts.codec import CONTENT_TYPE_HEADER, encode
from contracts.envelope import Envelope, Message
from contracts.messages.cases import CaseAccepted
from contracts.registry import REGISTRY, topic_of, topics_for
from deploy.local.engines import Engines
from deploy.local.processes.supervisor import Supervised, Supervisor
from deploy.local.wiring import Options, Wiring, preload
from services.registry import default_systems
from services.runtime.settings import Settings
from tests.benchmarks import measured_platform, resources
from tests.benchmarks.figures import Figure, figure
from tests.support.cases import stored_cases
from tests.support.cases.simulated_case import simulate, three_departments_plan
from tests.support.messages import CASE_ID
from tests.support.partial_platform import READY_S
from tests.support.runtime.topics import ensure_topics
from tests.support.waiting import eventually

SYSTEMS = default_systems()

CASES = 3000
RECORDS_A_CASE = 1 + len(SYSTEMS)
"""Messages that routing receives about a case: its acceptance, and an answer of each department."""

IDLE_S = 5.0
LONGEST_S = 120.0


@dataclass(frozen=True, slots=True)
class Trial:
    """One configuration of routing."""

    name: str
    replicas: int = 1
    partitions: int = 4


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a trial. Processor time is in seconds: during the load, and in one idle second."""

    records_a_second: float
    routing_s: float
    kafka_s: float
    postgres_s: float
    routing_idle: float
    kafka_idle: float


BASE = Trial("one replica, 4 partitions")
TWO_REPLICAS = Trial("two replicas", replicas=2)
THREE_REPLICAS = Trial("three replicas of 4 partitions", replicas=3)
MANY_PARTITIONS = Trial("64 partitions a topic", partitions=64)


class Testbed:
    """The engines, with so many brokers, and a supervisor for routing's replicas."""

    def __init__(self, path: Path, brokers: int) -> None:
        self._place = path
        self._brokers = brokers
        self._engines = Engines(path, brokers=brokers, throwaway=True)
        self._supervisor = Supervisor(path / "logs", preload(SYSTEMS), print)
        received = simulate(three_departments_plan(), answered=True).received("routing")
        self._acceptances = [one for one in received if isinstance(one.data, CaseAccepted)]
        self._answers = [one for one in received if not isinstance(one.data, CaseAccepted)]

    async def __aenter__(self) -> "Testbed":
        try:
            self._supervisor.start()
            await self._engines.start()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._supervisor.stop()
        await self._engines.stop()

    async def run(self, trial: Trial, cases: int) -> Result:
        """One trial, with topics and a database of its own."""
        prefix = f"{uuid4().hex[:6]}-"
        database = f"trial_{prefix[:-1]}"
        await self._engines.postgres.create_database(database)
        own = {
            "ONEDOOR_TOPIC_PREFIX": prefix,
            "ONEDOOR_DATABASE": self._engines.database_url(database),
            "ONEDOOR_PARTITIONS": str(trial.partitions),
        }
        options = Options(
            sandboxes=False, brokers=self._brokers, replicas={"routing": trial.replicas}, extra={"routing": own}
        )
        wiring = Wiring(self._place, self._engines.kafka, self._engines.database_url, options)
        await self._supervisor.run(wiring.migration("routing"))
        await ensure_topics(
            Settings(
                service="routing",
                systems=SYSTEMS,
                kafka=self._engines.kafka,
                topic_prefix=prefix,
                database=self._engines.database_url(database),
                secret_key="k" * 32,
                documents_key="k" * 32,
                partitions=trial.partitions,
                replication=self._brokers,
            ),
            topics_for(REGISTRY, SYSTEMS),
        )
        replicas = [self._supervisor.keep(replica) for replica in wiring.replicas("routing")]
        await self._supervisor.all_ready(READY_S)
        try:
            return await self._measure(replicas, prefix, database, cases)
        finally:
            await self._supervisor.drop(*(process.specification.name for process in replicas))

    async def _measure(self, replicas: Sequence[Supervised], prefix: str, database: str, cases: int) -> Result:
        pids = {process.specification.name: process.pid for process in replicas if process.pid is not None}
        pids |= {engine.name: engine.process.pid for engine in self._engines.all if engine.process is not None}
        rest = await self._idle(pids)
        connection = await self._engines.postgres.connect(database)
        try:

            async def planned() -> bool:
                return bool(await connection.fetchval("SELECT count(*) FROM cases") >= cases)

            async def decided() -> bool:
                found = await connection.fetchval("SELECT count(*) FROM cases WHERE closed_at IS NOT NULL")
                return bool(found >= cases)

            before, began = resources.processor_seconds(pids), time.perf_counter()
            await self._publish(self._acceptances, prefix, cases)
            await eventually(planned, LONGEST_S, "every case is planned", poll_s=0.05)
            await self._publish(self._answers, prefix, cases)
            await eventually(decided, LONGEST_S, "every case is decided", poll_s=0.05)
            seconds = time.perf_counter() - began
            parked = await connection.fetchval("SELECT count(*) FROM dead_letters")
        finally:
            await connection.close()
        if parked:
            raise RuntimeError(f"{parked} records were parked: the trial measured something else")
        spent = {name: after - before[name] for name, after in resources.processor_seconds(pids).items()}
        return Result(
            records_a_second=cases * RECORDS_A_CASE / seconds,
            routing_s=_sum(spent, "routing"),
            kafka_s=_sum(spent, "kafka"),
            postgres_s=_sum(spent, "postgres"),
            routing_idle=_sum(rest, "routing"),
            kafka_idle=_sum(rest, "kafka"),
        )

    async def _idle(self, pids: dict[str, int]) -> dict[str, float]:
        """Processor time of each process in one idle second."""
        before = resources.processor_seconds(pids)
        await asyncio.sleep(IDLE_S)
        return {name: (after - before[name]) / IDLE_S for name, after in resources.processor_seconds(pids).items()}

    async def _publish(self, envelopes: Sequence[Envelope[Message]], prefix: str, cases: int) -> None:
        """Publish these messages about so many cases, each with its own number and ids."""
        templates = [(prefix + topic_of(one.data), encode(one), str(one.id).encode()) for one in envelopes]
        of, acks = CASE_ID.encode(), []
        async with AIOKafkaProducer(
            bootstrap_servers=self._engines.kafka, acks="all", linger_ms=1, max_batch_size=512 * 1024
        ) as producer:
            for number in range(cases):
                case_id = stored_cases.number_of(number).encode()
                for topic, event, own in templates:
                    value = event.replace(of, case_id).replace(own, str(uuid4()).encode())
                    acks.append(await producer.send(topic, value, key=case_id, headers=CONTENT_TYPE_HEADER))
            await asyncio.gather(*acks)


def _sum(spent: dict[str, float], name: str) -> float:
    """The sum over all processes whose name begins so."""
    return sum(seconds for process, seconds in spent.items() if process.startswith(name))


async def measure(cases: int) -> list[Figure]:
    """All trials, one after another."""
    results: dict[str, Result] = {}
    with measured_platform.folder("scaling-one") as path:
        async with Testbed(path, brokers=1) as bench:
            await bench.run(Trial("warm"), cases // 3)
            for trial in (BASE, TWO_REPLICAS, THREE_REPLICAS, MANY_PARTITIONS):
                results[trial.name] = await bench.run(trial, cases)
                print(trial.name, results[trial.name], flush=True)
    with measured_platform.folder("scaling-three") as path:
        async with Testbed(path, brokers=3) as bench:
            await bench.run(Trial("warm"), cases // 3)
            results["three brokers"] = await bench.run(BASE, cases)
            print("three brokers", results["three brokers"], flush=True)
    return _figures(results, cases)


def _figures(results: dict[str, Result], cases: int) -> list[Figure]:
    base = results[BASE.name]
    records = cases * RECORDS_A_CASE
    made = [
        figure(f"scaling: {BASE.name}, routing's records", base.records_a_second, "1/s"),
        figure("scaling: the same, processor time of routing", 1000 * base.routing_s / records, "ms a record"),
        figure("scaling: the same, processor time of PostgreSQL", 1000 * base.postgres_s / records, "ms a record"),
        figure("scaling: the same, processor time of Kafka", 1000 * base.kafka_s / records, "ms a record"),
        figure("scaling: the same, processor of routing at rest", base.routing_idle, "1"),
    ]
    for name, result in results.items():
        if name == BASE.name:
            continue
        ratios = {
            "records a second": result.records_a_second / base.records_a_second,
            "processor time of routing": result.routing_s / base.routing_s,
            "processor time of Kafka": result.kafka_s / base.kafka_s,
            "processor time of PostgreSQL": result.postgres_s / base.postgres_s,
            "processor of routing at rest": result.routing_idle / base.routing_idle,
            "processor of Kafka at rest": result.kafka_idle / base.kafka_idle,
        }
        made += [figure(f"scaling: {name}, {what}", ratio, "1", ratio_to=BASE.name) for what, ratio in ratios.items()]
    return made
