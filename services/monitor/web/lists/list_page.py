"""Shared by the lists of due and overdue commitments: queries, pages, files, and refusals under load."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any, cast

from fastapi import Response
from pydantic import Field
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.envelope import CaseId, Code, Name
from contracts.messages.commitments import CommitmentKey, step_key
from contracts.messages.fields import Region
from contracts.regions import region_name
from contracts.values import Model
from contracts.working_time import OfficeHours
from services.monitor.core.names import Names
from services.monitor.core.rules import Rules
from services.monitor.store import rule_store
from services.monitor.store.lists.filters import After, CommitmentFilter, Cursor, GroupBy, Query, parse_cursor
from services.monitor.store.lists.query_limits import LimitedQueries, QueryTooLarge, TooManyQueries
from services.runtime.http.bodies.csv import Cell, Cells
from services.runtime.http.bodies.files import Form, file_response
from services.runtime.http.problems import Problem
from services.runtime.security.access_record import count_rows

DEFAULT_LIMIT, MAX_LIMIT = 100, 1000
"""Rows of a page."""

MAX_DAYS = 366

_STREAMED = {"yield_per": 500}
"""Rows of a file that are in memory at a time."""


Limit = Annotated[
    int | None,
    Field(
        ge=1,
        le=MAX_LIMIT,
        description=f"Rows of a page, {DEFAULT_LIMIT} if omitted; of a file all of them, if omitted.",
    ),
]


class ListQuery(CommitmentFilter):
    """A page of a list, and its form."""

    after: After | None = Field(None, description="Continue after the page that gave this as `next`.")
    limit: Limit = None
    form: Form = Form.JSON

    @property
    def cursor(self) -> Cursor | None:
        """Where the page begins."""
        return parse_cursor(self.after) if self.after is not None else None


class CountsQuery(CommitmentFilter):
    """Counts of commitments by department, region or matter."""

    by: GroupBy = GroupBy.OWNER
    limit: int = Field(DEFAULT_LIMIT, ge=1, le=MAX_LIMIT, description="So many groups, those with the most.")


class NameColumns(Model):
    """The names of what a row has codes of."""

    matter_name: str | None = Field(description="The matter in Chinese and English; null if the catalogue lacks it.")
    step_name: str | None = Field(description="The step of the case in the same way; null for other commitments.")
    region_name: str


class ListedCommitment(Model):
    """The fields that every list has."""

    case_id: CaseId
    commitment: CommitmentKey
    owner: Name
    matter: Code
    region: Region
    matter_name: str | None = Field(description="The matter in Chinese and English; null if the catalogue lacks it.")
    step_name: str | None = Field(description="The step of the case in the same way; null for other commitments.")
    region_name: str


View = Callable[[Row[Any], Rules], Model]
"""Makes the view of a row."""


def named(row: Row[Any], names: Names) -> dict[str, Any]:
    """The columns of a row about a commitment or a step, and the names of what they have codes of."""
    values = row._asdict()
    key = values["commitment"] if "commitment" in values else step_key(values["step"])
    return {
        **values,
        "matter_name": names.matter_in_both(row.matter),
        "step_name": names.step_in_both(key, row.matter),
        "region_name": region_name(row.region),
    }


Page = Callable[[AsyncConnection, Rules, int], Awaitable[Sequence[Row[Any]]]]
"""Reads at most so many rows."""


async def list_page(queries: LimitedQueries, limit: int | None, page: Page, view: View) -> dict[str, Any]:
    """The fields of a page of so many rows. Raises `Problem` (503) under load."""
    limit = limit or DEFAULT_LIMIT
    async with problems(), queries.query() as connection:
        rules = await rule_store.in_force(connection)
        rows = await page(connection, rules, limit + 1)  # one more, which shows whether there is a next page
    count_rows(min(len(rows), limit))
    return {"commitments": [view(row, rules) for row in rows[:limit]], "next": next_page(rows, limit)}


def next_page(rows: Sequence[Row[Any]], limit: int) -> str | None:
    """The cursor of the next page; None on the last."""
    if len(rows) <= limit:
        return None
    last = rows[limit - 1]._asdict()
    at = last["since"] if "since" in last else last["committed_due"]
    return str(Cursor(last.get("severity", 0), at, last["case_id"], last["commitment"]))


def total(rows: Sequence[Row[Any]]) -> int:
    """The total that each row of counts repeats."""
    return int(rows[0].total) if rows else 0


async def list_file(
    form: Form,
    name: str,
    columns: type[Model],
    queries: LimitedQueries,
    query: Callable[[Rules], Query],
    view: View,
    limit: int | None = None,
) -> Response:
    """A list as a file. ``limit``: see `file_response`. Raises `Problem` (503) under load."""
    return await file_response(form, name, tuple(columns.model_fields), _parts(queries, query, view), limit)


async def file_of(
    form: Form,
    name: str,
    columns: type[Model],
    queries: LimitedQueries,
    query: Query,
    limit: int | None,
    names: Names | None = None,
) -> Response:
    """The rows of a statement as a file, each as this view of it. Raises `Problem` (503) under load.

    ``names``: for a view with `NameColumns`.
    """

    def view(row: Row[Any], _: Rules) -> Model:
        return columns.model_validate(row if names is None else named(row, names))

    return await list_file(form, name, columns, queries, lambda _: query, view, limit)


async def _parts(
    queries: LimitedQueries, query: Callable[[Rules], Query], view: View
) -> AsyncGenerator[list[Cells], None]:
    async with problems(), queries.export() as connection:
        rules = await rule_store.in_force(connection)
        statement, parameters = query(rules)
        async with connection.stream(statement, parameters, execution_options=_STREAMED) as rows:
            async for part in rows.partitions():
                yield [_cells(view(row, rules), rules) for row in part]


def _cells(view: Model, rules: Rules) -> Cells:
    """The row of a file for people to read: moments are local to the office, if the row has a region."""
    hours = rules.counting_rules(getattr(view, "region", "")).hours
    return [_cell(value, hours) for _, value in view]


@asynccontextmanager
async def problems() -> AsyncIterator[None]:
    """Answers 503 if a query does not start in time, or takes too long."""
    try:
        yield
    except TooManyQueries:
        title, title_zh = "Too many other queries are running", "查询人数过多，请稍后再试"
        raise Problem(503, "busy", title, title_zh, headers={"Retry-After": "5"}) from None
    except QueryTooLarge as error:
        raise Problem(
            503,
            "too-much",
            "The query takes longer than it may",
            "数据量过大，未能在规定时间内完成查询",
            detail="Request fewer days, or one department, region or item.",
            detail_zh="请缩短天数，或限定部门、区划、事项后再试。",
            headers={"Retry-After": "60"},
        ) from error


def _cell(value: Any, hours: OfficeHours) -> Cell:
    match value:
        case datetime():
            return hours.local(value).replace(tzinfo=None)
        case list():
            return " ".join(map(str, value))
        case _:
            return cast(Cell, value)
