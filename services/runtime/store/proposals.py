"""Proposals: changes of a versioned document that wait for a second person, who puts them in force.

A proposal is made from one version. It comes into force only while that version is the one in force.
"""

from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.rights.actor import Actor
from services.runtime.store import documents
from services.runtime.store.documents import Superseded, VersionedDocument, written

D = TypeVar("D", bound=BaseModel)

TABLES = (
    """
    CREATE TABLE proposals (
        number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        kind text NOT NULL,
        after integer NOT NULL,
        body text NOT NULL,
        summary text NOT NULL,
        author text NOT NULL,
        author_on_behalf_of text,
        proposed_at timestamptz NOT NULL DEFAULT now(),
        status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'approved', 'withdrawn')),
        settled_by text,
        settled_on_behalf_of text,
        settled_at timestamptz
    )
    """,
    "COMMENT ON TABLE proposals IS 'changes of documents that wait for a second person'",
    "COMMENT ON COLUMN proposals.after IS 'the number of the version that it was made from, 0 for none'",
)


class Proposal(NamedTuple):
    """A proposal that nobody has settled. ``after`` is the number of the version that it was made from."""

    number: int
    after: int
    body: str
    summary: str
    author: Actor
    proposed_at: datetime


class NoProposal(Exception):
    """There is no open proposal of this number: it was settled, or never made."""


class SamePerson(Exception):
    """The person who proposes a change does not approve it, nor does a deputy in their name."""


_PROPOSE = text("""
    INSERT INTO proposals (kind, after, body, summary, author, author_on_behalf_of)
    VALUES (:kind, :after, :body, :summary, :author, :author_on_behalf_of) RETURNING number
""")

_COLUMNS = "number, after, body, summary, author, author_on_behalf_of, proposed_at"

_OPEN = text(f"SELECT {_COLUMNS} FROM proposals WHERE kind = :kind AND status = 'open' ORDER BY number")

_FIND = f"SELECT {_COLUMNS} FROM proposals WHERE kind = :kind AND number = :number AND status = 'open'"

_SETTLE = text("""
    UPDATE proposals SET status = :status, settled_at = now(), settled_by = :by, settled_on_behalf_of = :on_behalf_of
    WHERE kind = :kind AND number = :number AND status = 'open'
""")


async def propose(
    connection: AsyncConnection, document: VersionedDocument[D], content: D, summary: str, author: Actor, after: int
) -> int:
    """Keep a change of the version ``after``, and return the number of the proposal.

    Raises `Superseded` if another version is in force.
    """
    in_force = await documents.in_force(connection, document.kind)
    if (in_force.number if in_force is not None else 0) != after:
        raise Superseded
    values = {"kind": document.kind, "after": after, "body": written(content), "summary": summary}
    by = {"author": author.person, "author_on_behalf_of": author.on_behalf_of}
    return int(await connection.scalar(_PROPOSE, values | by) or 0)


async def open_proposals(connection: AsyncConnection, kind: str) -> list[Proposal]:
    """The open proposals of a document, the oldest first."""
    return [_proposal(row) for row in await connection.execute(_OPEN, {"kind": kind})]


async def find(connection: AsyncConnection, kind: str, number: int) -> Proposal:
    """An open proposal. Raises `NoProposal`."""
    return await _find(connection, kind, number, "")


async def approve(
    connection: AsyncConnection, document: VersionedDocument[Any], number: int, approver: Actor
) -> tuple[int, Proposal]:
    """Put a proposal in force. Returns the number of the version, and the proposal.

    Raises `NoProposal`, `SamePerson`, `Superseded` if another version came first, and `UnusableVersion`.
    """
    proposal = await _find(connection, document.kind, number, "FOR UPDATE")
    if proposal.author.shares_a_person_with(approver):
        raise SamePerson
    content = document.parse(number, proposal.body)
    version = await documents.put(
        connection,
        document,
        content,
        proposal.summary,
        after=proposal.after,
        author=proposal.author,
        approver=approver,
    )
    if version is None:
        raise Superseded
    await _settle(connection, document.kind, number, "approved", approver)
    return version, proposal


async def withdraw(connection: AsyncConnection, kind: str, number: int, actor: Actor) -> None:
    """Settle a proposal without putting it in force. Raises `NoProposal`."""
    await _find(connection, kind, number, "FOR UPDATE")
    await _settle(connection, kind, number, "withdrawn", actor)


async def _find(connection: AsyncConnection, kind: str, number: int, lock: str) -> Proposal:
    row = (await connection.execute(text(f"{_FIND} {lock}"), {"kind": kind, "number": number})).one_or_none()
    if row is None:
        raise NoProposal
    return _proposal(row)


async def _settle(connection: AsyncConnection, kind: str, number: int, status: str, actor: Actor) -> None:
    by = {"by": actor.person, "on_behalf_of": actor.on_behalf_of}
    await connection.execute(_SETTLE, {"kind": kind, "number": number, "status": status, **by})


def _proposal(row: Row[Any]) -> Proposal:
    author = Actor(row.author, row.author_on_behalf_of)
    return Proposal(row.number, row.after, row.body, row.summary, author, row.proposed_at)
