"""Lists the overdue commitments, for staff."""

from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field
from sqlalchemy import Row

from contracts.messages.alerts import IssueKind, Rung
from services.monitor.core.rules import Rules
from services.monitor.core.state import MonitoredCase
from services.monitor.store import overdue, rule_store
from services.monitor.store.due import days_left
from services.monitor.store.query_limits import LimitedQueries
from services.monitor.web.list_page import (
    DEFAULT_LIMIT,
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

Card = Literal[Rung.YELLOW, Rung.RED, Rung.OVERSIGHT]


class OverdueQuery(ListQuery):
    """A page of the overdue commitments."""

    rung: Card | None = Field(
        None, description="The highest card that stands; commitments without a card are then left out."
    )


class OverdueCountsQuery(CountsQuery):
    """Counts of the overdue commitments."""

    rung: Card | None = Field(None, description="The highest card that stands.")


class OverdueView(ListedCommitment):
    """A commitment with a standing card, or with a platform issue.

    The moments are null if the case is no longer stored.
    """

    rung: Rung | None = Field(description="The highest card that stands; null if none was issued.")
    issues: list[IssueKind] = Field(description="Failures of the platform, for which no card is issued.")
    opened_at: datetime | None
    committed_due: datetime | None
    statutory_due: datetime | None
    working_days_over: int = Field(description="After the due day, up to and including today.")


class OverduePage(BaseModel):
    """Overdue commitments: the highest card first, and among equal cards the oldest."""

    commitments: list[OverdueView]
    next: str | None


class OverdueCount(BaseModel):
    """How many commitments of one department, region or matter are overdue, by their highest card.

    ``platform`` counts those without a card, because of a platform issue.
    """

    name: str
    commitments: int
    yellow: int
    red: int
    oversight: int
    platform: int


class OverdueCounts(BaseModel):
    """The largest groups first. ``total`` counts all groups, also those that are not shown."""

    total: int
    counts: list[OverdueCount]


def routes(host: ServiceHost[MonitoredCase], queries: LimitedQueries) -> APIRouter:
    """The endpoints, for staff only."""
    refused = refusals(401, 403, 422, 503)
    router = APIRouter(dependencies=[staff_only(host.settings.api_token)], tags=["lists"], responses=refused)
    as_file: dict[int | str, dict[str, Any]] = {200: {"content": {MEDIA_TYPE: {}}}}

    @router.get("/overdue", responses=as_file, response_model=OverduePage)
    async def all_overdue(wanted: Annotated[OverdueQuery, Query()]) -> OverduePage | Response:
        """Commitments with a standing card, the highest and oldest first, then those with a platform issue."""
        now = host.clock.now()
        if wanted.form is Form.CSV:
            return await csv_response("overdue", tuple(OverdueView.model_fields), _file(queries, wanted, now))
        limit = wanted.limit or DEFAULT_LIMIT
        async with problems(), queries.query() as connection:
            rules = await rule_store.in_force(connection)
            rows = await overdue.page(connection, wanted, wanted.rung, wanted.cursor, limit + 1)
        views = [_view(row, rules, now) for row in rows[:limit]]
        return OverduePage(commitments=views, next=next_page(rows, limit))

    @router.get("/overdue/counts")
    async def overdue_counts(wanted: Annotated[OverdueCountsQuery, Query()]) -> OverdueCounts:
        """How many of them each department, region or matter has."""
        async with problems(), queries.query() as connection:
            rows = await overdue.counts(connection, wanted, wanted.rung, wanted.by, wanted.limit)
        return OverdueCounts(total=total(rows), counts=[OverdueCount.model_validate(row._asdict()) for row in rows])

    return router


def _view(row: Row[Any], rules: Rules, now: datetime) -> OverdueView:
    over = days_left(rules, row.region, row.committed_due or row.since, now)
    return OverdueView(**row._asdict(), rung=overdue.RUNGS.get(row.height), working_days_over=max(0, over))


async def _file(queries: LimitedQueries, wanted: OverdueQuery, now: datetime) -> AsyncGenerator[list[Cells], None]:
    async with problems(), queries.export() as connection:
        rules = await rule_store.in_force(connection)
        query, parameters = overdue.everything(wanted, wanted.rung, wanted.cursor, wanted.limit)
        async with connection.stream(query, parameters, execution_options=STREAMED) as rows:
            async for part in rows.partitions():
                yield [cells(_view(row, rules, now), rules) for row in part]
