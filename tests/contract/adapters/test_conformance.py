"""Every shipped adapter keeps every promise of the port, against a real system of its kind."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from services.departments.conformance.suite import CHECKS, Site
from tests.support.adapter_sites import SITES, BaseSite


@pytest.fixture(params=SITES, ids=lambda site: site.name)
async def site(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> AsyncIterator[BaseSite]:
    async with request.param(database_url, tmp_path) as site:
        yield site


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_adapter(site: BaseSite, check: Callable[[Site], Awaitable[None]]) -> None:
    await check(site)
