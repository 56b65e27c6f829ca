"""A running issuer and a browser, for each test."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from deploy.local.engines import Engines
from services.identity.migrations import ISSUER_MIGRATIONS
from services.monitor.app import SERVICE
from tests.support.databases import service_database
from tests.support.identity.browser import Browser
from tests.support.identity.issuing import Issuing, issuing
from tests.support.identity.program import Program


@pytest.fixture
def issuer_database(engines: Engines) -> Iterator[str]:
    """The address of an empty database of the issuer."""
    with service_database(engines, "identity", ISSUER_MIGRATIONS) as address:
        yield address


@pytest.fixture
def monitor_database(engines: Engines) -> Iterator[str]:
    """The address of an empty database of monitor."""
    with service_database(engines, "monitor", SERVICE.migrations) as address:
        yield address


@pytest.fixture
async def running(issuer_database: str, tmp_path: Path) -> AsyncIterator[Issuing]:
    async with issuing(issuer_database, tmp_path) as running:
        await running.with_password("wang-fang")
        yield running


@pytest.fixture
async def browser(running: Issuing) -> AsyncIterator[Browser]:
    async with Browser(running.url) as browser:
        yield browser


@pytest.fixture
def pages(browser: Browser) -> Program:
    return Program(browser)
