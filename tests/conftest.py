"""The real engines, for every test that needs them, and the order in which tests run side by side.

Several workers share the files of tests (pytest-xdist, ``tests/__main__.py``). Each has one Kafka and one PostgreSQL.
"""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from deploy.local.engines import Engines
from deploy.local.engines.postgres import Postgres
from tests.support.databases import own_database

os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
"""The tests' own clients call this machine without a proxy. Those of the platform have tests of their own."""

settings.register_profile("side by side", deadline=None)
settings.load_profile("side by side")  # no test is timed: others run beside it

ROOMS = ("e2e", "hostile", "replay", "integration", "browser", "chaos", "contract", "unit")
"""The rooms of tests, the longest ones first: started last, one of them would be waited for alone."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the rooms. The order within a room stays."""
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    room = item.path.relative_to(Path(__file__).parent).parts[0]
    return ROOMS.index(room) if room in ROOMS else len(ROOMS)


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    """Kafka and PostgreSQL, started once.

    PostgreSQL does not wait for the disk: that takes longer than most tests, and would matter in a power cut only.
    Tests that kill it have engines of their own.
    """
    engines = Engines(tmp_path_factory.mktemp("engines"), throwaway=True)
    asyncio.run(engines.start())
    asyncio.run(_without_flushes(engines.postgres))
    yield engines
    asyncio.run(engines.stop())


async def _without_flushes(postgres: Postgres) -> None:
    connection = await postgres.connect()
    try:
        await connection.execute("ALTER SYSTEM SET fsync = off")
        await connection.execute("SELECT pg_reload_conf()")
    finally:
        await connection.close()


@pytest.fixture
def database_url(engines: Engines) -> Iterator[str]:
    """The address of an empty database that only this test uses."""
    with own_database(engines) as address:
        yield address


@pytest.fixture
def kafka_address(engines: Engines) -> Iterator[str]:
    """The address of a broker without topics; those that the test makes are removed after it."""
    from tests.support.shared_engines import remove_topics

    yield engines.kafka
    asyncio.run(remove_topics(engines.kafka))
