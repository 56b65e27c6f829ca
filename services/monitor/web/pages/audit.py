"""The first pages of an auditor: the records of access of all services, and the journals."""

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.responses import Response

from contracts.rights.table import Act
from services.monitor.core.state import MonitoredCase
from services.runtime.clock import machine_now
from services.runtime.http.pages.audit.journal import chains_of, needs_two
from services.runtime.http.pages.audit.record_view import LABELS, RecordPageQuery, RecordView
from services.runtime.http.pages.audit.shown import service_name
from services.runtime.http.pages.preferences import preferences_of
from services.runtime.http.pages.reader import Reader, reader_may
from services.runtime.http.pages.rendering import Pages
from services.runtime.journal.reader import ACCESS
from services.runtime.security.access_record import count_rows, note_query
from services.runtime.service import ServiceHost
from services.runtime.store import access_record

OWN = "monitor"

JOURNALS = ("monitor", "intake")
"""The services that keep a journal."""

FOUND = 10
"""Entries of monitor's own record that the first page shows."""


def add(router: APIRouter, pages: Pages, host: ServiceHost[MonitoredCase]) -> None:
    """Add the pages."""

    @router.get("/record")
    async def records(request: Request, reader: Annotated[Reader, reader_may(host, Act.READ_RECORD)]) -> Response:
        """The services that keep a record, and what monitor's own has of one person or case."""
        language = preferences_of(request).language
        typed, texts = dict(request.query_params), pages.texts(language)
        try:
            wanted = RecordPageQuery.model_validate(typed)
        except ValidationError as error:
            return pages.wrong_query(request, error, typed, LABELS)
        note_query(wanted)
        async with host.database.connect() as connection:
            rows = await access_record.newest(connection, wanted.filter, FOUND)
            counts = await access_record.counts(connection, wanted.filter)
            reached = await ACCESS.tables.reached(connection)
        count_rows(len(rows))
        view = RecordView(
            OWN,
            host.settings.systems,
            wanted,
            typed,
            rows,
            False,
            counts,
            reached.created_at,
            None,
            None,
            machine_now(),
            language,
            texts,
        )
        may_read_time = Act.READ_TIME in reader.acts
        return pages.render(request, "records.html", record=view, may_read_time=may_read_time)

    @router.get("/journal")
    async def journals(request: Request, _: Annotated[Reader, reader_may(host, Act.READ_JOURNAL)]) -> Response:
        """The journals, and the chains of monitor's own."""
        texts = pages.texts(preferences_of(request).language)
        chains = await chains_of(host, OWN)
        count_rows(len(chains))
        return pages.render(
            request,
            "journals.html",
            journals=[(f"/journal/{name}", service_name(name, texts)) for name in JOURNALS],
            chains=chains,
            four_eyes=needs_two(host),
        )
