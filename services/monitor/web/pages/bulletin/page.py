"""The pages of the monthly bulletin: the month that is asked for, and the document of it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.responses import RedirectResponse, Response

from contracts.rights.table import Act
from contracts.working_time import phrases
from services.monitor.core.board.periods import before, parse_period
from services.monitor.core.board.ranks import Pool
from services.monitor.core.names import NamesInForce
from services.monitor.core.state import MonitoredCase
from services.monitor.store.board import cells
from services.monitor.store.lists.query_limits import LimitedQueries
from services.monitor.web.board.bulletin import BulletinFilter, last_month, load_bulletin
from services.monitor.web.board.query import local_now
from services.monitor.web.lists.list_page import problems
from services.monitor.web.pages.bulletin.document import Documents
from services.monitor.web.pages.bulletin.paper import Paper
from services.monitor.web.pages.filters import LABELS, Options, address, in_force, period_text, region_groups
from services.monitor.web.pages.words import Words
from services.runtime.http.pages.forms import field_faults
from services.runtime.http.pages.preferences import preferences_of
from services.runtime.http.pages.reader import Reader, reader_may
from services.runtime.http.pages.rendering import Pages
from services.runtime.http.problems import not_found
from services.runtime.service import ServiceHost

PATH = "/bulletin"

MONTHS = 24
"""Months that can be chosen."""

KIND = "case"


def add(
    router: APIRouter,
    pages: Pages,
    host: ServiceHost[MonitoredCase],
    queries: LimitedQueries,
    pools: Mapping[str, Pool],
    names: NamesInForce,
    documents: Documents,
) -> None:
    """Add the pages."""
    readers = reader_may(host, Act.READ_BOARD)

    @router.get(PATH)
    async def latest_bulletin(request: Request, reader: Annotated[Reader, readers]) -> Response:
        """Leads to the month that is asked for, or to the last one that is over."""
        typed = dict(request.query_params)
        try:
            wanted = BulletinFilter.model_validate(typed)
        except ValidationError as error:
            return wrong(request, error, typed)
        month = wanted.period
        if month is None:
            async with problems(), queries.query() as connection:
                now = await local_now(connection, host.clock.now(), wanted.region)
            month = str(last_month(now.date()))
        return RedirectResponse(address(f"{PATH}/{month}", typed, period=None), 303)

    @router.get(PATH + "/{month}.pdf")
    async def document(request: Request, month: str, reader: Annotated[Reader, readers]) -> Response:
        """The bulletin of a month as a document for print."""
        wanted = of_path(request, month)
        async with problems(), queries.query() as connection:
            found = await load_bulletin(connection, wanted, host.clock.now(), pools, reader.scope)
        return await documents.response(found, preferences_of(request).language)

    @router.get(PATH + "/{month}")
    async def bulletin(request: Request, month: str, reader: Annotated[Reader, readers]) -> Response:
        """The bulletin of a month."""
        language = preferences_of(request).language
        words = Words(language, pages.texts(language), names())
        wanted = of_path(request, month)
        async with problems(), queries.query() as connection:
            found = await load_bulletin(connection, wanted, host.clock.now(), pools, reader.scope)
            known = await cells.known(connection, KIND, reader.scope)
        typed, now = dict(request.query_params), found.board.now
        own = {name: value for name, value in (("period", month), ("region", wanted.region)) if value is not None}
        return pages.render(
            request,
            "bulletin.html",
            paper=Paper(found, words),
            month=month,
            region=wanted.region or "",
            months=month_options(now, month, words),
            regions=region_groups(known.counties, wanted.region, words.texts),
            chosen=list(in_force(f"{PATH}/{month}", typed, ("region",), words.texts, words.filtered)),
            document=address(f"{PATH}/{month}.pdf", typed),
            files={form: address("/api/monitor/bulletin", own, form=form) for form in ("csv", "xlsx")},
            printed=phrases.moment(now, now.date(), language),
        )

    def wrong(request: Request, error: ValidationError, typed: dict[str, str]) -> Response:
        language = preferences_of(request).language
        labels = {name: pages.texts(language).gettext(LABELS[name]) for name in ("period", "region")}
        faults = field_faults(error, labels, language)
        return pages.render(request, "bulletin_faults.html", 422, problems=faults, typed=typed)

    def of_path(request: Request, month: str) -> BulletinFilter:
        """The month and place of an address. Raises `Problem` (404) for one that is none."""
        try:
            return BulletinFilter.model_validate({**request.query_params, "period": month})
        except ValidationError:
            raise not_found("there is no bulletin at this address", "该地址没有办件通报") from None


def month_options(now: datetime, chosen: str, words: Words) -> Options:
    """The last months, and the one that is shown."""
    one = last_month(now.date())
    found = {parse_period(chosen), one}
    for _ in range(MONTHS - 1):
        one = before(one)
        found.add(one)
    return [(str(month), period_text(month, words.language)) for month in sorted(found, reverse=True)]
