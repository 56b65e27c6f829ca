"""A site of commerce, and its exchange database."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from tests.support.adapter_sites import CommerceSite


@pytest.fixture
async def site(database_url: str, tmp_path: Path) -> AsyncIterator[CommerceSite]:
    async with CommerceSite(database_url, tmp_path) as site:
        yield site


@pytest.fixture
async def exchange(site: CommerceSite) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(site.database)
    yield engine
    await engine.dispose()
