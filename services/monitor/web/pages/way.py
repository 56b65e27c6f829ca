"""The way through a list: from a record to those before and after it, by the list and the filter that it was opened
from. The address of a record has them, and nothing is kept."""

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from fastapi import Request
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.rights.table import Act
from services.monitor.core.state import MonitoredCase
from services.monitor.store import alerts, rule_store
from services.monitor.store.board import listing
from services.monitor.store.lists import due, overdue
from services.monitor.store.lists.filters import Selection
from services.monitor.store.lists.neighbours import Neighbour, Neighbours
from services.monitor.store.lists.query_limits import LimitedQueries, QueryTooLarge, TooManyQueries
from services.monitor.web.board.query import local_now
from services.monitor.web.pages.acting import covering
from services.monitor.web.pages.alerts.query import PATH as ALERTS
from services.monitor.web.pages.alerts.query import AlertsQuery
from services.monitor.web.pages.board_frame import CASES
from services.monitor.web.pages.cases_query import CasesPage
from services.monitor.web.pages.worklists.query import DUE, OVERDUE, DueQuery, OverdueQuery
from services.monitor.web.pages.worklists.rows import highest
from services.runtime.http.pages.forms import own_path
from services.runtime.http.pages.reader import Reader
from services.runtime.service import ServiceHost

LIST, ROW = "list", "row"
"""Fields of a query: the address of the list, and which row of it the record of a case is: an alert or a commitment."""

MOST_DIGITS = 18


@dataclass(frozen=True)
class Way:
    """Where a record lies in a list. ``back``: the list; ``kept``: the query that keeps the way, for forms.

    ``place`` is None where nobody counts, or where the record is no longer in the list.
    """

    back: str
    kept: str
    previous: str | None = None
    next: str | None = None
    place: int | None = None
    of: int | None = None


def opened(path: str, back: str, row: object = None) -> str:
    """The address of a record that is opened from the list at ``back``."""
    return f"{path}?{urlencode({LIST: back} | ({ROW: row} if row is not None else {}))}"


def with_way(path: str, request: Request) -> str:
    """The address of a page that keeps the way of this request."""
    query = _kept(request)
    return f"{path}{'&' if '?' in path else '?'}{query}" if query else path


def _kept(request: Request) -> str:
    return urlencode({name: request.query_params[name] for name in (LIST, ROW) if name in request.query_params})


class Ways:
    """Finds them."""

    def __init__(self, host: ServiceHost[MonitoredCase], queries: LimitedQueries) -> None:
        self._host = host
        self._queries = queries

    async def of_alert(self, request: Request, reader: Reader, row: Neighbour) -> Way | None:
        """The way of an alert."""
        return await self._way(request, reader, row, of_cases=False)

    async def of_case(self, request: Request, reader: Reader, case_id: str) -> Way | None:
        """The way of the time of a case."""
        row = request.query_params.get(ROW, "")
        number = int(row) if row.isascii() and row.isdigit() and len(row) <= MOST_DIGITS else None
        return await self._way(request, reader, Neighbour(case_id, row, number), of_cases=True)

    async def _way(self, request: Request, reader: Reader, row: Neighbour, *, of_cases: bool) -> Way | None:
        back = own_path(request.query_params.get(LIST), "")
        path, _, query = back.partition("?")
        if path not in (ALERTS, DUE, OVERDUE, CASES):
            return None
        nothing = Way(back, _kept(request))
        try:
            async with self._queries.query() as connection:
                found = await self._neighbours(connection, reader, path, dict(parse_qsl(query)), row)
                if found is None:
                    return nothing
                beside = [found.previous, found.next]
                if not of_cases and path != ALERTS:
                    beside = await self._with_alerts(connection, reader, beside)
        except (ValidationError, QueryTooLarge, TooManyQueries):
            return nothing
        addresses = [self._address(one, back, path, of_cases) if one is not None else None for one in beside]
        return Way(back, nothing.kept, addresses[0], addresses[1], found.place, found.of)

    async def _neighbours(
        self, connection: AsyncConnection, reader: Reader, path: str, typed: dict[str, str], row: Neighbour
    ) -> Neighbours | None:
        now = self._host.clock.now()
        if path == ALERTS:
            if row.alert is None:
                return None
            alerts_wanted, scope = AlertsQuery.model_validate(typed), covering(self._host, reader, Act.READ_ALERT)
            return await alerts.neighbours(connection, alerts_wanted.of_list(), scope, alerts_wanted.state, row.alert)
        scope = covering(self._host, reader, Act.READ_TIME)
        if path == CASES:
            wanted = CasesPage.model_validate(typed)
            today = (await local_now(connection, now, wanted.region)).date()
            span = wanted.period_at(today).span
            return await listing.neighbours(connection, wanted.figure.value, wanted.filters(), scope, span, today, row)
        if path == DUE:
            due_wanted, rules = DueQuery.model_validate(typed), await rule_store.in_force(connection)
            return await due.neighbours(connection, rules, Selection(due_wanted, scope), now, due_wanted.days, row)
        overdue_wanted = OverdueQuery.model_validate(typed)
        return await overdue.neighbours(connection, Selection(overdue_wanted, scope), overdue_wanted.rung, row)

    async def _with_alerts(
        self, connection: AsyncConnection, reader: Reader, rows: list[Neighbour | None]
    ) -> list[Neighbour | None]:
        """These rows with the highest alert that stands on each."""
        keys = [(row.case_id, row.commitment) for row in rows if row is not None]
        standing = highest(await alerts.standing_of(connection, keys, covering(self._host, reader, Act.READ_ALERT)))
        return [
            row._replace(alert=one.number)
            if row is not None and (one := standing.get((row.case_id, row.commitment))) is not None
            else row
            for row in rows
        ]

    @staticmethod
    def _address(row: Neighbour, back: str, path: str, of_cases: bool) -> str:
        """The record of the same kind; that of the case where no alert stands on a row."""
        if not of_cases and row.alert is not None:
            return opened(f"/alerts/{row.alert}", back)
        return opened(f"/time/{row.case_id}", back, row.alert if path == ALERTS else row.commitment)
