"""The pages of a service's journal: its chains, and a day of one with who decided what and why."""

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import Field, ValidationError
from sqlalchemy import Row
from starlette.responses import Response

from contracts.regions import region_name
from contracts.rights.table import Act
from services.runtime.clock import machine_now
from services.runtime.http.pages.audit.exporting import ExportQuery, export_response, verifier_response
from services.runtime.http.pages.audit.journal_view import (
    LABELS,
    PAGE_ENTRIES,
    DecisionMaker,
    JournalQuery,
    JournalView,
    ShownChain,
    sliced,
)
from services.runtime.http.pages.audit.shown import address, service_name
from services.runtime.http.pages.preferences import preferences_of
from services.runtime.http.pages.reader import Reader, reader_may
from services.runtime.http.pages.rendering import Pages
from services.runtime.http.problems import not_found
from services.runtime.journal.blocks import signing_key
from services.runtime.journal.checking import check_day
from services.runtime.journal.reader import DECISIONS
from services.runtime.security.access_record import count_rows, note_query
from services.runtime.service import ServiceHost


class JournalExportQuery(ExportQuery):
    """The days of a chain."""

    region: Annotated[str, Field(pattern=r"^[0-9]{2,12}$")]


def add(router: APIRouter, pages: Pages, host: ServiceHost[Any], service: str) -> None:
    """Add the pages."""
    path = f"/journal/{service}"
    key = signing_key(host.settings.secret_key.get_secret_value()).public_key().public_bytes_raw().hex()
    readers = reader_may(host, Act.READ_JOURNAL)

    @router.get(path)
    async def journal(request: Request, _: Annotated[Reader, readers]) -> Response:
        """The chains, or a day of one."""
        language = preferences_of(request).language
        typed, texts = dict(request.query_params), pages.texts(language)
        try:
            wanted = JournalQuery.model_validate(typed)
        except ValidationError as error:
            return pages.wrong_query(request, error, typed, LABELS)
        note_query(wanted)
        if wanted.region is not None:
            return await day(request, wanted, wanted.region)
        chains = await chains_of(host, service)
        count_rows(len(chains))
        return pages.render(
            request,
            "shared/audit/journal.html",
            service=service,
            name=service_name(service, texts),
            chains=chains,
            four_eyes=needs_two(host),
        )

    async def day(request: Request, wanted: JournalQuery, region: str) -> Response:
        language = preferences_of(request).language
        maker = DecisionMaker(machine_now(), language, pages.texts(language))
        tables = DECISIONS.tables
        async with host.database.connect() as connection:
            last = next((row for row in await tables.last_blocks(connection) if row.chain == region), None)
            if last is None:
                raise not_found("the journal has no chain of this region", "日志中没有该区域的链")
            shown: date = wanted.day or wanted.verify or last.day
            size = await tables.size_of_day(connection, region, shown)
            heads = await tables.heads_of_day(connection, region, shown, wanted.block or 1, PAGE_ENTRIES + 1)
            parts, following = sliced(heads, wanted.entry if wanted.block is not None else 1, PAGE_ENTRIES)
            blocks = [
                maker.block(part, await tables.entries(connection, region, part.head.number, part.first, part.last))
                for part in parts
            ]
        count_rows(sum(len(block.decisions) for block in blocks))
        checked = None
        if wanted.verify is not None:
            checked = await check_day(host.database, DECISIONS, region, wanted.verify, key)
        view = JournalView(
            service,
            wanted,
            region,
            shown,
            size,
            blocks,
            following,
            last.day,
            checked,
            needs_two(host),
            pages.texts(language),
        )
        return pages.render(request, "shared/audit/journal_day.html", journal=view, four_eyes=view.four_eyes)

    @router.get(f"{path}/export")
    async def export(wanted: Annotated[JournalExportQuery, Query()], _: Annotated[Reader, readers]) -> Response:
        """The signed chain of some days, for the verifier that needs nothing of onedoor."""
        name = f"journal-{service}-{wanted.region}"
        return await export_response(host.database, DECISIONS, wanted.region, name, wanted)

    @router.get(f"{path}/verifier")
    async def verifier(_: Annotated[Reader, readers]) -> Response:
        """The program that checks a download."""
        return verifier_response()


async def chains_of(host: ServiceHost[Any], service: str) -> list[ShownChain]:
    """The chains of the journal of a service, with their last closed days."""
    async with host.database.connect() as connection:
        last = await DECISIONS.tables.last_blocks(connection)
        roots: dict[str, Row[Any]] = {row.chain: row for row in await DECISIONS.tables.last_roots(connection)}
    return [
        ShownChain(
            row.chain,
            region_name(row.chain),
            address(f"/journal/{service}", {"region": row.chain}),
            row.day,
            row.number,
            roots[row.chain].day if row.chain in roots else None,
            roots[row.chain].hash.hex() if row.chain in roots else "",
        )
        for row in last
    ]


def needs_two(host: ServiceHost[Any]) -> bool:
    """Whether a change of rules, directory or calendar needs two people at present."""
    return host.access.holders is not None and host.access.holders.four_eyes
