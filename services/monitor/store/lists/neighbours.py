"""Finds the rows before and after one row of a list, and its place in it: by the order of the list, in one query."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.messages.commitments import CommitmentKey


class Neighbour(NamedTuple):
    """A row of a list: a commitment of a case, and its alert in a list of alerts."""

    case_id: str
    commitment: CommitmentKey
    alert: int | None = None


class Neighbours(NamedTuple):
    """The rows before and after one row. ``place`` counts from 1; both numbers are None where nobody counts."""

    previous: Neighbour | None
    next: Neighbour | None
    place: int | None
    of: int | None


_PLACED = """
    SELECT previous_case, previous_commitment, next_case, next_commitment, place, of FROM (
        SELECT case_id, commitment, row_number() OVER in_order AS place, count(*) OVER () AS of,
            lag(case_id) OVER in_order AS previous_case, lag(commitment) OVER in_order AS previous_commitment,
            lead(case_id) OVER in_order AS next_case, lead(commitment) OVER in_order AS next_commitment
        FROM ({rows}) AS listed WINDOW in_order AS (ORDER BY {order})
    ) AS placed WHERE (case_id, commitment) = (:of_case, :of_commitment)
"""


async def of_row(
    connection: AsyncConnection, rows: str, order: str, parameters: Mapping[str, Any], row: Neighbour
) -> Neighbours | None:
    """The neighbours of a row among all rows of this query, in this order; None if it is no longer among them."""
    query = text(_PLACED.format(rows=rows, order=order))
    values = {**parameters, "of_case": row.case_id, "of_commitment": row.commitment}
    found = (await connection.execute(query, values)).one_or_none()
    if found is None:
        return None
    previous, following = (
        Neighbour(case_id, commitment) if case_id is not None else None
        for case_id, commitment in ((found[0], found[1]), (found[2], found[3]))
    )
    return Neighbours(previous, following, found.place, found.of)
