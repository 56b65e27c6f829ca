"""Lists the overdue commitments, for staff."""

from datetime import datetime
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import Field
from sqlalchemy import Row

from contracts.messages.alerts import IssueKind, Rung
from contracts.rights.table import Act
from contracts.values import Model
from services.monitor.core.names import Names, NamesInForce
from services.monitor.core.rules import Rules
from services.monitor.core.state import MonitoredCase
from services.monitor.store.lists import overdue
from services.monitor.store.lists.due import days_left
from services.monitor.store.lists.filters import Selection
from services.monitor.store.lists.overdue import Card
from services.monitor.store.lists.query_limits import LimitedQueries
from services.monitor.web.lists.list_page import (
    CountsQuery,
    ListedCommitment,
    ListQuery,
    list_file,
    list_page,
    named,
    problems,
    total,
)
from services.monitor.web.routers import monitor_router
from services.runtime.http.bodies.files import AS_FILE, Form
from services.runtime.security.access import Permit
from services.runtime.service import ServiceHost


class OverdueQuery(ListQuery):
    """A page of the overdue commitments."""

    rung: Card | None = Field(
        None,
        description="The highest card that stands; `platform` selects commitments without any, because of a failure.",
    )


class OverdueCountsQuery(CountsQuery):
    """Counts of the overdue commitments."""

    rung: Card | None = Field(None, description="The highest card that stands, or `platform`.")


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


class OverduePage(Model):
    """Overdue commitments: the highest card first, and among equal cards the oldest."""

    commitments: list[OverdueView]
    next: str | None


class OverdueCount(Model):
    """How many commitments of one department, region or matter are overdue, by their highest card.

    ``platform`` counts those without a card, because of a platform issue.
    """

    name: str
    commitments: int
    yellow: int
    red: int
    oversight: int
    platform: int


class OverdueCounts(Model):
    """The largest groups first. ``total`` counts all groups, also those that are not shown."""

    total: int
    counts: list[OverdueCount]


def routes(host: ServiceHost[MonitoredCase], queries: LimitedQueries, names: NamesInForce) -> APIRouter:
    """The endpoints."""
    router = monitor_router("lists")
    readers = host.access.may(Act.READ_TIME)

    @router.get("/overdue", responses=AS_FILE, response_model=OverduePage)
    async def all_overdue(
        wanted: Annotated[OverdueQuery, Query()], permit: Annotated[Permit, readers]
    ) -> OverduePage | Response:
        """Commitments with a standing card, the highest and oldest first, then those with a platform issue."""
        view, selection = partial(_view, now=host.clock.now(), names=names()), Selection(wanted, permit.scope)
        if wanted.form is not Form.JSON:
            query = overdue.everything(selection, wanted.rung, wanted.cursor, wanted.limit)
            return await list_file(wanted.form, "overdue", OverdueView, queries, lambda _: query, view, wanted.limit)
        page = partial(overdue.page, selection=selection, rung=wanted.rung, after=wanted.cursor)
        return OverduePage(**await list_page(queries, wanted.limit, lambda conn, _, most: page(conn, limit=most), view))

    @router.get("/overdue/counts")
    async def overdue_counts(
        wanted: Annotated[OverdueCountsQuery, Query()], permit: Annotated[Permit, readers]
    ) -> OverdueCounts:
        """How many of them each department, region or matter has."""
        async with problems(), queries.query() as connection:
            rows = await overdue.counts(
                connection, Selection(wanted, permit.scope), wanted.rung, wanted.by, wanted.limit
            )
        return OverdueCounts(total=total(rows), counts=[OverdueCount.model_validate(row._asdict()) for row in rows])

    return router


def _view(row: Row[Any], rules: Rules, now: datetime, names: Names) -> OverdueView:
    over = days_left(rules, row.region, row.committed_due or row.since, now)
    return OverdueView(**named(row, names), rung=overdue.RUNGS.get(row.severity), working_days_over=max(0, over))
