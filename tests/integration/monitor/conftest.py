"""Monitor on databases of its own: each test has one, copied from one that was migrated once."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from deploy.local.engines import Engines
from services.monitor.app import SERVICE
from services.runtime.store.tables import migrate
from tests.integration.monitor.monitor_process import MonitorProcess, opened


@pytest.fixture(scope="session")
def migrated(engines: Engines) -> str:
    """The name of an empty database of monitor."""
    name = "monitor_migrated"
    asyncio.run(engines.postgres.create_database(name, template="template0"))
    migrate("monitor", SERVICE.migrations, engines.database_url(name))
    return name


@pytest.fixture
def database_url(engines: Engines, migrated: str) -> Iterator[str]:
    """The URL of a database of monitor that only this test uses."""
    name = f"test_{uuid.uuid4().hex}"
    asyncio.run(engines.postgres.create_database(name, template=migrated))
    yield engines.database_url(name)
    asyncio.run(engines.postgres.drop_database(name))


@pytest.fixture
async def monitor(database_url: str, tmp_path: Path) -> AsyncIterator[MonitorProcess]:
    async with opened(database_url, tmp_path) as monitor:
        yield monitor
