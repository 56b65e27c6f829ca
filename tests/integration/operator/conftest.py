"""Databases for the commands of operators."""

from collections.abc import Iterator

import pytest

from deploy.local.engines import Engines
from services.monitor.app import SERVICE
from tests.support.databases import service_database
from tests.support.runtime.toy import toy


@pytest.fixture
def monitor_database(engines: Engines) -> Iterator[str]:
    """The address of an empty database of monitor that only this test uses."""
    with service_database(engines, "monitor", SERVICE.migrations) as address:
        yield address


@pytest.fixture
def toy_database(engines: Engines) -> Iterator[str]:
    """The address of an empty database of the toy that only this test uses."""
    with service_database(engines, "toy", toy().migrations) as address:
        yield address
