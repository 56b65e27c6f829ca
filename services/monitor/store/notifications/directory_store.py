"""The directory of the people who are notified, as a versioned document and as a file that people write."""

from functools import lru_cache
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.messages.documents import PostsPublished
from services.monitor.core.notifications.directory import Directory
from services.monitor.core.notifications.directory_file import DirectoryFile
from services.runtime.files.document import read_document
from services.runtime.store import documents
from services.runtime.store.documents import DocumentVersion, VersionedDocument

SAMPLE = Path(__file__).with_name("directory.yaml")
"""A directory to begin with. It is not in force by itself: its people are made up."""

DIRECTORY = VersionedDocument("directory", DirectoryFile)


def read(content: bytes | str) -> DirectoryFile:
    """The content of a directory file. Raises `services.runtime.files.encoding.InvalidFile`."""
    return read_document(DirectoryFile, content)


async def in_force(connection: AsyncConnection) -> DocumentVersion | None:
    """The directory in force, as it is stored; None where there is none yet."""
    return await documents.in_force(connection, DIRECTORY.kind)


async def latest(connection: AsyncConnection) -> tuple[int, Directory] | None:
    """The number of the directory in force, and its content; None where there is none yet.

    Raises `services.runtime.store.documents.UnusableVersion`.
    """
    found = await in_force(connection)
    return (found.number, _directory(found.number, found.body)) if found is not None else None


async def posts_in_force(connection: AsyncConnection) -> PostsPublished | None:
    """The posts of the directory in force, as other services follow them; None where there is none yet.

    Raises `services.runtime.store.documents.UnusableVersion`.
    """
    found = await in_force(connection)
    return _posts(found.number, found.body) if found is not None else None


async def put(
    connection: AsyncConnection, content: DirectoryFile, summary: str, *, after: int | None = None
) -> int | None:
    """Put a directory in force; see `services.runtime.store.documents.put`."""
    return await documents.put(connection, DIRECTORY, content, summary, after=after)


@lru_cache(maxsize=1)
def _posts(number: int, body: str) -> PostsPublished:
    return DIRECTORY.parse(number, body).published()


@lru_cache(maxsize=4)
def _directory(number: int, body: str) -> Directory:
    return Directory(DIRECTORY.parse(number, body))
