"""Toy processes on the real engines: whole ones, and batch processors with a publisher in memory."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from deploy.local.engines import Engines
from services.runtime.batch.processor import BatchProcessor
from services.runtime.clock import SystemClock
from services.runtime.process import ServiceProcess
from tests.support.databases import service_database
from tests.support.runtime.fakes import MemoryPublisher
from tests.support.runtime.processes import MakeProcessor, Start
from tests.support.runtime.toy import FakeSystem, Tally, settings, toy
from tests.support.waiting import eventually


@pytest.fixture
def toy_database(engines: Engines) -> Iterator[str]:
    """The address of a database with the tables of the toy."""
    with service_database(engines, "toy", toy().migrations) as address:
        yield address


@pytest.fixture
async def database(toy_database: str) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(toy_database)
    yield engine
    await engine.dispose()


@pytest.fixture
def kafka() -> MemoryPublisher:
    return MemoryPublisher()


@pytest.fixture
async def process(database: AsyncEngine, kafka: MemoryPublisher) -> AsyncIterator[MakeProcessor]:
    """Makes the batch processor of one more process, drained at the end."""
    made: list[BatchProcessor[Tally]] = []

    def process(topics: frozenset[str] | None = None, **changes: Any) -> BatchProcessor[Tally]:
        made.append(BatchProcessor(toy(**changes), database, SystemClock(), kafka.publish, topics))
        return made[-1]

    yield process
    for batches in made:
        await batches.drain()


@pytest.fixture
def batches(process: MakeProcessor) -> BatchProcessor[Tally]:
    return process()


@pytest.fixture
def start(toy_database: str, kafka_address: str) -> Start:
    """Starts toy processes that share one database and one set of topics."""
    prefix = f"test-{uuid4().hex[:8]}-"

    @asynccontextmanager
    async def running(
        system: FakeSystem | None = None, service: dict[str, Any] | None = None, **changes: Any
    ) -> AsyncIterator[ServiceProcess[Tally]]:
        declared = toy(external_system=(lambda host: system) if system else None, **service or {})
        parts = {"kafka": kafka_address, "topic_prefix": prefix, "poll_interval_s": 0.05} | changes
        async with ServiceProcess(declared, settings(toy_database, **parts)) as host:

            async def ready() -> bool:
                return not await host.faults()

            await eventually(ready)
            yield host

    return running
