"""Takes holds (暂停计时): a supervisor suspends the time of a case, and resumes it."""

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from contracts.core import Rejected, UnknownCase
from contracts.envelope import CaseId, Code
from contracts.messages.cases import CaseHeld
from contracts.messages.fields import Article, PersonId
from services.monitor.core.commitment import CASE
from services.monitor.core.state import MonitoredCase
from services.monitor.core.suspensions import HOLD, SuspensionRecord
from services.monitor.web.actions.rights import ActionRequest, directory_in_force, must_supervise
from services.monitor.web.staff_router import ACTION_REFUSALS, staff_router
from services.runtime.http.timestamps import Timestamp, not_in_future
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
    async def hold(case_id: Annotated[CaseId, Path()], request: HoldRequest) -> Hold:
        now = host.clock.now()
        state = await _open_case(host, case_id, request.by, now)
        since = not_in_future("since", request.since, now)
        name = sha256(f"{case_id}/hold/{since.isoformat()}".encode()).hexdigest()[:16]
        holds = _holds(state)
        if name not in holds:
            if any(known.until is None for known in holds.values()):
                raise Rejected("the case is held already", "该办件已暂停计时")
            case = state.commitment(CASE)
            if case is not None and case.opened_at is not None and since < case.opened_at:
                raise Rejected("that lies before the case was accepted", "该时间早于受理时间")
            await host.command(case_id, _held(name, request, request.article, since, None, now))
        return Hold(hold=name)

    @router.post("/commitments/{case_id}/holds/{hold}/end", status_code=201)
    async def end_hold(
        case_id: Annotated[CaseId, Path()], hold: Annotated[Code, Path()], request: HoldEndRequest
    ) -> Hold:
        now = host.clock.now()
        state = await _open_case(host, case_id, request.by, now)
        known = _holds(state).get(hold)
        if known is None:
            raise Rejected("there is no such hold", "没有此项暂停")
        until = not_in_future("until", request.until, now)
        if known.until is not None and known.until != until:
            raise Rejected("this hold has ended", "此项暂停已结束")
        if until < known.since:
            raise Rejected("a hold cannot end before it begins", "暂停的结束不能早于开始")
        if known.until is None:
            # The later record counts, so this one must be later than the one before by any clock.
            recorded_at = max(now, known.recorded_at + timedelta(microseconds=1))
            await host.command(case_id, _held(hold, request, known.article, known.since, until, recorded_at))
        return Hold(hold=hold)

    return router


def _held(
    name: str,
    request: ActionRequest,
    article: str,
    since: datetime,
    until: datetime | None,
    recorded_at: datetime,
) -> CaseHeld:
    return CaseHeld(
        hold=name,
        by=request.by,
        reason=request.reason,
        article=article,
        since=since,
        until=until,
        recorded_at=recorded_at,
    )


def _holds(state: MonitoredCase) -> dict[str, SuspensionRecord]:
    return {
        record.suspension.removeprefix(HOLD): record
        for record in state.suspensions
        if record.suspension.startswith(HOLD)
    }


async def _open_case(host: ServiceHost[MonitoredCase], case_id: str, by: PersonId, now: datetime) -> MonitoredCase:
    """An open case that this supervisor may hold. Raises `Problem`, `Rejected` or `UnknownCase`."""
    directory, state = await directory_in_force(host), await host.read(case_id)
    case = state.commitment(CASE) if state is not None else None
    if state is None or state.region is None or state.matter is None or case is None or case.owner is None:
        raise UnknownCase(case_id)
    must_supervise(directory, by, case.owner, state.region, state.matter, now)
    if state.decided_at is not None:
        raise Rejected("the case is decided", "该办件已办结")
    return state
