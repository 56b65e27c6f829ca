"""The real engines, for every test that needs them, and the order in which tests run side by side.

Several workers share the files of tests (pytest-xdist, ``tests/__main__.py``). Each has one Kafka and one PostgreSQL.
"""

import asyncio
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from deploy.local.engines import Engines
from tests.support.waiting import eventually

os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
"""The tests' own clients call this machine without a proxy. Those of the platform have tests of their own."""

settings.register_profile("side by side", deadline=None)
settings.load_profile("side by side")  # no test is timed: others run beside it

ROOMS = ("e2e", "hostile", "replay", "integration", "chaos", "contract", "unit")
"""The rooms of tests, the longest ones first: started last, one of them would be waited for alone."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the rooms. The order within a room stays."""
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    room = item.path.relative_to(Path(__file__).parent).parts[0]
    return ROOMS.index(room) if room in ROOMS else len(ROOMS)


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    """Kafka and PostgreSQL, started once."""
    engines = Engines(tmp_path_factory.mktemp("engines"))
    asyncio.run(engines.start())
    yield engines
    asyncio.run(engines.stop())


@pytest.fixture
def database_url(engines: Engines) -> Iterator[str]:
    """The address of an empty database that only this test uses."""
    name = f"test_{uuid.uuid4().hex}"
    asyncio.run(engines.postgres.create_database(name, template="template0"))
    yield engines.database_url(name)
    asyncio.run(engines.postgres.drop_database(name))


@pytest.fixture
def kafka_address(engines: Engines) -> Iterator[str]:
    """The address of a broker without topics; those that the test makes are removed after it."""
    yield engines.kafka
    asyncio.run(_remove_topics(engines.kafka))


async def _remove_topics(address: str) -> None:
    from aiokafka.admin import AIOKafkaAdminClient

    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    try:

        async def gone() -> bool:
            topics = [name for name in await admin.list_topics() if not name.startswith("__")]
            if topics:
                await admin.delete_topics(topics)
            return not topics

        await eventually(gone, 20)
    finally:
        await admin.close()
