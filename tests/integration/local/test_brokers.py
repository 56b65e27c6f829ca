"""Three brokers on one machine: any one may be lost with its log, and no record is."""

import asyncio
import shutil
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from deploy.local.engines import Engines
from deploy.local.engines.kafka import Kafka, WrongBrokerCount
from services.runtime.kafka.topics import TopicsNotCreated
from services.runtime.settings import Settings
from tests.support.installation import OnedoorUp, all_end, run_onedoor
from tests.support.runtime.topics import ensure_topics, topic_setting
from tests.support.runtime.toy import settings
from tests.support.runtime.toy_conversation import conversation
from tests.support.waiting import eventually

TOPIC = "onedoor.requests"
CASES = 600
A_SECOND = 40
AWAY_S = 4.0
"""Seconds for which the lost broker is unavailable: the others must go on by then."""

pytestmark = pytest.mark.timeout(180)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def three(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Kafka, ...]]:
    """Three brokers, each of which a test may kill, with its log or without. It leaves all three running."""
    brokers = Kafka.cluster(tmp_path_factory.mktemp("three"), lambda _: None, 3)
    await asyncio.gather(*(broker.start() for broker in brokers))
    yield brokers
    await asyncio.gather(*(broker.stop() for broker in brokers))


def addresses(brokers: tuple[Kafka, ...]) -> str:
    return ",".join(broker.address for broker in brokers)


async def partitions(kafka: str, *topics: str) -> list[dict[str, Any]]:
    """The partitions of these topics as one broker knows them; of all topics if none is named."""
    while True:
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
        try:
            await admin.start()
            found = await admin.describe_topics()
        except KafkaError:  # the broker has just been killed
            continue
        finally:
            await admin.close()
        return [part for topic in found if not topics or topic["topic"] in topics for part in topic["partitions"]]


async def leader(brokers: tuple[Kafka, ...], topic: str) -> Kafka:
    """The broker that leads the first partition of the topic, once the others know it."""
    found: list[int] = []

    async def known() -> bool:
        found[:] = [
            int(part["leader"]) for part in await partitions(addresses(brokers), topic) if part["partition"] == 0
        ]
        return bool(found) and found[0] > 0

    await eventually(known, 15)
    return brokers[found[0] - 1]


async def created(of: Settings, topic: str) -> None:
    """Create the topic, again while the broker that is asked does not yet know the others, as services do."""

    async def ensured() -> bool:
        try:
            await ensure_topics(of, [topic])
        except TopicsNotCreated:
            return False
        return True

    await eventually(ensured, 15)


async def lose(broker: Kafka) -> None:
    """Kill it and delete its folder."""
    broker.kill()
    await asyncio.to_thread(shutil.rmtree, broker.folder)


async def in_sync(kafka: str) -> bool:
    """Whether all three brokers are there, and every partition is on all of them, up to its last record."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    try:
        await admin.start()
        brokers = (await admin.describe_cluster())["brokers"]
    except KafkaError:  # a broker has just been killed, or is starting
        return False
    finally:
        await admin.close()
    return len(brokers) == 3 and all(len(part["replicas"]) == len(part["isr"]) == 3 for part in await partitions(kafka))


async def all_in_sync(kafka: str) -> None:
    await eventually(lambda: in_sync(kafka), 30)


@pytest.mark.asyncio(loop_scope="module")
async def test_acknowledged_records_survive_the_loss_of_their_leader_with_its_disk(three: tuple[Kafka, ...]) -> None:
    kafka = addresses(three)
    of = settings("postgresql+asyncpg://127.0.0.1:1/none", kafka=kafka, replication=3, partitions=1)
    await created(of, topic := "onedoor.records")
    acknowledged: set[bytes] = set()
    lost = await leader(three, topic)
    killed = asyncio.Event()

    async def produce() -> None:
        """Send records until well after the loss; those that Kafka refuses do not count."""
        async with AIOKafkaProducer(bootstrap_servers=kafka, acks="all", request_timeout_ms=5_000) as producer:
            after, number = 0, 0
            while after < 200:
                value = b"%d" % (number := number + 1)
                try:
                    await producer.send_and_wait(topic, value, partition=0)
                except KafkaError:
                    continue
                acknowledged.add(value)
                after += killed.is_set()
                if len(acknowledged) == 300:
                    killed.set()
                    await lose(lost)

    async with asyncio.timeout(60):
        await produce()
    await lost.start()
    await all_in_sync(kafka)
    other = await leader(three, topic)
    other.kill()  # the lost one has the records of this one again
    found: set[bytes] = set()
    async with AIOKafkaConsumer(topic, bootstrap_servers=kafka, auto_offset_reset="earliest") as consumer:
        async with asyncio.timeout(30):
            while not acknowledged <= found:
                found |= {
                    record.value for of_one in (await consumer.getmany(timeout_ms=200)).values() for record in of_one
                }
    await other.start()
    await all_in_sync(kafka)


@pytest.mark.asyncio(loop_scope="module")
async def test_processing_goes_on_when_one_of_three_brokers_dies_under_load(
    three: tuple[Kafka, ...], engines: Engines
) -> None:
    kafka = addresses(three)
    async with conversation(kafka, engines.postgres, CASES, A_SECOND, replication=3) as running:
        await running.reach(CASES // 4, seconds=30)
        for topic in (TOPIC, "__consumer_offsets"):
            assert {len(part["replicas"]) for part in await partitions(kafka, topic)} == {3}
            assert await topic_setting(kafka, topic, "min.insync.replicas") == "2"
            assert await topic_setting(kafka, topic, "unclean.leader.election.enable") == "false"
        lost = await leader(three, TOPIC)
        began, closed = time.monotonic(), await running.closed()
        await lose(lost)
        # More than can have been under way: the two others carry new cases from end to end.
        await running.reach(closed + 2 * A_SECOND, seconds=15)
        print(f"\n{2 * A_SECOND} cases were completed in the {time.monotonic() - began:.1f} s after the loss")
        await asyncio.sleep(max(0.0, began + AWAY_S - time.monotonic()))
        await lost.start()
        await all_in_sync(kafka)
        await running.all_complete_and_nothing_twice(seconds=60)


@pytest.mark.parametrize(("there", "wanted"), [(("kafka",), 3), (("kafka-1", "kafka-2", "kafka-3"), 1)])
def test_a_log_of_another_number_of_brokers_is_refused_and_left_alone(
    tmp_path: Path, there: tuple[str, ...], wanted: int
) -> None:
    for name in there:
        (tmp_path / name / "data").mkdir(parents=True)
        (tmp_path / name / "data" / "meta.properties").write_text("version=1\n")
    result = run_onedoor("up", "--plain", "--folder", str(tmp_path), "--brokers", str(wanted))
    assert result.returncode == 1
    assert f"({', '.join(there)})" in result.stdout
    assert f"start with --brokers {wanted}" in result.stdout
    assert "Traceback" not in result.stdout + result.stderr
    assert sorted(path.name for path in tmp_path.glob("kafka*")) == list(there)
    with pytest.raises(WrongBrokerCount):
        Engines(tmp_path, brokers=wanted)


def test_a_lost_broker_does_not_change_the_number(tmp_path: Path) -> None:
    for name in ("kafka-1", "kafka-3"):
        (tmp_path / name / "data").mkdir(parents=True)
        (tmp_path / name / "data" / "meta.properties").write_text("version=1\n")
    assert [broker.name for broker in Engines(tmp_path, brokers=3).brokers] == ["kafka-1", "kafka-2", "kafka-3"]


@pytest.mark.parametrize("brokers", ["0", "2", "4"])
def test_another_number_of_brokers_is_refused(brokers: str) -> None:
    assert run_onedoor("up", "--brokers", brokers).returncode == 2


async def test_up_keeps_each_of_three_brokers_alive(tmp_path: Path) -> None:
    with OnedoorUp(tmp_path / "data", "--brokers", "3") as up:
        await up.ready()
        kafka = ",".join(up.address(f"kafka-{node}") for node in (1, 2, 3))
        assert {len(part["replicas"]) for part in await partitions(kafka, "onedoor.cases")} == {3}
        family = up.family()
        (victim,) = [one for one in family if "kafka-2/server.properties" in " ".join(one.cmdline())]
        victim.send_signal(signal.SIGKILL)
        psutil.wait_procs([victim])

        async def started_again() -> bool:
            """Nothing listens at its address until it is: the other two may not have noticed its death at all."""
            return "kafka-2 ended: starting it again" in up.output and await in_sync(up.address("kafka-2"))

        await eventually(started_again, 45)
        assert "not ready" not in up.output
        family = up.family()
        assert sum("kafka.Kafka" in one.cmdline() for one in family) == 3
        up.process.send_signal(signal.SIGTERM)
        assert up.process.wait(timeout=40) == 0
        await all_end(family)
