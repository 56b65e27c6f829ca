"""Takes holds (暂停计时): a supervisor suspends the time of a case, and resumes it."""

from datetime import UTC, datetime
from hashlib import sha256
from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import Field

from contracts.core import UnknownCase
from contracts.envelope import Code
from contracts.messages.commitments import CASE
from contracts.messages.fields import Article
from contracts.rights.table import Act
from contracts.values import Model
from services.monitor.core.holds import BeginHold, EndHold, holds_of
from services.monitor.core.state import MonitoredCase
from services.monitor.web.actions.rights import ActionRequest, actor
from services.monitor.web.routers import ACTION_REFUSALS, monitor_router
from services.runtime.http.bodies.timestamps import Timestamp, effective_moment
from services.runtime.http.bodies.typed_text import CaseNumberPath, TypedCode
from services.runtime.security.access import Permit
from services.runtime.service import ServiceHost


class HoldRequest(ActionRequest):
    """The time of a case is suspended, from now on or from an earlier moment."""

    article: Article = Field("", description="The article that allows it.")
    since: Timestamp | None = Field(None, description="When the suspension begins; now if omitted.")


class HoldEndRequest(ActionRequest):
    """The time of a case resumes, now or from an earlier moment."""

    until: Timestamp | None = Field(None, description="When time resumes; now if omitted.")


class Hold(Model):
    """A hold, by its name."""

    hold: Code


def routes(host: ServiceHost[MonitoredCase]) -> APIRouter:
    """The endpoints. A repeated request with the same content changes nothing."""
    router = monitor_router("monitor", *ACTION_REFUSALS)
    holders = host.access.may(Act.HOLD_CASE)

    @router.post("/commitments/{case_id}/holds", status_code=201)
    async def hold(case_id: CaseNumberPath, request: HoldRequest, permit: Annotated[Permit, holders]) -> Hold:
        return Hold(hold=await begin(host, permit, case_id, request.reason, request.article, request.since))

    @router.post("/commitments/{case_id}/holds/{hold}/end", status_code=201)
    async def end_hold(
        case_id: CaseNumberPath,
        hold: Annotated[TypedCode, Path()],
        request: HoldEndRequest,
        permit: Annotated[Permit, holders],
    ) -> Hold:
        return Hold(hold=await end(host, permit, case_id, hold, request.reason, request.until))

    return router


async def begin(
    host: ServiceHost[MonitoredCase], permit: Permit, case_id: str, reason: str, article: str, since: datetime | None
) -> str:
    """Suspend the time of a case, from now on if ``since`` is None; the name of the hold. Raises `Rejected`."""
    now = host.clock.now()
    case, by = await _supervised_case(host, case_id, permit)
    # A repeated request makes the same hold: its name derives from the moment in the request, not from that of receipt.
    wanted = (since or now).astimezone(UTC)
    name = sha256(f"{case_id}/hold/{wanted.isoformat()}".encode()).hexdigest()[:16]
    at = effective_moment("since", since, now, host.settings.clock_tolerance, case.accepted_at)
    await host.command(case_id, BeginHold(hold=name, **by, reason=reason, article=article, since=at))
    return name


async def end(
    host: ServiceHost[MonitoredCase], permit: Permit, case_id: str, hold: str, reason: str, until: datetime | None
) -> str:
    """Resume the time of a case, now if ``until`` is None; the name of the hold. Raises `Rejected`."""
    case, by = await _supervised_case(host, case_id, permit)
    known = holds_of(case).get(hold)
    tolerance = host.settings.clock_tolerance
    not_before = known.since if known is not None else None
    at = effective_moment("until", until, host.clock.now(), tolerance, not_before)
    await host.command(case_id, EndHold(hold=hold, **by, reason=reason, until=at, clock_tolerance=tolerance))
    return hold


async def _supervised_case(
    host: ServiceHost[MonitoredCase], case_id: str, permit: Permit
) -> tuple[MonitoredCase, dict[str, Any]]:
    """The case, and who acts. Raises `UnknownCase` if it has not been accepted or lies outside of the scope."""
    state = await host.read(case_id)
    case = state.commitment(CASE) if state is not None else None
    if state is None or state.region is None or state.matter is None or case is None or case.owner is None:
        raise UnknownCase(case_id)
    if not permit.covers(case.owner, state.region, state.matter):
        raise UnknownCase(case_id)
    return state, actor(permit, case.owner, state.region, state.matter)
