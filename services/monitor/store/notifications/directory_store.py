"""The directory of the people who are notified, as a versioned document and as a file that people write."""

from functools import lru_cache
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.messages.documents import PostsPublished
from contracts.rights.table import RIGHTS, Act
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


def obstacle(content: DirectoryFile) -> tuple[str, str] | None:
    """Why nobody could change this directory once it is in force, in each language; None if that is possible."""
    needed = 2 if content.four_eyes else 1
    changing = {post.person for post in content.posts if Act.CHANGE_DIRECTORY in RIGHTS[content.roles[post.role]]}
    if len(changing) >= needed:
        return None
    roles = ", ".join(name for name, role in content.roles.items() if Act.CHANGE_DIRECTORY in RIGHTS[role])
    return (
        f"under this directory {len(changing)} persons may change it, and {needed} are needed: give {needed} persons a "
        f"post of one of {roles}, or set four_eyes to false where one person is enough",
        f"按此名录，有权变更名录的有 {len(changing)} 人，至少须 {needed} 人：请为 {needed} 人设 {roles} 之一的岗位；"
        "只有一人时请将 four_eyes 设为 false",
    )


@lru_cache(maxsize=1)
def _posts(number: int, body: str) -> PostsPublished:
    return DIRECTORY.parse(number, body).published()


@lru_cache(maxsize=4)
def _directory(number: int, body: str) -> Directory:
    return Directory(DIRECTORY.parse(number, body))
