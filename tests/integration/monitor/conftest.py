"""Monitor on databases of its own: each test has one, copied from one that was migrated once."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from deploy.local.engines import Engines
from services.monitor.app import SERVICE
from tests.support.databases import service_database
from tests.support.monitor_process import MonitorProcess, opened


@pytest.fixture
def database_url(engines: Engines) -> Iterator[str]:
    """The URL of a database of monitor that only this test uses."""
    with service_database(engines, "monitor", SERVICE.migrations) as address:
        yield address


@pytest.fixture
async def monitor(database_url: str, tmp_path: Path) -> AsyncIterator[MonitorProcess]:
    async with opened(database_url, tmp_path) as monitor:
        yield monitor
