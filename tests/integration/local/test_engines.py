"""The real engines as child processes: their data survives a kill, and they end with their parent."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import UnknownTopicOrPartitionError

from deploy.local.engines import Engines
from deploy.local.engines.postgres import Postgres
from deploy.local.site import FolderInUse, FolderLock
from tests.support.installation import all_end
from tests.support.waiting import eventually

HOLDER = """
import asyncio, pathlib, sys
from deploy.local.engines import Engines
async def main():
    async with Engines(pathlib.Path(sys.argv[1])):
        print("ready", flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


def processes_in(folder: Path) -> list[psutil.Process]:
    """All processes that name the folder in their command, or were started by one that does."""
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter(["cmdline"]):
        if process.pid != os.getpid() and str(folder) in " ".join(process.info["cmdline"] or ()):
            for one in (process, *process.children(recursive=True)):
                found[one.pid] = one
    return list(found.values())


@asynccontextmanager
async def connected(url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def one_postgres(folder: Path) -> AsyncIterator[Postgres]:
    """A server as it is started by `Engines`, with nothing changed."""
    postgres = Postgres(folder, lambda _: None)
    try:
        await postgres.start()
        yield postgres
    finally:
        await postgres.stop()


async def publish(kafka: str, topic: str, value: bytes) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=kafka, acks="all") as producer:
        await producer.send_and_wait(topic, value)


async def first_record(kafka: str, topic: str) -> bytes:
    async with AIOKafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="earliest") as consumer:
        consumer.assign([TopicPartition(topic, 0)])
        async with asyncio.timeout(15):
            return bytes((await consumer.getone()).value)


async def test_the_database_is_durable_and_of_the_chosen_version(tmp_path: Path) -> None:
    async with one_postgres(tmp_path) as postgres, connected(postgres.url("postgres")) as connection:
        assert (await connection.fetchval("SHOW server_version")).startswith("18.")
        assert await connection.fetchval("SHOW fsync") == "on"
        assert await connection.fetchval("SHOW synchronous_commit") == "on"
        assert await connection.fetchval("SHOW timezone") == "UTC"
        assert await connection.fetchval("SHOW log_error_verbosity") == "terse", "the log would have values of rows"


async def test_a_wrong_password_is_refused(database_url: str) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(database_url.replace("+asyncpg", ""), password="guessed")


async def test_a_second_instance_in_the_folder_is_refused(engines: Engines) -> None:
    with pytest.raises(FolderInUse, match=f"in use by process {os.getpid()}"):
        await Engines(engines.folder).start()
    assert all(engine.running for engine in engines.all)


async def test_a_misspelt_topic_is_not_created(kafka_address: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_address)
    await admin.start()
    try:
        (answer,) = await admin.describe_topics(["onedoor.mispelt"])
        assert answer["error_code"] == UnknownTopicOrPartitionError.errno
        assert "onedoor.mispelt" not in await admin.list_topics()
    finally:
        await admin.close()


async def test_killed_engines_start_again_with_their_data(tmp_path: Path) -> None:
    async with Engines(tmp_path) as engines:
        assert await engines.postgres.create_database("kept")
        async with connected(engines.database_url("kept")) as connection:
            await connection.execute("CREATE TABLE cases (number text); INSERT INTO cases VALUES ('K7Q2')")
        await publish(engines.kafka, "onedoor.cases", b"K7Q2")
        addresses = engines.kafka, engines.postgres.address
        for engine in engines.all:
            engine.kill()
            assert not engine.running
        for engine in engines.all:
            await engine.start()
        assert (engines.kafka, engines.postgres.address) == addresses
        assert await first_record(engines.kafka, "onedoor.cases") == b"K7Q2"
        async with connected(engines.database_url("kept")) as connection:
            assert await connection.fetchval("SELECT number FROM cases") == "K7Q2"
        assert not await engines.postgres.create_database("kept")


async def test_nothing_outlives_a_killed_parent(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], stdout=subprocess.PIPE, env=os.environ.copy())
    assert holder.stdout is not None
    assert await asyncio.to_thread(holder.stdout.readline) == b"ready\n"
    children = processes_in(tmp_path)
    assert len(children) > 2
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    await all_end(children)
    # The pid file of the dead server is there. Another process may have its number by now, such as this one.
    (tmp_path / "postgres" / "data" / "postmaster.pid").write_text(f"{os.getpid()}\n")
    async with Engines(tmp_path) as engines:
        assert all(engine.running for engine in engines.all)
    assert processes_in(tmp_path) == []


async def test_a_cancelled_start_leaves_no_tool_running(tmp_path: Path) -> None:
    """Each tool that prepares an engine writes into its folder, which may be deleted next."""
    engines = Engines(tmp_path)

    async def at_work() -> bool:
        return any("initdb" in " ".join(process.cmdline()) for process in processes_in(tmp_path))

    starting = asyncio.create_task(engines.start())
    await eventually(at_work, 30)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert [process.cmdline() for process in processes_in(tmp_path)] == []


async def test_engines_run_in_a_folder_with_any_name(tmp_path: Path) -> None:
    folder = tmp_path / "数据, 测试 a=b\\u0041#%20"
    async with Engines(folder) as engines:
        await publish(engines.kafka, "onedoor.test", b"1")
        async with connected(engines.database_url("postgres")) as connection:
            assert await connection.fetchval("SELECT 1") == 1
    assert list(folder.glob("kafka/data/onedoor.test-0/*.log")), "its log is in its folder"
    async with Engines(folder) as engines:
        assert await first_record(engines.kafka, "onedoor.test") == b"1"


async def test_an_engine_that_fails_while_it_stops_leaves_neither_the_others_nor_the_lock(tmp_path: Path) -> None:
    engines = Engines(tmp_path)
    await engines.start()

    async def fail() -> None:
        raise OSError("no space left")

    engines.brokers[0].after_stop = fail  # type: ignore[method-assign]
    with pytest.raises(OSError, match="no space left"):
        await engines.stop()
    assert processes_in(tmp_path) == []
    FolderLock(tmp_path).release()
