"""Databases for the commands of operators."""

import pytest

from services.monitor.app import SERVICE
from services.runtime.store.tables import migrate


@pytest.fixture
def monitor_database(database_url: str) -> str:
    """The address of an empty database of monitor that only this test uses."""
    migrate("monitor", SERVICE.migrations, database_url)
    return database_url
