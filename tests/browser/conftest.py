"""One browser and one monitor with figures for all tests of pages, on the loop of the session."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from deploy.local.engines import Engines
from services.identity.migrations import ISSUER_MIGRATIONS
from services.monitor.app import SERVICE
from services.runtime.http.app import application
from services.runtime.http.pages.application import service_pages
from services.runtime.http.site import Site
from tests.browser import worklist_data
from tests.browser.board_data import fill
from tests.support.databases import service_database
from tests.support.http_server import http_server
from tests.support.identity.issuing import Issuing, issuing
from tests.support.monitor_process import MonitorProcess, opened
from tests.support.pages.browser import chromium


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """The browser."""
    async with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def monitor_database(engines: Engines) -> Iterator[str]:
    """The URL of a database of monitor."""
    with service_database(engines, "monitor", SERVICE.migrations) as address:
        yield address


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def monitor_address(monitor_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The address of a monitor with the figures of a city."""
    async with opened(monitor_database, tmp_path_factory.mktemp("monitor")) as monitor:
        await fill(monitor)
        async with served(monitor) as address:
            yield address


@pytest.fixture(scope="session")
def issuer_database(engines: Engines) -> Iterator[str]:
    """The URL of a database of the issuer."""
    with service_database(engines, "identity", ISSUER_MIGRATIONS) as address:
        yield address


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def issuer(issuer_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Issuing]:
    """A running issuer with the account of Wang Fang."""
    async with issuing(issuer_database, tmp_path_factory.mktemp("issuer"), login_pages_a_minute=10_000) as running:
        await running.with_password("wang-fang")
        yield running


class MonitorAtWork(NamedTuple):
    """A monitor with cases under way, of which a test may change what it likes."""

    monitor: MonitorProcess
    address: str


@pytest.fixture
def own_monitor_database(engines: Engines) -> Iterator[str]:
    """The URL of a database of monitor that only this test uses."""
    with service_database(engines, "monitor", SERVICE.migrations) as address:
        yield address


@pytest_asyncio.fixture(loop_scope="session")
async def at_work(own_monitor_database: str, tmp_path: Path) -> AsyncIterator[MonitorAtWork]:
    """A monitor of the test's own, with the cases of `worklist_data`."""
    async with _working(own_monitor_database, tmp_path) as working:
        yield working


@pytest.fixture(scope="session")
def unchanged_database(engines: Engines) -> Iterator[str]:
    """The URL of a database of monitor."""
    with service_database(engines, "monitor", SERVICE.migrations) as address:
        yield address


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def unchanged(unchanged_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[MonitorAtWork]:
    """The same for all tests, which read only."""
    async with _working(unchanged_database, tmp_path_factory.mktemp("unchanged")) as working:
        yield working


@asynccontextmanager
async def _working(database: str, folder: Path) -> AsyncIterator[MonitorAtWork]:
    async with opened(database, folder) as monitor:
        await worklist_data.fill(monitor)
        processing = asyncio.create_task(monitor.process.queue.run())
        async with served(monitor) as address:
            yield MonitorAtWork(monitor, address)
        processing.cancel()
        await asyncio.gather(processing, return_exceptions=True)
        await monitor.process.processor.drain()


@asynccontextmanager
async def served(monitor: MonitorProcess) -> AsyncIterator[str]:
    process = monitor.process
    pages = service_pages(SERVICE, process)
    async with http_server(Site(SERVICE.name, application(SERVICE, process), pages)) as (_, address):
        yield address
