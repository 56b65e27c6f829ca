"""The record of access for auditors: a list and a file. Reading it is on record as well."""

from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import ConfigDict, Field
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.rights.table import Act
from contracts.values import Model
from contracts.zone import CHINA
from services.runtime.http.bodies.csv import Cell, Cells
from services.runtime.http.bodies.files import AS_FILE, Form, file_response
from services.runtime.http.bodies.json_route import json_router
from services.runtime.http.bodies.timestamps import Timestamp
from services.runtime.http.bodies.typed_text import TypedCaseNumber
from services.runtime.http.operating.openapi import refusals
from services.runtime.security.access import Access, Permit
from services.runtime.security.access_record import Outcome, count_rows
from services.runtime.store import access_record
from services.runtime.store.access_record import RecordFilter

DEFAULT_LIMIT, MAX_LIMIT = 100, 1000
"""Entries of a page."""

Purpose = Annotated[str, Field(min_length=1, max_length=200)]
"""Why somebody reads what is on record."""


class RecordQuery(Model):
    """A page of the record, and its form. All given filters must fit."""

    model_config = ConfigDict(extra="forbid")

    person: Annotated[str, Field(min_length=1, max_length=255)] | None = Field(
        None, description="The subject of the token: an id of the directory."
    )
    act: Annotated[str, Field(max_length=64)] | None = Field(None, description="As the table of rights names it.")
    outcome: Outcome | None = None
    case: TypedCaseNumber | None = None
    since: Timestamp | None = Field(None, description="Machine time; included.")
    until: Timestamp | None = Field(None, description="Machine time; excluded.")
    after: int | None = Field(None, ge=1, lt=2**63, description="Continue after the page that gave this as `next`.")
    limit: int | None = Field(
        None,
        ge=1,
        le=MAX_LIMIT,
        description=f"Entries of a page, {DEFAULT_LIMIT} if omitted; of a file all of them, if omitted.",
    )
    form: Form = Form.JSON
    purpose: Purpose | None = Field(None, description="Why it is read; it is on record.")

    @property
    def filter(self) -> RecordFilter:
        """As the store knows it."""
        return RecordFilter(self.person, self.act, self.outcome, self.case, self.since, self.until, self.after)


class RecordedAccess(Model):
    """An entry of the record."""

    model_config = ConfigDict(from_attributes=True)

    number: int
    at: datetime = Field(description="Machine time.")
    act: str
    outcome: str
    person: str | None = Field(description="Null where the token gave no access.")
    on_behalf_of: str | None = Field(description="The person on leave for whom it was done.")
    client: str | None = Field(description="The program that used the token.")
    roles: list[str] = Field(description="Those that gave the right.")
    purpose: str | None
    request: str | None
    request_id: str | None = Field(description="The begin and the end of one request have the same.")
    case_id: str | None
    filter: str | None = Field(description="Parameters and their values, JSON.")
    rows: int | None = Field(description="How many rows were given, where they are counted.")
    times: int = Field(description="How often the same was refused within a moment.")
    address: str | None


class RecordPage(Model):
    """Entries, newest first. ``next`` is the ``after`` of the next page, null on the last."""

    entries: list[RecordedAccess]
    next: int | None


def routes(access: Access, database: AsyncEngine, service: str) -> APIRouter:
    """The endpoint."""
    router = json_router(tags=["record"], responses=refusals(401, 403, 422, 503))

    @router.get("/record", responses=AS_FILE, response_model=RecordPage)
    async def record(
        wanted: Annotated[RecordQuery, Query()], _: Annotated[Permit, access.may(Act.READ_RECORD)]
    ) -> RecordPage | Response:
        """Who asked for what, by which right, and how it ended, newest first."""
        if wanted.form is not Form.JSON:
            heads = tuple(RecordedAccess.model_fields)
            return await file_response(wanted.form, f"record-{service}", heads, _parts(database, wanted))
        limit = wanted.limit or DEFAULT_LIMIT
        async with database.connect() as connection:
            rows = await access_record.newest(connection, wanted.filter, limit + 1)
        entries = [RecordedAccess.model_validate(row) for row in rows[:limit]]
        count_rows(len(entries))
        return RecordPage(entries=entries, next=entries[-1].number if len(rows) > limit else None)

    return router


async def _parts(database: AsyncEngine, wanted: RecordQuery) -> AsyncGenerator[list[Cells], None]:
    async with database.connect() as connection:
        async for rows in access_record.all_of(connection, wanted.filter, wanted.limit):
            yield [_cells(row) for row in rows]
            await connection.rollback()  # no transaction stays open while a slow client reads


def _cells(row: Row[Any]) -> Cells:
    return [_cell(value) for _, value in RecordedAccess.model_validate(row)]


def _cell(value: Any) -> Cell:
    match value:
        case datetime():
            return value.astimezone(CHINA).replace(tzinfo=None)
        case list():
            return " ".join(value)
        case _:
            cell: Cell = value
            return cell
