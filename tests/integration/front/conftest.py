"""A running front and a browser, for each test."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from deploy.local.engines import Engines
from services.front.migrations import FRONT_MIGRATIONS
from services.identity.migrations import ISSUER_MIGRATIONS
from tests.support.databases import service_database
from tests.support.front.fronting import Fronting, fronting
from tests.support.identity.browser import Browser


@pytest.fixture
def databases(engines: Engines) -> Iterator[tuple[str, str]]:
    """The addresses of empty databases of the front and of the issuer."""
    with (
        service_database(engines, "front", FRONT_MIGRATIONS) as front,
        service_database(engines, "identity", ISSUER_MIGRATIONS) as issuer,
    ):
        yield front, issuer


@pytest.fixture
async def running(databases: tuple[str, str], tmp_path: Path) -> AsyncIterator[Fronting]:
    async with fronting(*databases, tmp_path) as running:
        yield running


@pytest.fixture
async def browser(running: Fronting) -> AsyncIterator[Browser]:
    async with Browser(running.url) as browser:
        yield browser
