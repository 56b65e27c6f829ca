"""Reads the table of platform issues."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.rights.scope import Scope
from services.monitor.store.lists.filters import Query
from services.runtime.store.scopes import within


async def newest(connection: AsyncConnection, scope: Scope, *, unsettled: bool, limit: int) -> Sequence[Row[Any]]:
    """At most ``limit`` platform issues in the scope, newest first; only those that last if ``unsettled``."""
    return (await connection.execute(*everything(scope, unsettled=unsettled, limit=limit))).all()


def everything(scope: Scope, *, unsettled: bool, limit: int | None) -> Query:
    """The statement for all of them, or for ``limit``, in the same order."""
    condition = "settled_at IS NULL" if unsettled else "TRUE"
    inside, parameters = within(scope)
    query = text(f"SELECT * FROM platform_issues WHERE {condition} AND {inside} ORDER BY number DESC LIMIT :limit")
    return query, {**parameters, "limit": limit}
