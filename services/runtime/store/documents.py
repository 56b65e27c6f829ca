"""Versioned documents: reference data that changes while cases are open, such as rules, calendars and directories.

A service declares each kind of document it keeps (`VersionedDocument`). Every version stays in the service's database
under a number that counts up, and is never changed: a change is another version. The newest one is in force.

Cases may follow a document. Then batches are reduced by the newest version (`cases.save` refuses any other), and the
roll-out recalculates the open cases in the background (`rollouts`).
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, NamedTuple, TypeVar

from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.core import Core
from contracts.rights.actor import Actor
from services.runtime.store.database import Driver

D = TypeVar("D", bound=BaseModel)

TABLES = (
    """
    CREATE TABLE documents (
        kind text NOT NULL,
        number integer NOT NULL,
        body text NOT NULL,
        summary text NOT NULL,
        made_at timestamptz NOT NULL DEFAULT now(),
        author text,
        author_on_behalf_of text,
        approver text,
        approver_on_behalf_of text,
        PRIMARY KEY (kind, number)
    )
    """,
    "COMMENT ON TABLE documents IS 'every version of each document; the one with the greatest number is in force'",
    "COMMENT ON COLUMN documents.body IS 'the whole document, JSON'",
    "COMMENT ON COLUMN documents.author IS 'the person who has made it; null where no directory was in force'",
    "COMMENT ON COLUMN documents.approver IS 'the second person; null where one person was enough'",
)

SHIPPED = "shipped with onedoor"
"""The summary of a first version that no operator has applied."""


class DocumentVersion(NamedTuple):
    """One version of a document as it is stored. ``made_at`` is machine time, ``summary`` describes it for people.

    ``author`` has made it, and ``approver`` has put it in force, each in their own name or for a person on leave. Both
    are None for what a program has put in force, and before the first directory, when nobody has a right.
    """

    number: int
    body: str
    summary: str
    made_at: datetime
    author: str | None = None
    author_on_behalf_of: str | None = None
    approver: str | None = None
    approver_on_behalf_of: str | None = None


class Superseded(Exception):
    """Another version has come into force than the one that this change was made from."""


class UnusableVersion(OSError):
    """This program cannot read the version in force, for example because a newer program has written it.

    An `OSError`, because the service treats it like an unavailable database: nothing is lost, and it tries again.
    """


@dataclass(frozen=True, slots=True)
class VersionedDocument(Generic[D]):
    """A kind of document that a service keeps.

    ``model``: its content. ``shipped``: the content of the first version, put in force when the service first starts;
    without it, nothing is in force until an operator applies a version. ``core_for``: given where cases follow the
    document; the core that applies a version, by its number and content. It raises `ValueError` for content that it
    cannot apply.
    """

    kind: str
    model: type[D]
    shipped: Callable[[], D] | None = None
    core_for: Callable[[int, D], Core[Any]] | None = None

    def parse(self, number: int, body: str) -> D:
        """The content of a stored version. Raises `UnusableVersion`."""
        try:
            return self.model.model_validate_json(body)
        except ValueError as error:
            raise self._unusable(number, error) from error

    def core(self, number: int, body: str) -> Core[Any] | None:
        """The core that applies a stored version; None where cases do not follow. Raises `UnusableVersion`."""
        if self.core_for is None:
            return None
        try:
            return self.core_for(number, self.model.model_validate_json(body))
        except ValueError as error:
            raise self._unusable(number, error) from error

    def _unusable(self, number: int, error: ValueError) -> UnusableVersion:
        return UnusableVersion(f"version {number} of the {self.kind} cannot be used: {error}")


NUMBER_IN_FORCE = "SELECT coalesce(max(number), 0) FROM documents WHERE kind = {kind}"
"""SQL: the number of the version in force, 0 for none."""

_IN_FORCE = """
    SELECT number, body, summary, made_at, author, author_on_behalf_of, approver, approver_on_behalf_of
    FROM documents WHERE kind = {kind} ORDER BY number DESC LIMIT 1
"""

_BODY = text("SELECT body FROM documents WHERE kind = :kind AND number = :number")

_BODIES = "SELECT number, body FROM documents WHERE kind = $1"

# Monitor has the directory itself, the other services have its posts; each says it under the same name.
_FOUR_EYES = text("""
    SELECT coalesce(bool_and(coalesce((body::jsonb ->> 'four_eyes')::boolean, true)), false)
    FROM documents AS version
    WHERE kind = (SELECT min(kind) FROM documents WHERE kind IN ('directory', 'posts')) AND made_at <= :until
    AND NOT EXISTS (
        SELECT FROM documents AS next
        WHERE next.kind = version.kind AND next.number = version.number + 1 AND next.made_at <= :after
    )
""")

_PUT = text("""
    INSERT INTO documents
        (kind, number, body, summary, author, author_on_behalf_of, approver, approver_on_behalf_of)
    VALUES (:kind, :number, :body, :summary, :author, :author_on_behalf_of, :approver, :approver_on_behalf_of)
""")

# A service puts its first version in force before it reduces its first message: no case has to follow.
_PUT_SHIPPED = """
    WITH made AS (
        INSERT INTO documents (kind, number, body, summary) VALUES ($1, 1, $2, $3) ON CONFLICT DO NOTHING
        RETURNING kind, number
    )
    INSERT INTO rollout_lanes (kind, number, lane, reached, until, began_at, done_at)
    SELECT kind, number, 1, 0, 0, now(), now() FROM made
"""

# PostgreSQL takes a statement's locks before its snapshot: a batch that is being saved is waited for, and one that is
# saved later sees the new version.
_NO_BATCH_SAVES = text("LOCK TABLE cases IN SHARE ROW EXCLUSIVE MODE")

_NO_OTHER_PUTS = text("LOCK TABLE documents IN SHARE ROW EXCLUSIVE MODE")


async def load_in_force(driver: Driver, kind: str) -> DocumentVersion | None:
    """The version in force, read on the connection of the batch loop; None for none."""
    found = await driver.fetchrow(_IN_FORCE.format(kind="$1"), kind)
    return DocumentVersion(*found) if found is not None else None


async def in_force(connection: AsyncConnection, kind: str) -> DocumentVersion | None:
    """The version in force; None for none."""
    found = (await connection.execute(text(_IN_FORCE.format(kind=":kind")), {"kind": kind})).one_or_none()
    return DocumentVersion(*found) if found is not None else None


async def body(connection: AsyncConnection, kind: str, number: int) -> str | None:
    """The content of a version as it is stored; None for an unknown number."""
    found: str | None = await connection.scalar(_BODY, {"kind": kind, "number": number})
    return found


async def bodies(driver: Driver, kind: str) -> dict[int, str]:
    """The content of every version by its number."""
    return {row["number"]: row["body"] for row in await driver.fetch(_BODIES, kind)}


async def four_eyes(connection: AsyncConnection, after: datetime, until: datetime) -> bool:
    """Whether each change of rules, directory and calendar between these moments needed two people: by every version of
    the directory that was in force then. Without a directory one person is enough."""
    return bool(await connection.scalar(_FOUR_EYES, {"after": after, "until": until}))


async def put(
    connection: AsyncConnection,
    document: VersionedDocument[D],
    content: D,
    summary: str,
    *,
    after: int | None = None,
    author: Actor | None = None,
    approver: Actor | None = None,
) -> int | None:
    """Put a version in force and return its number, or None if this content is in force already.

    ``author`` has made it, and ``approver`` is the second person where one is needed.

    ``after``: the number of the version that this change was made from, 0 for none. Raises `Superseded` if another one
    is in force.
    """
    if document.core_for is not None:
        await connection.execute(_NO_BATCH_SAVES)
    await connection.execute(_NO_OTHER_PUTS)
    known = await in_force(connection, document.kind)
    number = known.number if known is not None else 0
    if after is not None and after != number:
        raise Superseded
    body = written(content)
    if known is not None and known.body == body:
        return None
    parameters = {"kind": document.kind, "number": number + 1, "body": body, "summary": summary}
    await connection.execute(_PUT, parameters | _by("author", author) | _by("approver", approver))
    return number + 1


async def put_shipped(driver: Driver, document: VersionedDocument[Any]) -> None:
    """Put the version that the program ships with in force, unless there is one.

    A newer program may ship with another: it goes on with the first one until an operator applies another.
    """
    if document.shipped is not None:
        await driver.execute(_PUT_SHIPPED, document.kind, written(document.shipped()), SHIPPED)


def written(content: BaseModel) -> str:
    """The content as it is stored."""
    plain = content.model_dump(mode="json", by_alias=True)
    return json.dumps(plain, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _by(name: str, actor: Actor | None) -> dict[str, str | None]:
    person, on_behalf_of = actor or (None, None)
    return {name: person, f"{name}_on_behalf_of": on_behalf_of}
