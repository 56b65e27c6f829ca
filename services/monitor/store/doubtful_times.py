"""Reads the table of doubtful times, and records which digests report each of them as new."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.rights.scope import Scope
from services.monitor.store.lists.filters import Query
from services.runtime.store.scopes import within

_UNSETTLED = text("""
    SELECT * FROM (
        SELECT *, row_number() OVER (place ORDER BY number) AS nth, count(*) OVER place AS of_place
        FROM doubtful_times WHERE settled_at IS NULL AND resolved_at IS NULL
        WINDOW place AS (PARTITION BY owner, region, matter)
    ) AS unsettled WHERE nth <= :limit ORDER BY number
""")

_CLAIM_NEW = text("""
    SELECT number, owner, region, matter FROM doubtful_times
    WHERE digests IS NULL AND settled_at IS NULL AND resolved_at IS NULL
    ORDER BY number LIMIT :limit FOR UPDATE SKIP LOCKED
""")

_MARK_COLLECTED = text("""
    UPDATE doubtful_times SET digests = news.digests
    FROM (
        SELECT number, array_agg(digest) AS digests
        FROM unnest(CAST(:numbers AS bigint[]), CAST(:digests AS bigint[])) AS pairs (number, digest) GROUP BY number
    ) AS news WHERE doubtful_times.number = news.number
""")

_NEWS_OF = text("""
    SELECT DISTINCT digest FROM doubtful_times CROSS JOIN unnest(digests) AS news (digest)
    WHERE settled_at IS NULL AND resolved_at IS NULL AND digest = ANY(:digests)
""")


async def newest(connection: AsyncConnection, scope: Scope, *, unresolved: bool, limit: int) -> Sequence[Row[Any]]:
    """At most ``limit`` doubtful times in the scope, newest first; only unresolved ones if ``unresolved``."""
    return (await connection.execute(*everything(scope, unresolved=unresolved, limit=limit))).all()


def everything(scope: Scope, *, unresolved: bool, limit: int | None) -> Query:
    """The statement for all of them, or for ``limit``, in the same order."""
    condition = "resolved_at IS NULL" if unresolved else "TRUE"
    inside, parameters = within(scope)
    query = text(f"SELECT * FROM doubtful_times WHERE {condition} AND {inside} ORDER BY number DESC LIMIT :limit")
    return query, {**parameters, "limit": limit}


async def unsettled(connection: AsyncConnection, limit: int) -> Sequence[Row[Any]]:
    """The doubtful times that wait for a supervisor, oldest first: at most ``limit`` of an owner, region and matter.

    ``of_place`` counts all of this owner, region and matter.
    """
    return (await connection.execute(_UNSETTLED, {"limit": limit})).all()


async def claim_new(connection: AsyncConnection, limit: int) -> Sequence[Row[Any]]:
    """Lock the next doubtful times that wait for a supervisor, and that no digest reports as new."""
    return (await connection.execute(_CLAIM_NEW, {"limit": limit})).all()


async def mark_collected(connection: AsyncConnection, news: Sequence[tuple[int, int]]) -> None:
    """Record which digests report which doubtful times as new: pairs of the number of a time and of a digest."""
    values = {"numbers": [number for number, _ in news], "digests": [digest for _, digest in news]}
    await connection.execute(_MARK_COLLECTED, values)


async def digests_with_news(connection: AsyncConnection, digests: Collection[int]) -> set[int]:
    """Those of these digests with a new doubtful time that still waits for a supervisor."""
    return set(await connection.scalars(_NEWS_OF, {"digests": list(digests)}))
