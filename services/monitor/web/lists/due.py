"""Lists the commitments that are due soon, for staff."""

from datetime import datetime
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import Field
from sqlalchemy import Row

from contracts.messages.alerts import Rung
from contracts.rights.table import Act
from contracts.values import Model
from services.monitor.core.names import Names, NamesInForce
from services.monitor.core.rules import Rules
from services.monitor.core.state import MonitoredCase
from services.monitor.store import rule_store
from services.monitor.store.lists import due
from services.monitor.store.lists.filters import Selection
from services.monitor.store.lists.query_limits import LimitedQueries
from services.monitor.web.lists.list_page import (
    MAX_DAYS,
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


class DuePage(Model):
    """Due commitments, soonest first. ``next`` is the ``after`` of the next page, null on the last."""

    commitments: list[DueView]
    next: str | None


class DueCount(Model):
    """How many commitments of one department, region or matter are due."""

    name: str
    commitments: int
    first_due: datetime


class DueCounts(Model):
    """The largest groups first. ``total`` counts all groups, also those that are not shown."""

    total: int
    counts: list[DueCount]


def routes(host: ServiceHost[MonitoredCase], queries: LimitedQueries, names: NamesInForce) -> APIRouter:
    """The endpoints."""
    router = monitor_router("lists")
    readers = host.access.may(Act.READ_TIME)

    @router.get("/due", responses=AS_FILE, response_model=DuePage)
    async def due_soon(wanted: Annotated[DueQuery, Query()], permit: Annotated[Permit, readers]) -> DuePage | Response:
        """Open commitments whose committed limit ends within so many working days of their region, soonest first."""
        now = host.clock.now()
        view, selection = partial(_view, now=now, names=names()), Selection(wanted, permit.scope)
        if wanted.form is not Form.JSON:
            query = partial(
                due.everything, selection, now=now, days=wanted.days, after=wanted.cursor, limit=wanted.limit
            )
            return await list_file(wanted.form, "due", DueView, queries, query, view, wanted.limit)
        page = partial(due.page, selection=selection, now=now, days=wanted.days, after=wanted.cursor)
        return DuePage(**await list_page(queries, wanted.limit, page, view))

    @router.get("/due/counts")
    async def due_counts(wanted: Annotated[DueCountsQuery, Query()], permit: Annotated[Permit, readers]) -> DueCounts:
        """How many of them each department, region or matter has."""
        now = host.clock.now()
        async with problems(), queries.query() as connection:
            rules = await rule_store.in_force(connection)
            rows = await due.counts(
                connection, Selection(wanted, permit.scope), rules, now, wanted.days, wanted.by, wanted.limit
            )
        return DueCounts(total=total(rows), counts=[DueCount.model_validate(row._asdict()) for row in rows])

    return router


def _view(row: Row[Any], rules: Rules, now: datetime, names: Names) -> DueView:
    return DueView(**named(row, names), working_days_left=due.days_left(rules, row.region, now, row.committed_due))
