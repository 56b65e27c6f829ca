"""Databases on the engines of the session, each for one test."""

import asyncio
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local.engines import Engines


@contextmanager
def own_database(engines: Engines, template: str = "template0") -> Iterator[str]:
    """The address of a new database, a copy of the template. It is removed at the end."""
    name = f"test_{uuid.uuid4().hex}"
    asyncio.run(engines.postgres.create_database(name, template=template))
    yield engines.database_url(name)
    asyncio.run(engines.postgres.drop_database(name))


def migrated(engines: Engines, service: str, migrations: Path) -> str:
    """The name of an empty database of a service, for copies: a copy takes a third of the time of a migration."""
    from services.runtime.store.tables import migrate

    name = f"migrated_{service}"
    if asyncio.run(engines.postgres.create_database(name, template="template0")):
        migrate(service, migrations, engines.database_url(name))
    return name
