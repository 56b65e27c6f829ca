"""One installation for all attacks by HTTP: real engines, real services, a token for staff."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from deploy.local.engines import Engines
from tests.hostile.attacked_centre import attacked_centre
from tests.support.centre import Centre


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def centre(engines: Engines, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Centre]:
    """A service centre whose HTTP servers have no proxy in front."""
    async with attacked_centre(tmp_path_factory.mktemp("attacked"), engines) as centre:
        yield centre
