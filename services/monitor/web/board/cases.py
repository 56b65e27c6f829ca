"""Lists the commitments behind a figure of the board, for staff."""

import re
from datetime import date
from enum import StrEnum
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.rights.scope import Scope
from contracts.rights.table import Act
from contracts.values import Model
from services.monitor.core.board.periods import Days
from services.monitor.core.names import Names, NamesInForce
from services.monitor.core.rules import Rules
from services.monitor.core.state import MonitoredCase
from services.monitor.store.board import listing
from services.monitor.store.board.listing import LISTED, After
from services.monitor.store.lists.query_limits import LimitedQueries
from services.monitor.web.board.query import BoardFilter, local_now
from services.monitor.web.lists.list_page import DEFAULT_LIMIT, Limit, ListedCommitment, list_file, named, problems
from services.monitor.web.routers import monitor_router
from services.runtime.http.bodies.files import AS_FILE, Form
from services.runtime.security.access import Permit
from services.runtime.security.access_record import count_rows
from services.runtime.service import ServiceHost

Listed = StrEnum("Listed", [(figure, figure) for figure in LISTED])  # type: ignore[misc]
"""The figures whose commitments can be listed."""

_AFTER = re.compile(r"([0-9A-Z-]{16})~([^\x00]{1,80})")


def _is_after(text: str) -> str:
    if _AFTER.fullmatch(text) is None:
        raise PydanticCustomError("cursor", "is not the `next` of a page", {"zh": "不是上一页给出的 next"})
    return text


class BoardCasesQuery(BoardFilter):
    """A page of the commitments behind one figure."""

    figure: Listed = Field(description="The figure that counts them.")
    after: Annotated[str, Field(max_length=100), AfterValidator(_is_after)] | None = Field(
        None, description="Continue after the page that gave this as `next`."
    )
    limit: Limit = None
    form: Form = Form.JSON

    @property
    def begins_after(self) -> After | None:
        """Where the page begins."""
        found = _AFTER.fullmatch(self.after) if self.after is not None else None
        return After(*found.groups()) if found is not None else None


class CountedCommitment(ListedCommitment):
    """A commitment as the figures count it. Days are those of the place, and numbers of days are working days."""

    kind: str
    opened_on: date
    due_on: date = Field(description="The last day of the committed limit.")
    paused: bool
    ended_on: date | None
    on_time: bool | None
    days_used: int | None = Field(description="Until the answer, without those of suspensions.")
    days_committed: int | None
    days_statutory: int | None
    counted: int = Field(description="How often the figure counts it: a commitment may have several appeals.")


class CountedPage(Model):
    """Commitments, by case number. ``next`` is the ``after`` of the next page, null on the last."""

    commitments: list[CountedCommitment]
    next: str | None


def routes(host: ServiceHost[MonitoredCase], queries: LimitedQueries, names: NamesInForce) -> APIRouter:
    """The endpoints."""
    router = monitor_router("board")

    @router.get("/board/cases", responses=AS_FILE, response_model=CountedPage)
    async def cases_behind_a_figure(
        wanted: Annotated[BoardCasesQuery, Query()], permit: Annotated[Permit, host.access.may(Act.READ_TIME)]
    ) -> CountedPage | Response:
        """The commitments that a figure of the board counts, by case number."""
        if wanted.form is Form.JSON:
            async with problems(), queries.query() as connection:
                today = (await local_now(connection, host.clock.now(), wanted.region)).date()
                return await load_cases(connection, wanted, permit.scope, today, names())
        async with problems(), queries.query() as connection:
            today = (await local_now(connection, host.clock.now(), wanted.region)).date()
        query = listing.everything(*_selected(wanted, permit.scope, today), wanted.limit)
        return await list_file(
            wanted.form,
            wanted.figure,
            CountedCommitment,
            queries,
            lambda _: query,
            partial(_view, names=names()),
            wanted.limit,
        )

    return router


async def load_cases(
    connection: AsyncConnection, wanted: BoardCasesQuery, scope: Scope, today: date, names: Names
) -> CountedPage:
    """Read a page of the commitments that a figure counts, as far as this scope holds them."""
    limit = wanted.limit or DEFAULT_LIMIT
    rows = await listing.page(connection, *_selected(wanted, scope, today), limit + 1)
    page = [_view(row, names=names) for row in rows[:limit]]
    more = len(rows) > limit
    count_rows(len(page))
    return CountedPage(commitments=page, next=f"{page[-1].case_id}~{page[-1].commitment}" if more else None)


def _selected(
    wanted: BoardCasesQuery, scope: Scope, today: date
) -> tuple[str, dict[str, str], Scope, Days, date, After | None]:
    span = wanted.period_at(today).span
    return wanted.figure.value, wanted.filters(), scope, span, today, wanted.begins_after


def _view(row: Row[Any], _: Rules | None = None, *, names: Names) -> CountedCommitment:
    return CountedCommitment.model_validate(named(row, names))
