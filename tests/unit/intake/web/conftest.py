"""A host of intake in memory, and a case on it."""

import pytest

from services.intake.core.state import Case
from tests.support.runtime.fakes import MemoryHost
from tests.unit.intake.web.endpoints import intake, post


@pytest.fixture
def process() -> MemoryHost[Case]:
    return intake()


@pytest.fixture
def case(process: MemoryHost[Case]) -> str:
    """The number of an accepted case, whose acceptance is not among the published messages."""
    number: str = post(process).json()["number"]
    process.published.clear()
    return number
