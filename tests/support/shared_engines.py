"""Work on engines that other tests use before and after: it leaves neither topics nor databases behind."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient

from deploy.local.engines import Engines
from deploy.local.engines.postgres import Postgres
from deploy.local.platform import Platform
from deploy.local.wiring import Options
from tests.support.waiting import eventually


@asynccontextmanager
async def platform_on(engines: Engines, folder: Path, options: Options) -> AsyncIterator[Platform]:
    """A platform on these engines, which run already. Their logs are not in its folder."""
    before = await _databases(engines.postgres)
    try:
        async with Platform(folder, options, engines=engines) as platform:
            yield platform
    finally:
        await remove_topics(engines.kafka)
        for name in await _databases(engines.postgres) - before:
            await engines.postgres.drop_database(name)


async def _databases(postgres: Postgres) -> set[str]:
    connection = await postgres.connect()
    try:
        return {row["datname"] for row in await connection.fetch("SELECT datname FROM pg_database")}
    finally:
        await connection.close()


async def remove_topics(address: str) -> None:
    """Remove all topics but Kafka's own."""
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
