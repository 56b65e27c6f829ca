"""Puts a first directory in force in the databases of a new platform, before its services start."""

from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from contracts.bilingual import both
from contracts.messages.documents import PostsPublished
from services.addresses import Addresses
from services.monitor.core.notifications.directory_file import DirectoryFile
from services.monitor.store.notifications import directory_store
from services.runtime.kafka.documents import FOLLOWED
from services.runtime.store import documents

_FIRST = both("the first directory", "首份人员名录")


async def put_in_force(directory: DirectoryFile | PostsPublished, addresses: Addresses) -> None:
    """Put the directory in force at monitor, and its posts at every service, unless they have one already."""
    posts = directory.published() if isinstance(directory, DirectoryFile) else directory
    for name, address in addresses.services.items():
        engine = create_async_engine(address, poolclass=NullPool, hide_parameters=True)
        try:
            async with engine.begin() as connection:
                if await documents.in_force(connection, posts.kind) is None:
                    await documents.put(connection, FOLLOWED[posts.kind], posts, _FIRST)
                if name == "monitor" and isinstance(directory, DirectoryFile):
                    await directory_store.put(connection, directory, _FIRST)
        finally:
            await engine.dispose()
