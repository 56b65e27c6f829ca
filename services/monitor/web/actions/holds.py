"""Takes holds (暂停计时): a supervisor suspends the time of a case, and resumes it."""

from datetime import datetime
from hashlib import sha256
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from contracts.core import UnknownCase
from contracts.envelope import Code
from contracts.messages.commitments import CASE
from contracts.messages.fields import Article, PersonId
from services.monitor.core.holds import BeginHold, EndHold
from services.monitor.core.state import MonitoredCase
from services.monitor.web.actions.rights import ActionRequest, directory_in_force, must_supervise
from services.monitor.web.staff_router import ACTION_REFUSALS, staff_router
from services.runtime.http.timestamps import Timestamp, not_in_future
from services.runtime.http.typed_text import CaseNumberPath
from services.runtime.service import ServiceHost


class HoldRequest(ActionRequest):
    """The time of a case is suspended, from now on or from an earlier moment."""

    article: Article = Field("", description="The article that allows it.")
    since: Timestamp | None = Field(None, description="When the suspension begins; now if omitted.")


class HoldEndRequest(ActionRequest):
    """The time of a case resumes, now or from an earlier moment."""

    until: Timestamp | None = Field(None, description="When time resumes; now if omitted.")


class Hold(BaseModel):
    """A hold, by its name."""

    hold: Code


def routes(host: ServiceHost[MonitoredCase]) -> APIRouter:
    """The endpoints, for staff only. A repeated request with the same content changes nothing."""
    router = staff_router(host, "monitor", *ACTION_REFUSALS)

    @router.post("/commitments/{case_id}/holds", status_code=201)
    async def hold(case_id: CaseNumberPath, request: HoldRequest) -> Hold:
        now = host.clock.now()
        await _must_supervise_case(host, case_id, request.by, now)
        since = not_in_future("since", request.since, now)
        # A repeated request makes the same hold.
        name = sha256(f"{case_id}/hold/{since.isoformat()}".encode()).hexdigest()[:16]
        command = BeginHold(hold=name, by=request.by, reason=request.reason, article=request.article, since=since)
        await host.command(case_id, command)
        return Hold(hold=name)

    @router.post("/commitments/{case_id}/holds/{hold}/end", status_code=201)
    async def end(case_id: CaseNumberPath, hold: Annotated[Code, Path()], request: HoldEndRequest) -> Hold:
        now = host.clock.now()
        await _must_supervise_case(host, case_id, request.by, now)
        until = not_in_future("until", request.until, now)
        await host.command(case_id, EndHold(hold=hold, by=request.by, reason=request.reason, until=until))
        return Hold(hold=hold)

    return router


async def _must_supervise_case(host: ServiceHost[MonitoredCase], case_id: str, by: PersonId, now: datetime) -> None:
    """Raise `Problem` unless this person may hold the case, and `UnknownCase` if it has not been accepted."""
    directory, state = await directory_in_force(host), await host.read(case_id)
    case = state.commitment(CASE) if state is not None else None
    if state is None or state.region is None or state.matter is None or case is None or case.owner is None:
        raise UnknownCase(case_id)
    must_supervise(directory, by, case.owner, state.region, state.matter, now)
