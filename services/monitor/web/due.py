"""Lists the commitments that are due soon, for staff."""

from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field
from sqlalchemy import Row

from contracts.messages.alerts import Rung
from services.monitor.core.rules import Rules
from services.monitor.core.state import MonitoredCase
from services.monitor.store import due, rule_store
from services.monitor.store.query_limits import LimitedQueries
from services.monitor.web.list_page import (
    DEFAULT_LIMIT,
    MAX_DAYS,
    STREAMED,
    CountsQuery,
    Form,
    ListedCommitment,
    ListQuery,
    cells,
    next_page,
    problems,
    total,
)
from services.runtime.http.csv import MEDIA_TYPE, Cells, csv_response
from services.runtime.http.openapi import refusals
from services.runtime.security.staff import staff_only
from services.runtime.service import ServiceHost

_DAYS = "At most so many working days are left; 0 is today."


class DueQuery(ListQuery):
    """A page of the commitments that are due in so many days."""

    days: int = Field(5, ge=0, le=MAX_DAYS, description=_DAYS)


class DueCountsQuery(CountsQuery):
    """Counts of the commitments that are due in so many days."""

    days: int = Field(5, ge=0, le=MAX_DAYS, description=_DAYS)


class DueView(ListedCommitment):
    """A commitment whose committed limit ends soon."""

    opened_at: datetime
    committed_due: datetime
    statutory_due: datetime
    provisional: bool
    working_days_left: int = Field(description="After today, up to and including the due day; 0 is today.")
    rungs: list[Rung] = Field(description="The standing rungs.")


class DuePage(BaseModel):
    """Due commitments, soonest first. ``next`` is the ``after`` of the next page, null on the last."""

    commitments: list[DueView]
    next: str | None


class DueCount(BaseModel):
    """How many commitments of one department, region or matter are due."""

    name: str
    commitments: int
    first_due: datetime


class DueCounts(BaseModel):
    """The largest groups first. ``total`` counts all groups, also those that are not shown."""

    total: int
    counts: list[DueCount]


def routes(host: ServiceHost[MonitoredCase], queries: LimitedQueries) -> APIRouter:
    """The endpoints, for staff only."""
    refused = refusals(401, 403, 422, 503)
    router = APIRouter(dependencies=[staff_only(host.settings.api_token)], tags=["lists"], responses=refused)
    as_file: dict[int | str, dict[str, Any]] = {200: {"content": {MEDIA_TYPE: {}}}}

    @router.get("/due", responses=as_file, response_model=DuePage)
    async def due_soon(wanted: Annotated[DueQuery, Query()]) -> DuePage | Response:
        """Open commitments whose committed limit ends within so many working days of their region, soonest first."""
        now = host.clock.now()
        if wanted.form is Form.CSV:
            return await csv_response("due", tuple(DueView.model_fields), _file(queries, wanted, now))
        limit = wanted.limit or DEFAULT_LIMIT
        async with problems(), queries.query() as connection:
            rules = await rule_store.in_force(connection)
            rows = await due.page(connection, wanted, rules, now, wanted.days, wanted.cursor, limit + 1)
        return DuePage(commitments=[_view(row, rules, now) for row in rows[:limit]], next=next_page(rows, limit))

    @router.get("/due/counts")
    async def due_counts(wanted: Annotated[DueCountsQuery, Query()]) -> DueCounts:
        """How many of them each department, region or matter has."""
        now = host.clock.now()
        async with problems(), queries.query() as connection:
            rules = await rule_store.in_force(connection)
            rows = await due.counts(connection, wanted, rules, now, wanted.days, wanted.by, wanted.limit)
        return DueCounts(total=total(rows), counts=[DueCount.model_validate(row._asdict()) for row in rows])

    return router


def _view(row: Row[Any], rules: Rules, now: datetime) -> DueView:
    return DueView(**row._asdict(), working_days_left=due.days_left(rules, row.region, now, row.committed_due))


async def _file(queries: LimitedQueries, wanted: DueQuery, now: datetime) -> AsyncGenerator[list[Cells], None]:
    async with problems(), queries.export() as connection:
        rules = await rule_store.in_force(connection)
        query, parameters = due.everything(wanted, rules, now, wanted.days, wanted.cursor, wanted.limit)
        async with connection.stream(query, parameters, execution_options=STREAMED) as rows:
            async for part in rows.partitions():
                yield [cells(_view(row, rules, now), rules) for row in part]
