"""One installation for all that attacks by HTTP: real engines, real services, a token for staff."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.hostile.attacked_centre import besieged
from tests.support.centre import Centre


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def centre(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Centre]:
    """A service centre whose HTTP servers are open to anybody who reaches them."""
    async with besieged(tmp_path_factory.mktemp("besieged")) as centre:
        yield centre
