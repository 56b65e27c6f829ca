"""The page of the commitments behind a figure of the board."""

from datetime import datetime
from typing import Annotated, NamedTuple
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.responses import Response

from contracts.rights.table import Act
from contracts.working_time import phrases
from contracts.working_time.phrases import Limit, Phrase
from services.monitor.core.names import NamesInForce
from services.monitor.core.rules import Rules
from services.monitor.core.state import MonitoredCase
from services.monitor.store import rule_store
from services.monitor.store.board.listing import BY_EVENTS
from services.monitor.store.lists.query_limits import LimitedQueries
from services.monitor.web.board.cases import CountedCommitment, load_cases
from services.monitor.web.board.query import local_now
from services.monitor.web.lists.list_page import problems
from services.monitor.web.pages.board_frame import CASES, PATH
from services.monitor.web.pages.cases_query import CasesPage
from services.monitor.web.pages.figures import FIGURES
from services.monitor.web.pages.filters import KINDS, LABELS, address, in_force, period_text, with_codes
from services.monitor.web.pages.way import opened
from services.monitor.web.pages.words import Words
from services.runtime.http.pages.preferences import preferences_of
from services.runtime.http.pages.reader import Reader, reader_may
from services.runtime.http.pages.rendering import Pages
from services.runtime.security.access_record import note_query
from services.runtime.service import ServiceHost


class ShownCase(NamedTuple):
    """A row. ``state`` is a state of `components.state`, or ``late``; ``deadline`` says how long."""

    number: str
    link: str
    step: str
    item: str
    owner: str
    region: str
    opened: str
    ended: str
    state: str
    deadline: Phrase
    tone: str
    days: tuple[int | None, int | None, int | None]
    counted: int


def add(
    router: APIRouter, pages: Pages, host: ServiceHost[MonitoredCase], queries: LimitedQueries, names: NamesInForce
) -> None:
    """Add the page."""

    @router.get(CASES)
    async def cases(request: Request, reader: Annotated[Reader, reader_may(host, Act.READ_TIME)]) -> Response:
        """The commitments that a figure counts."""
        language = preferences_of(request).language
        texts = pages.texts(language)
        typed = with_codes(request.query_params, names())
        try:
            wanted = CasesPage.model_validate(typed)
        except ValidationError as error:
            return pages.wrong_query(request, error, typed, LABELS, "board_faults.html")
        note_query(wanted)
        async with problems(), queries.query() as connection:
            now = await local_now(connection, host.clock.now(), wanted.region)
            found = await load_cases(connection, wanted, reader.scope, now.date(), names())
            rules = await rule_store.in_force(connection)
        figure, words = wanted.figure.value, Words(language, texts, names())
        filters = {**wanted.filters(), "period": str(wanted.period_at(now.date()))}
        query = urlencode({"figure": figure, **filters})
        rows = [shown(one, host.clock.now(), rules, words, address(CASES, typed)) for one in found.commitments]
        last = wanted.start + len(rows) - 1
        return pages.render(
            request,
            "board_cases.html",
            name=figure,
            figure=FIGURES[figure],
            period=period_text(wanted.period_at(now.date()), language),
            is_now=figure in ("open", "due_today", "overdue"),
            filters=list(in_force(CASES, typed, ("region", "owner", "item"), texts, words.filtered)),
            rows=rows,
            kind=dict(KINDS)[wanted.kind],
            counts=figure in BY_EVENTS,
            files={form: f"/api/monitor{CASES}?{query}&form={form}" for form in ("csv", "xlsx")},
            board=address(PATH, filters),
            first_row=wanted.start,
            last_row=last,
            next=address(CASES, typed, after=found.next, start=last + 1) if found.next else None,
            back=address(CASES, typed, after=None, start=None) if wanted.start > 1 else None,
            printed=phrases.moment(now, now.date(), language),
        )


def shown(one: CountedCommitment, now: datetime, rules: Rules, words: Words, here: str) -> ShownCase:
    """A commitment as a row of the list at ``here``. The days of its limit are those of the calendar of its place."""
    counting, language = rules.counting_rules(one.region), words.language
    calendar, today = counting.calendar, counting.hours.local(now).date()
    step = words.commitment(one.commitment, one.matter) if "/" in one.commitment else ""
    end = one.ended_on or today
    by = calendar.rank(end.toordinal()) - calendar.rank(one.due_on.toordinal())
    state = tone = ""
    if one.ended_on is not None:
        state = "on_time" if one.on_time else "late"
        deadline = phrases.answered(by, bool(one.on_time), one.due_on, today, language)
    elif one.paused:
        state, deadline = "stopped", Phrase("", phrases.until(one.due_on, Limit.COMMITTED, today, language), language)
    elif one.due_on < today:
        tone, deadline = "over", phrases.over(max(by, 1), one.due_on, Limit.COMMITTED, today, language)
    else:
        tone = "soon" if one.due_on == today else ""
        deadline = phrases.ahead_of_day(one.due_on, today, -by, language, calendar)
    return ShownCase(
        one.case_id,
        opened(f"/time/{one.case_id}", here, one.commitment),
        step,
        words.matter(one.matter),
        words.department(one.owner),
        words.place(one.region),
        phrases.day(one.opened_on, today, language),
        phrases.day(one.ended_on, today, language) if one.ended_on is not None else "",
        state,
        deadline,
        tone,
        (one.days_used, one.days_committed, one.days_statutory),
        one.counted,
    )
