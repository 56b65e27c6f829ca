"""The directory in force, and those before it, in monitor's database; and reading directory files."""

from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.monitor.notifications.directory import Directory, DirectoryFile
from services.runtime.store.documents import Outrun, UnusableEdition
from services.runtime.yaml_file import read_yaml

SAMPLE = Path(__file__).with_name("directory.yaml")
"""A directory to begin with. It is not in force by itself: its people are made up."""


class Kept(NamedTuple):
    """One directory on record. ``made_at`` is machine time."""

    number: int
    summary: str
    made_at: datetime
    body: str


_LATEST = text("SELECT number, summary, made_at, body FROM directories ORDER BY number DESC LIMIT 1")

_NOBODY_PUTS = text("LOCK TABLE directories IN SHARE ROW EXCLUSIVE MODE")

_PUT = text("""
    INSERT INTO directories (number, body, summary)
    SELECT coalesce(max(number), 0) + 1, :body, :summary FROM directories RETURNING number
""")


def read(file: Path) -> DirectoryFile:
    """A directory file. Raises `services.runtime.yaml_file.InvalidFile`, and `OSError`."""
    return read_yaml(DirectoryFile, file.read_bytes())


async def kept(connection: AsyncConnection) -> Kept | None:
    """The directory in force, as it is on record; None where there is none yet."""
    found = (await connection.execute(_LATEST)).one_or_none()
    return Kept(*found) if found is not None else None


async def latest(connection: AsyncConnection) -> tuple[int, Directory] | None:
    """The number of the directory in force, and what it says; None where there is none yet.

    Raises `services.runtime.store.documents.UnusableEdition` for one of a newer program that this one cannot read.
    """
    found = await kept(connection)
    return (found.number, _directory(found.number, found.body)) if found is not None else None


async def put(
    connection: AsyncConnection, said: DirectoryFile, summary: str, *, after: int | None = None
) -> int | None:
    """Put a directory in force: its number, or None if it is in force already. ``summary`` tells people what is new.

    ``after``: the number that this one was meant to follow, 0 for none. Raises `documents.Outrun` if another is in
    force.
    """
    await connection.execute(_NOBODY_PUTS)
    known = await kept(connection)
    if after is not None and after != (known.number if known is not None else 0):
        raise Outrun
    body = said.model_dump_json()
    if known is not None and known.body == body:
        return None
    number: int | None = await connection.scalar(_PUT, {"body": body, "summary": summary})
    return number


@lru_cache(maxsize=4)
def _directory(number: int, body: str) -> Directory:
    try:
        return Directory(DirectoryFile.model_validate_json(body))
    except ValueError:
        raise UnusableEdition(f"directory {number} cannot be read by this program") from None
