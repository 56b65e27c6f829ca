"""What supervisors look at each morning: what is due, and what is overdue."""

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, TypeAlias, cast

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field
from sqlalchemy import Row

from contracts.envelope import CaseId, Code, Name
from contracts.messages.alerts import IssueKind, Rung
from contracts.messages.commitments import CommitmentKey
from contracts.messages.fields import Region
from contracts.working_time import OfficeHours
from services.monitor.core.rules import Rules
from services.monitor.core.state import MonitoredCase
from services.monitor.store import due, overdue, rule_store
from services.monitor.store.due import By, days_left
from services.monitor.store.query_limits import After, Cursor, Readers, Scope, cursor
from services.runtime.http.csv import MEDIA_TYPE, Cell, Cells, csv_response
from services.runtime.http.openapi import refusals
from services.runtime.security.staff import staff_only
from services.runtime.service import ServiceHost

USUAL, MOST = 100, 1000
"""Rows of a page."""

MOST_DAYS = 366

AT_ONCE = {"yield_per": 500}
"""Rows of a file that are held at a time."""

Found: TypeAlias = Row[Any]


class Form(StrEnum):
    """How a list is told."""

    JSON = "json"
    CSV = "csv"


class ListWanted(Scope):
    """Which page of a list, and how it is told."""

    after: After | None = Field(None, description="Continue after the page that gave this as `next`.")
    limit: int | None = Field(
        None, ge=1, le=MOST, description=f"Rows of a page, {USUAL} unless said; of a file all of them, unless said."
    )
    form: Form = Form.JSON

    @property
    def cursor(self) -> Cursor | None:
        """Where the page begins."""
        return cursor(self.after) if self.after is not None else None


class DueWanted(ListWanted):
    """What is due in so many days."""

    days: int = Field(5, ge=0, le=MOST_DAYS, description="At most so many working days are left; 0 is today.")


class OverdueWanted(ListWanted):
    """What is overdue."""

    rung: Literal[Rung.YELLOW, Rung.RED, Rung.FURTHER] | None = Field(
        None, description="The highest card that stands; what has none is then left out."
    )


class CountsWanted(Scope):
    """Counted by what."""

    by: By = By.OWNER
    limit: int = Field(USUAL, ge=1, le=MOST, description="Of so many groups, those with the most.")


class DueCountsWanted(CountsWanted):
    """What is due in so many days, counted."""

    days: int = Field(5, ge=0, le=MOST_DAYS, description="At most so many working days are left; 0 is today.")


class OverdueCountsWanted(CountsWanted):
    """What is overdue, counted."""

    rung: Literal[Rung.YELLOW, Rung.RED, Rung.FURTHER] | None = Field(None, description="The highest card that stands.")


class _Listed(BaseModel):
    case_id: CaseId
    commitment: CommitmentKey
    owner: Name
    matter: Code
    region: Region


class DueView(_Listed):
    """A commitment whose committed limit is about to end."""

    opened_at: datetime
    committed_due: datetime
    statutory_due: datetime
    provisional: bool
    working_days_left: int = Field(description="After today, with the day on which it is due; 0 is today.")
    rungs: list[Rung] = Field(description="Those that stand.")


class DuePage(BaseModel):
    """What is due, soonest first. ``next`` is the ``after`` of the next page, null on the last."""

    commitments: list[DueView]
    next: str | None


class OverdueView(_Listed):
    """A commitment with a card that stands, or in which the platform itself has failed.

    The moments are null where the case is no longer remembered.
    """

    rung: Rung | None = Field(description="The highest card that stands; null where none was issued.")
    issues: list[IssueKind] = Field(description="In what the platform itself has failed; it then answers for that.")
    opened_at: datetime | None
    committed_due: datetime | None
    statutory_due: datetime | None
    working_days_over: int = Field(description="After the day on which it was due, up to and with today.")


class OverduePage(BaseModel):
    """What is overdue: by the highest card, and those with the same one by when it fell due."""

    commitments: list[OverdueView]
    next: str | None


class DueCount(BaseModel):
    """How many commitments of one department, region or matter are due."""

    name: str
    commitments: int
    first_due: datetime


class DueCounts(BaseModel):
    """Those with the most come first. ``total`` is of all, also of those that are not shown."""

    total: int
    counts: list[DueCount]


class OverdueCount(BaseModel):
    """How many commitments of one department, region or matter are overdue, by their highest card.

    For those of ``platform`` none was issued: the platform itself has failed in them.
    """

    name: str
    commitments: int
    yellow: int
    red: int
    further: int
    platform: int


class OverdueCounts(BaseModel):
    """Those with the most come first. ``total`` is of all, also of those that are not shown."""

    total: int
    counts: list[OverdueCount]


def routes(host: ServiceHost[MonitoredCase]) -> APIRouter:
    """The endpoints, closed to all but staff."""
    refused = refusals(401, 403, 422, 503)
    router = APIRouter(dependencies=[staff_only(host.settings.api_token)], tags=["lists"], responses=refused)
    readers = Readers(host.database)
    as_file: dict[int | str, dict[str, Any]] = {200: {"content": {MEDIA_TYPE: {}}}}

    @router.get("/due", responses=as_file, response_model=DuePage)
    async def due_soon(wanted: Annotated[DueWanted, Query()]) -> DuePage | Response:
        """Open commitments whose committed limit ends within so many working days of their region, soonest first."""
        now = host.clock.now()
        if wanted.form is Form.CSV:
            return await csv_response("due", tuple(DueView.model_fields), _due_file(readers, wanted, now))
        limit = wanted.limit or USUAL
        async with readers.query() as connection:
            rules = await rule_store.in_force(connection)
            rows = await due.page(connection, wanted, rules, now, wanted.days, wanted.cursor, limit + 1)
        return DuePage(commitments=[_due_view(row, rules, now) for row in rows[:limit]], next=_next(rows, limit))

    @router.get("/due/counts")
    async def due_counts(wanted: Annotated[DueCountsWanted, Query()]) -> DueCounts:
        """How many of them each department, region or matter has."""
        now = host.clock.now()
        async with readers.query() as connection:
            rules = await rule_store.in_force(connection)
            rows = await due.counts(connection, wanted, rules, now, wanted.days, wanted.by, wanted.limit)
        return DueCounts(total=_total(rows), counts=[DueCount.model_validate(row._asdict()) for row in rows])

    @router.get("/overdue", responses=as_file, response_model=OverduePage)
    async def all_overdue(wanted: Annotated[OverdueWanted, Query()]) -> OverduePage | Response:
        """Commitments with a card that stands, the highest and oldest first, then what the platform has failed in."""
        now = host.clock.now()
        if wanted.form is Form.CSV:
            return await csv_response("overdue", tuple(OverdueView.model_fields), _overdue_file(readers, wanted, now))
        limit = wanted.limit or USUAL
        async with readers.query() as connection:
            rules = await rule_store.in_force(connection)
            rows = await overdue.page(connection, wanted, wanted.rung, wanted.cursor, limit + 1)
        views = [_overdue_view(row, rules, now) for row in rows[:limit]]
        return OverduePage(commitments=views, next=_next(rows, limit))

    @router.get("/overdue/counts")
    async def overdue_counts(wanted: Annotated[OverdueCountsWanted, Query()]) -> OverdueCounts:
        """How many of them each department, region or matter has."""
        async with readers.query() as connection:
            rows = await overdue.counts(connection, wanted, wanted.rung, wanted.by, wanted.limit)
        return OverdueCounts(total=_total(rows), counts=[OverdueCount.model_validate(row._asdict()) for row in rows])

    return router


def _due_view(row: Found, rules: Rules, now: datetime) -> DueView:
    return DueView(**row._asdict(), working_days_left=days_left(rules, row.region, now, row.committed_due))


def _overdue_view(row: Found, rules: Rules, now: datetime) -> OverdueView:
    over = days_left(rules, row.region, row.committed_due or row.since, now)
    return OverdueView(**row._asdict(), rung=overdue.RUNGS.get(row.height), working_days_over=max(0, over))


def _next(rows: Sequence[Found], limit: int) -> str | None:
    """Where the next page begins, if there is one: one row more than is shown has been read."""
    if len(rows) <= limit:
        return None
    last = rows[limit - 1]._asdict()
    at = last["since"] if "since" in last else last["committed_due"]
    return str(Cursor(last.get("mildness", 0), at, last["case_id"], last["commitment"]))


def _total(rows: Sequence[Found]) -> int:
    return int(rows[0].total) if rows else 0


async def _due_file(readers: Readers, wanted: DueWanted, now: datetime) -> AsyncGenerator[list[Cells], None]:
    async with readers.export() as connection:
        rules = await rule_store.in_force(connection)
        query, given = due.everything(wanted, rules, now, wanted.days, wanted.cursor, wanted.limit)
        async with connection.stream(query, given, execution_options=AT_ONCE) as rows:
            async for part in rows.partitions():
                yield [_cells(_due_view(row, rules, now), rules) for row in part]


async def _overdue_file(readers: Readers, wanted: OverdueWanted, now: datetime) -> AsyncGenerator[list[Cells], None]:
    async with readers.export() as connection:
        rules = await rule_store.in_force(connection)
        query, given = overdue.everything(wanted, wanted.rung, wanted.cursor, wanted.limit)
        async with connection.stream(query, given, execution_options=AT_ONCE) as rows:
            async for part in rows.partitions():
                yield [_cells(_overdue_view(row, rules, now), rules) for row in part]


def _cells(view: DueView | OverdueView, rules: Rules) -> Cells:
    """As people read it: moments by the clock on the wall of that office."""
    hours = rules.terms(view.region).hours
    return [_cell(value, hours) for _, value in view]


def _cell(value: Any, hours: OfficeHours) -> Cell:
    match value:
        case datetime():
            return hours.local(value).strftime("%Y-%m-%d %H:%M:%S")
        case list():
            return " ".join(value)
        case _:
            return cast(Cell, value)
