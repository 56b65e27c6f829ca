"""Databases of monitor: each test has its own, copied from one that was migrated once."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from pydantic import SecretStr

from deploy.local.engines import Engines
from services.monitor.app import SERVICE
from services.monitor.core.state import MonitoredCase
from services.runtime.process import ServiceProcess
from services.runtime.settings import Settings
from services.runtime.store.tables import migrate


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


@pytest_asyncio.fixture
async def process(database_url: str) -> AsyncIterator[ServiceProcess[MonitoredCase]]:
    """Monitor's host, not started: nothing here needs Kafka."""
    host = ServiceProcess(
        SERVICE,
        Settings(service="monitor", systems=("tax",), database=SecretStr(database_url), secret_key=SecretStr("k" * 32)),
    )
    yield host
    await host.database.dispose()
