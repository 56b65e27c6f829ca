"""Who is told of alerts, and how telling them went, as JSON for staff."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Query
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from sqlalchemy import text

from contracts.envelope import Code, Instant, Name
from contracts.messages import fields
from contracts.messages.alerts import Rung
from contracts.messages.fields import Region
from services.monitor.core.state import MonitoredCase
from services.monitor.notifications.directory import DirectoryFile
from services.monitor.store import directory_store
from services.runtime.http.openapi import refusals
from services.runtime.http.timestamps import reject_numbers
from services.runtime.security.staff import staff_only
from services.runtime.service import ServiceHost

Number = Annotated[int, Path(ge=1, lt=2**63)]


class DirectoryView(BaseModel):
    """The directory in force. ``made_at`` is machine time."""

    number: int
    summary: str = Field(description="What was new.")
    made_at: datetime
    directory: DirectoryFile


class ToldWanted(BaseModel):
    """Of what somebody would be told."""

    model_config = ConfigDict(extra="forbid")

    rung: Rung
    owner: Name
    region: Region
    item: Code
    at: Annotated[Instant, BeforeValidator(reject_numbers)] | None = Field(None, description="Now, if nothing is said.")
    level: int = Field(0, ge=0, le=100, description="How often it has climbed.")


class ToldView(BaseModel):
    """Somebody who would be told."""

    id: fields.PersonId
    name: Name


class State(StrEnum):
    """How far a digest has come."""

    UNSENT = "unsent"
    """Some address has not been reached yet, or it still gathers."""
    FAILED = "failed"
    """Some address was given up."""


class DigestFilter(BaseModel):
    """Which digests are wanted, newest first."""

    model_config = ConfigDict(extra="forbid")

    state: State | None = None
    after: int | None = Field(None, ge=1, lt=2**63, description="Continue after the page that gave this as `next`.")
    limit: int = Field(100, ge=1, le=1000)


class SendingView(BaseModel):
    """One address that a digest goes to."""

    model_config = ConfigDict(from_attributes=True)

    address: str
    attempts: int
    next_at: datetime | None
    sent_at: datetime | None
    fault: str | None = Field(description="Why the last attempt failed.")
    given_up_at: datetime | None


class DigestView(BaseModel):
    """What somebody is told at one time. Moments are machine time."""

    number: int
    person: fields.PersonId
    began_at: datetime
    sealed_at: datetime | None = Field(description="Null while it gathers.")
    subject: str | None = Field(description="Null while it gathers, and where nothing was left to be told.")
    sendings: list[SendingView]


class DigestPage(BaseModel):
    """Digests, newest first. ``next`` is the ``after`` of the next page, null on the last."""

    digests: list[DigestView]
    next: int | None


class DigestAlerts(BaseModel):
    """Alerts that a digest tells of, by their numbers. ``next`` is the ``after`` of the next page, null on the last."""

    alerts: list[int]
    next: int | None


_CONDITIONS = {
    State.UNSENT: """sealed_at IS NULL OR EXISTS (
        SELECT FROM sendings WHERE digest = number AND sent_at IS NULL)""",
    State.FAILED: "number IN (SELECT digest FROM sendings WHERE given_up_at IS NOT NULL)",
    None: "TRUE",
}

_SENDINGS = text("SELECT * FROM sendings WHERE digest = ANY(:digests) ORDER BY address")

_ALERTS = text("""
    SELECT DISTINCT number FROM told JOIN alerts USING (case_id, commitment, rung, occurrence)
    WHERE digest = :digest AND number > :after ORDER BY number LIMIT :limit
""")

_AGAIN = text("""
    UPDATE sendings SET given_up_at = NULL, attempts = 0, since = clock_timestamp(), next_at = clock_timestamp()
    WHERE digest = :number AND given_up_at IS NOT NULL RETURNING id
""")


def routes(host: ServiceHost[MonitoredCase]) -> APIRouter:
    """The endpoints, closed to all but staff."""
    refused = refusals(401, 403, 422, 503)
    router = APIRouter(dependencies=[staff_only(host.settings.api_token)], tags=["monitor"], responses=refused)

    @router.get("/directory", responses=refusals(404))
    async def directory() -> DirectoryView:
        async with host.database.connect() as connection:
            kept = await directory_store.in_force(connection)
            found = await directory_store.latest(connection)
        if kept is None or found is None:
            raise _no_directory()
        return DirectoryView(number=kept.number, summary=kept.summary, made_at=kept.made_at, directory=found[1].said)

    @router.get("/directory/told", responses=refusals(404))
    async def told(wanted: Annotated[ToldWanted, Query()]) -> list[ToldView]:
        async with host.database.connect() as connection:
            found = await directory_store.latest(connection)
        if found is None:
            raise _no_directory()
        at = wanted.at or host.clock.now()
        people = found[1].told(wanted.rung, wanted.level, wanted.owner, wanted.region, wanted.item, at)
        return [ToldView(id=person.id, name=person.name) for person in people]

    @router.get("/digests")
    async def digests(wanted: Annotated[DigestFilter, Query()]) -> DigestPage:
        query = text(f"""
            SELECT * FROM digests WHERE number < :after AND ({_CONDITIONS[wanted.state]})
            ORDER BY number DESC LIMIT :limit
        """)
        # One more than is shown tells whether there is a next page.
        asked = {"after": wanted.after or 2**63 - 1, "limit": wanted.limit + 1}
        async with host.database.connect() as connection:
            rows = (await connection.execute(query, asked)).all()
            page = rows[: wanted.limit]
            numbers = {"digests": [row.number for row in page]}
            sendings: dict[int, list[SendingView]] = {}
            for row in await connection.execute(_SENDINGS, numbers):
                sendings.setdefault(row.digest, []).append(SendingView.model_validate(row))
        return DigestPage(
            digests=[
                DigestView(
                    number=row.number,
                    person=row.person,
                    began_at=row.began_at,
                    sealed_at=row.sealed_at,
                    subject=row.subject,
                    sendings=sendings.get(row.number, []),
                )
                for row in page
            ],
            next=page[-1].number if len(rows) > wanted.limit else None,
        )

    @router.get("/digests/{number}/alerts")
    async def alerts(
        number: Number,
        after: Annotated[int, Query(ge=0, lt=2**63)] = 0,
        limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
    ) -> DigestAlerts:
        """All that a digest tells of, for whoever takes it in hand as a whole; nothing of one that is not there."""
        asked = {"digest": number, "after": after, "limit": limit + 1}
        async with host.database.connect() as connection:
            found = list(await connection.scalars(_ALERTS, asked))
        return DigestAlerts(alerts=found[:limit], next=found[limit - 1] if len(found) > limit else None)

    @router.post("/digests/{number}/retry", responses=refusals(404), status_code=202)
    async def retry(number: Number) -> None:
        """Send it once more to the addresses that were given up."""
        async with host.database.begin() as connection:
            again = (await connection.execute(_AGAIN, {"number": number})).all()
        if not again:
            raise HTTPException(404, f"no address of a digest {number} was given up")

    return router


def _no_directory() -> HTTPException:
    return HTTPException(404, "no directory is in force: onedoor directory apply FILE")
