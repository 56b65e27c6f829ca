"""Lists digests and their deliveries, for staff, and repeats deliveries that were given up."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import ConfigDict, Field

from contracts.messages.fields import PersonId
from contracts.rights.scope import EVERYWHERE
from contracts.rights.table import Act
from contracts.values import Model
from services.monitor.core.state import MonitoredCase
from services.monitor.store.lists.query_limits import LimitedQueries
from services.monitor.store.notifications import digest_deliveries, digests
from services.monitor.web.lists.list_page import DEFAULT_LIMIT, Limit, file_of
from services.monitor.web.routers import monitor_router
from services.runtime.http.bodies.files import AS_FILE, Form
from services.runtime.http.operating.openapi import refusals
from services.runtime.http.problems import not_found
from services.runtime.security.access import Permit
from services.runtime.security.access_record import count_rows
from services.runtime.service import ServiceHost

Number = Annotated[int, Path(ge=1, lt=2**63)]


class State(StrEnum):
    """How far a digest has come."""

    UNSENT = "unsent"
    """It is still open, or a delivery has not arrived."""
    FAILED = "failed"
    """A delivery was given up."""


class DigestFilter(Model):
    """Selects digests, newest first."""

    model_config = ConfigDict(extra="forbid")

    state: State | None = None
    after: int | None = Field(None, ge=1, lt=2**63, description="Continue after the page that gave this as `next`.")
    limit: Limit = None
    form: Form = Form.JSON


class DeliveryView(Model):
    """The delivery of a digest to one address."""

    model_config = ConfigDict(from_attributes=True)

    digest_numbers: list[int] = Field(description="This digest, and those of other people that go to the same address.")
    address: str
    attempts: int
    next_attempt_at: datetime | None
    sent_at: datetime | None
    error: str | None = Field(description="Why the last attempt failed.")
    given_up_at: datetime | None


class DigestView(Model):
    """A digest of one person. Moments are machine time."""

    number: int
    person: PersonId
    opened_at: datetime
    built_at: datetime | None = Field(description="Null while it is open.")
    subject: str | None = Field(description="Null while it is open, and if no entry was left.")
    deliveries: list[DeliveryView]


class DigestRow(Model):
    """A row of the file: a delivery of a digest, or a digest without one yet."""

    model_config = ConfigDict(from_attributes=True)

    number: int
    person: PersonId
    opened_at: datetime
    built_at: datetime | None
    subject: str | None
    address: str | None
    attempts: int | None
    next_attempt_at: datetime | None
    sent_at: datetime | None
    error: str | None
    given_up_at: datetime | None


class DigestPage(Model):
    """Digests, newest first. ``next`` is the ``after`` of the next page, null on the last."""

    digests: list[DigestView]
    next: int | None


class DigestAlerts(Model):
    """The alerts of a digest, by their numbers. ``next`` is the ``after`` of the next page, null on the last."""

    alerts: list[int]
    next: int | None


def routes(host: ServiceHost[MonitoredCase], queries: LimitedQueries) -> APIRouter:
    """The endpoints."""
    router = monitor_router()
    readers = host.access.may(Act.READ_DIGEST)

    @router.get("/digests", responses=AS_FILE, response_model=DigestPage)
    async def newest_digests(
        wanted: Annotated[DigestFilter, Query()], permit: Annotated[Permit, readers]
    ) -> DigestPage | Response:
        """Digests, newest first; a file has a row for each delivery."""
        if wanted.form is not Form.JSON:
            query = digests.everything(_of(permit), wanted.state, wanted.after, wanted.limit)
            return await file_of(wanted.form, "digests", DigestRow, queries, query, wanted.limit)
        limit = wanted.limit or DEFAULT_LIMIT
        async with host.database.connect() as connection:
            # One row more than the page shows whether there is a next page.
            rows = await digests.newest(connection, _of(permit), wanted.state, wanted.after, limit + 1)
            page = rows[:limit]
            deliveries: dict[int, list[DeliveryView]] = {}
            for row in await digest_deliveries.of_digests(connection, [row.number for row in page]):
                view = DeliveryView.model_validate(row)
                for number in view.digest_numbers:
                    deliveries.setdefault(number, []).append(view)
        count_rows(len(page))
        return DigestPage(
            digests=[
                DigestView.model_validate(row._asdict() | {"deliveries": deliveries.get(row.number, [])})
                for row in page
            ],
            next=page[-1].number if len(rows) > limit else None,
        )

    @router.get("/digests/{number}/alerts")
    async def alerts(
        number: Number,
        permit: Annotated[Permit, readers],
        after: Annotated[int, Query(ge=0, lt=2**63)] = 0,
        limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
    ) -> DigestAlerts:
        """All alerts of a digest, to be acknowledged together; none for an unknown digest."""
        async with host.database.connect() as connection:
            found = await digests.alert_numbers(connection, number, _of(permit), after, limit + 1)
        count_rows(min(len(found), limit))
        return DigestAlerts(alerts=found[:limit], next=found[limit - 1] if len(found) > limit else None)

    @router.post("/digests/{number}/retry", responses=refusals(404), status_code=202)
    async def retry(number: Number, _: Annotated[Permit, host.access.may(Act.RETRY_DIGEST)]) -> None:
        """Repeats the deliveries of a digest that were given up."""
        async with host.database.begin() as connection:
            repeated = await digest_deliveries.retry(connection, number)
        if not repeated:
            raise not_found(f"no delivery of a digest {number} was given up", f"汇总通知 {number} 没有已放弃的投递")

    return router


def _of(permit: Permit) -> str | None:
    """The person whose digests may be read: one's own, or None for those of all."""
    return None if permit.scope == (EVERYWHERE,) else permit.person
