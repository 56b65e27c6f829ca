"""The pages of due and overdue commitments: what breaks next, and who has it?"""

from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Request
from pydantic import ValidationError
from sqlalchemy import Row
from starlette.responses import Response

from contracts.rights.table import Act
from contracts.working_time import phrases
from services.monitor.core.names import NamesInForce
from services.monitor.core.state import MonitoredCase
from services.monitor.store import alerts, rule_store
from services.monitor.store.board import cells
from services.monitor.store.lists import due, overdue
from services.monitor.store.lists.filters import Selection
from services.monitor.store.lists.query_limits import LimitedQueries
from services.monitor.web.board.query import at_place
from services.monitor.web.lists.list_page import next_page, problems
from services.monitor.web.pages.acting import covering
from services.monitor.web.pages.filters import with_codes
from services.monitor.web.pages.words import Words
from services.monitor.web.pages.worklists.query import DUE, OVERDUE, SOON, DueQuery, OverdueQuery, WorklistQuery
from services.monitor.web.pages.worklists.rows import RowMaker, highest
from services.monitor.web.pages.worklists.view import LABELS, PAGE_ROWS, WorklistView
from services.runtime.http.pages.preferences import preferences_of
from services.runtime.http.pages.reader import Reader, reader_may
from services.runtime.http.pages.rendering import Pages
from services.runtime.security.access_record import count_rows, note_query
from services.runtime.service import ServiceHost

Q = TypeVar("Q", bound=WorklistQuery)


def add(
    router: APIRouter, pages: Pages, host: ServiceHost[MonitoredCase], queries: LimitedQueries, names: NamesInForce
) -> None:
    """Add the pages."""
    readers = reader_may(host, Act.READ_TIME)

    @router.get(DUE)
    async def due_soon(request: Request, reader: Annotated[Reader, readers]) -> Response:
        """What falls due in so many working days."""
        return await answer(request, reader, DueQuery)

    @router.get(OVERDUE)
    async def all_overdue(request: Request, reader: Annotated[Reader, readers]) -> Response:
        """What is overdue."""
        return await answer(request, reader, OverdueQuery)

    async def answer(request: Request, reader: Reader, query: type[Q]) -> Response:
        language = preferences_of(request).language
        typed, texts = with_codes(request.query_params, names()), pages.texts(language)
        try:
            wanted = query.model_validate(typed)
        except ValidationError as error:
            return pages.wrong_query(request, error, typed, LABELS)
        note_query(wanted)
        view = await load(reader, Words(language, texts, names()), wanted, typed)
        return pages.render(request, "worklist.html", list=view, printed=view.printed)

    async def load(reader: Reader, words: Words, wanted: WorklistQuery, typed: dict[str, str]) -> WorklistView:
        assert isinstance(wanted, DueQuery | OverdueQuery)
        now, selection = host.clock.now(), Selection(wanted, reader.scope)
        async with problems(), queries.query() as connection:
            rules = await rule_store.in_force(connection)
            days = max(SOON, wanted.days) if isinstance(wanted, DueQuery) else SOON
            by_days = await due.by_days_left(connection, selection, rules, now, days)
            totals = await overdue.totals(connection, selection)
            more = PAGE_ROWS + 1  # one more, which shows whether there is a next page
            rows: Sequence[Row[Any]]
            if isinstance(wanted, DueQuery):
                rows = await due.page(connection, rules, more, selection, now, wanted.days, wanted.cursor)
            else:
                rows = await overdue.page(connection, selection, wanted.rung, wanted.cursor, more)
            shown = rows[:PAGE_ROWS]
            standing = await alerts.standing_of(
                connection,
                [(row.case_id, row.commitment) for row in shown],
                covering(host, reader, Act.READ_ALERT),
            )
            known = await cells.known(connection, wanted.kind, reader.scope)
            name_of = await words.people(connection, now)
        count_rows(len(shown))
        may = covering(host, reader, Act.ACKNOWLEDGE_ALERT)
        ticks = frozenset(
            alert.number
            for alert in standing
            if alert.acknowledged_at is None
            and any(area.covers(alert.owner, alert.region, alert.matter) for area in may)
        )
        maker = RowMaker(words, rules, now, name_of, highest(standing), ticks)
        local = at_place(rules, now, wanted.region)
        return WorklistView(
            words=words,
            wanted=wanted,
            given=typed,
            rows=maker.due(shown) if isinstance(wanted, DueQuery) else maker.overdue(shown),
            next=next_page(rows, PAGE_ROWS),
            totals=totals,
            by_days=by_days,
            known=known,
            printed=phrases.moment(local, local.date(), words.language),
            clock=f"{local:%H:%M}",
            follows=Act.READ_ALERT in reader.acts,
        )
