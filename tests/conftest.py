"""The real engines, for every test that asks for them: one Kafka and one PostgreSQL a test session."""

import asyncio
import uuid
from collections.abc import Iterator

import pytest

from deploy.local.engines import Engines
from tests.support.waiting import eventually


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
