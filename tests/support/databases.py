"""Databases on the engines of the session, each for one test."""

import asyncio
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from contracts.messages.documents import PostsPublished
from deploy.local.engines import Engines
from services.operator.databases import connected
from services.runtime.kafka.documents import FOLLOWED
from services.runtime.store import documents


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


def put_posts_in_force(address: str, posts: PostsPublished) -> None:
    """Put the posts of a directory in force in the database of a service."""

    async def main() -> None:
        async with connected(address) as database, database.begin() as connection:
            await documents.put(connection, FOLLOWED[posts.kind], posts, "for a test")

    asyncio.run(main())
