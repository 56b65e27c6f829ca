"""Lists the doubtful times of departments, and takes a supervisor's decision which moment counts."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import ConfigDict, Field

from contracts.core import UnknownCase
from contracts.envelope import CaseId, Code, Name
from contracts.messages.commitments import CASE
from contracts.messages.fields import PersonId, Region
from contracts.messages.tasks import TimeField
from contracts.rights.table import Act
from contracts.values import Model
from services.monitor.core.doubts import SettleTime
from services.monitor.core.names import NamesInForce
from services.monitor.core.state import MonitoredCase
from services.monitor.store import doubtful_times
from services.monitor.store.lists.query_limits import LimitedQueries
from services.monitor.web.actions.rights import ActionRequest, actor
from services.monitor.web.lists.list_page import DEFAULT_LIMIT, Limit, NameColumns, file_of
from services.monitor.web.routers import ACTION_REFUSALS, monitor_router
from services.runtime.http.bodies.files import AS_FILE, Form
from services.runtime.http.bodies.timestamps import Timestamp
from services.runtime.http.bodies.typed_text import CaseNumberPath, TypedCode
from services.runtime.security.access import Permit
from services.runtime.security.access_record import count_rows
from services.runtime.service import ServiceHost


class DoubtfulTimeView(Model):
    """A time of a department that cannot be true."""

    model_config = ConfigDict(from_attributes=True)

    case_id: CaseId
    step: Code
    procedure: str = Field(description="The special procedure whose time it is; empty for a time of the step.")
    field: TimeField
    claimed: datetime = Field(description="The time as the department reported it.")
    counts_at: datetime | None = Field(description="The moment that counts.")
    owner: Name
    matter: Code
    region: Region
    doubted_at: datetime
    settled_at: datetime | None
    settled_by: PersonId | None
    reason: str | None = Field(description="The supervisor's reason.")
    resolved_at: datetime | None = Field(description="When the department reported the time without doubt.")


class DoubtfulTimeLine(NameColumns, DoubtfulTimeView):
    """A doubtful time in a file."""


class DoubtfulTimeFilter(Model):
    """Selects doubtful times."""

    model_config = ConfigDict(extra="forbid")

    unresolved: bool = Field(True, description="Only those that are still in doubt.")
    limit: Limit = None
    form: Form = Form.JSON


class SettlementRequest(ActionRequest):
    """A supervisor decides which moment counts for a doubtful time."""

    step: TypedCode
    procedure: TypedCode | None = Field(None, description="The special procedure, if it is one of its times.")
    field: TimeField
    counts_at: Timestamp = Field(description="Not before the request, and not after the report arrived.")


class SettledTime(Model):
    """The moment that counts from now on."""

    counts_at: datetime


def routes(host: ServiceHost[MonitoredCase], queries: LimitedQueries, names: NamesInForce) -> APIRouter:
    """The endpoints. A repeated request with the same content changes nothing."""
    router = monitor_router("monitor", *ACTION_REFUSALS)

    @router.get("/doubtful-times", responses=AS_FILE, response_model=list[DoubtfulTimeView])
    async def newest_doubtful_times(
        wanted: Annotated[DoubtfulTimeFilter, Query()], permit: Annotated[Permit, host.access.may(Act.READ_TIME)]
    ) -> list[DoubtfulTimeView] | Response:
        """Times of departments that cannot be true, newest first."""
        if wanted.form is not Form.JSON:
            query = doubtful_times.everything(permit.scope, unresolved=wanted.unresolved, limit=wanted.limit)
            return await file_of(wanted.form, "doubtful-times", DoubtfulTimeLine, queries, query, wanted.limit, names())
        async with host.database.connect() as connection:
            rows = await doubtful_times.newest(
                connection, permit.scope, unresolved=wanted.unresolved, limit=wanted.limit or DEFAULT_LIMIT
            )
        count_rows(len(rows))
        return [DoubtfulTimeView.model_validate(row) for row in rows]

    @router.post("/commitments/{case_id}/times", status_code=201)
    async def settle_time(
        case_id: CaseNumberPath,
        request: SettlementRequest,
        permit: Annotated[Permit, host.access.may(Act.SETTLE_TIME)],
    ) -> SettledTime:
        return SettledTime(counts_at=await settle(host, permit, case_id, request))

    return router


async def settle(
    host: ServiceHost[MonitoredCase], permit: Permit, case_id: str, request: SettlementRequest
) -> datetime:
    """Decide which moment counts for a doubtful time; the moment that does. Raises `Rejected`."""
    state = await host.read(case_id)
    case = state.commitment(CASE) if state is not None else None
    if state is None or state.region is None or state.matter is None or case is None or case.owner is None:
        raise UnknownCase(case_id)
    owners = {doubt.owner for doubt in state.doubts if doubt.step == request.step} or {case.owner}
    if not all(permit.covers(owner, state.region, state.matter) for owner in owners):
        raise UnknownCase(case_id)
    by = actor(permit, min(owners), state.region, state.matter)
    command = SettleTime(**request.model_dump(), **by, clock_tolerance=host.settings.clock_tolerance)
    return _counts_at(await host.command(case_id, command), command)


def _counts_at(case: MonitoredCase, command: SettleTime) -> datetime:
    """The moment of this settlement: within the tolerance for clocks it may be another one than the wanted."""
    place = (command.step, command.procedure, command.field)
    for doubt in case.doubts:
        if (doubt.step, doubt.procedure, doubt.field) == place and doubt.settlement is not None:
            return doubt.settlement.counts_at
    return command.counts_at
