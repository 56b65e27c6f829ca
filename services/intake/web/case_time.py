"""Endpoints that change the time of a case: suspend, resume, extend, restart."""

from datetime import datetime, timedelta
from typing import Annotated, Literal, NamedTuple

from fastapi import APIRouter, Path
from pydantic import ConfigDict, Field

from contracts.envelope import CaseId, Code
from contracts.messages.cases import CaseExtended, CaseRestarted, CaseSuspended, ChangeId, SuspensionKind
from contracts.messages.fields import Article, Reason
from contracts.messages.plans import MAX_STEPS
from contracts.rights.table import Act
from contracts.values import Model
from services.intake.core import suspension
from services.intake.core.case_time import derive_change_id
from services.intake.core.state import Case, TimeChange
from services.intake.core.suspension import UnknownSuspension
from services.intake.web.permitted import author_of, permitted_case
from services.runtime.http.bodies.json_route import json_router
from services.runtime.http.bodies.timestamps import Timestamp, effective_moment
from services.runtime.http.bodies.typed_text import CaseNumberPath, TypedCode
from services.runtime.http.operating.openapi import OVERLOAD, refusals
from services.runtime.http.problems import Problem
from services.runtime.security.access import Permit
from services.runtime.service import ServiceHost


class _TimeChangeRequest(Model):
    model_config = ConfigDict(extra="forbid")

    reason: Reason
    article: Article = Field("", description="The article of law that allows the change.")


class SuspensionRequest(_TimeChangeRequest):
    """Time does not count from this moment on."""

    kind: Literal[SuspensionKind.CORRECTION, SuspensionKind.HOLD]
    since: Timestamp | None = Field(None, description="Now, if not given.")


class ResumptionRequest(_TimeChangeRequest):
    """Time counts again from this moment on."""

    until: Timestamp | None = Field(None, description="Now, if not given.")


class ExtensionRequest(_TimeChangeRequest):
    """The limit is extended once, and the applicant was notified (Administrative Licensing Law, article 42)."""

    days: int = Field(ge=1, le=365, strict=True, description="Of the kind in which the limit is counted.")
    steps: Annotated[tuple[TypedCode, ...], Field(max_length=MAX_STEPS)] = Field(
        (),
        description="The steps that get the days, none of which comes after another. Without any, those that were open "
        "when the applicant was notified.",
    )
    notified_at: Timestamp = Field(description="The moment at which the applicant was notified.")


class RestartRequest(_TimeChangeRequest):
    """The time of the case begins anew. The moment is required, so that the same request again is the same change."""

    restarted_at: Timestamp


class TimeChangeAnswer(Model):
    """A recorded change. The same request again has the same answer."""

    change_id: ChangeId
    suspension: Code | None = None
    steps: tuple[Code, ...] | None = Field(None, description="The steps that get the days of an extension.")


def routes(host: ServiceHost[Case]) -> APIRouter:
    """The endpoints."""
    router = json_router(prefix="/cases/{number}", responses=refusals(400, 401, 403, 404, 409, 422, *OVERLOAD))
    suspends = host.access.may(Act.SUSPEND_CASE)

    @router.post("/suspensions", status_code=201)
    async def suspend(
        number: CaseNumberPath, request: SuspensionRequest, permit: Annotated[Permit, suspends]
    ) -> TimeChangeAnswer:
        return await _record(host, number, _suspension(number, await _receive(host, permit, number), request))

    @router.post("/suspensions/{suspension_id}/end", status_code=201)
    async def resume(
        number: CaseNumberPath,
        suspension_id: Annotated[TypedCode, Path()],
        request: ResumptionRequest,
        permit: Annotated[Permit, suspends],
    ) -> TimeChangeAnswer:
        received = await _receive(host, permit, number)
        return await _record(host, number, _resumption(number, received, suspension_id, request))

    @router.post("/extension", status_code=201)
    async def extend(
        number: CaseNumberPath,
        request: ExtensionRequest,
        permit: Annotated[Permit, host.access.may(Act.EXTEND_CASE)],
    ) -> TimeChangeAnswer:
        return await _record(host, number, _extension(number, await _receive(host, permit, number), request))

    @router.post("/restarts", status_code=201)
    async def restart(
        number: CaseNumberPath,
        request: RestartRequest,
        permit: Annotated[Permit, host.access.may(Act.RESTART_CASE)],
    ) -> TimeChangeAnswer:
        return await _record(host, number, _restart(number, await _receive(host, permit, number), request))

    return router


class _Received(NamedTuple):
    """The case and the moment in which a request arrives, and its author, as messages name them."""

    case: Case
    author: dict[str, str | None]
    now: datetime
    clock_tolerance: timedelta

    def moment(self, name: str, wanted: datetime | None, not_before: datetime | None = None) -> datetime:
        """The moment from which the request counts: not before the acceptance, or a later moment."""
        earliest = not_before or self.case.accepted.accepted_at
        return effective_moment(name, wanted, self.now, self.clock_tolerance, earliest)


async def _receive(host: ServiceHost[Case], permit: Permit, number: CaseId) -> _Received:
    case = await permitted_case(host, permit, number)
    return _Received(case, author_of(permit, case), host.clock.now(), host.settings.clock_tolerance)


async def _record(host: ServiceHost[Case], number: CaseId, change: TimeChange) -> TimeChangeAnswer:
    case = await host.command(number, change)
    of = change.suspension if isinstance(change, CaseSuspended) else None
    steps = case.extension.steps if isinstance(change, CaseExtended) and case.extension is not None else None
    return TimeChangeAnswer(change_id=change.change_id, suspension=of, steps=steps)


# The id of a change derives from the moment in the request. The moment that counts may be that of receipt, which is
# another one when the same request arrives again.


def _suspension(number: CaseId, received: _Received, request: SuspensionRequest) -> CaseSuspended:
    identity = derive_change_id(number, "suspension", request.kind, request.since or received.now)
    return CaseSuspended(
        change_id=identity,
        suspension=identity,
        kind=request.kind,
        reason=request.reason,
        article=request.article,
        since=received.moment("since", request.since),
        recorded_at=received.now,
        region=received.case.accepted.region,
        **received.author,
    )


def _resumption(number: CaseId, received: _Received, suspension_id: Code, request: ResumptionRequest) -> CaseSuspended:
    known = suspension.latest(received.case, suspension_id)
    try:
        return suspension.end(
            received.case,
            suspension_id,
            change_id=derive_change_id(number, "resumption", suspension_id, request.until or received.now),
            reason=request.reason,
            article=request.article,
            until=received.moment("until", request.until, known.since if known else None),
            now=received.now,
            **received.author,
        )
    except UnknownSuspension:
        title, title_zh = "The case has no such suspension", "该办件没有此项暂停计时"
        raise Problem(404, "no-such-suspension", title, title_zh) from None


def _extension(number: CaseId, received: _Received, request: ExtensionRequest) -> CaseExtended:
    return CaseExtended(
        change_id=derive_change_id(
            number, "extension", " ".join((str(request.days), *sorted(request.steps))), request.notified_at
        ),
        days=request.days,
        steps=request.steps,
        reason=request.reason,
        article=request.article,
        notified_at=received.moment("notified_at", request.notified_at),
        region=received.case.accepted.region,
        **received.author,
    )


def _restart(number: CaseId, received: _Received, request: RestartRequest) -> CaseRestarted:
    return CaseRestarted(
        change_id=derive_change_id(number, "restart", "", request.restarted_at),
        reason=request.reason,
        article=request.article,
        restarted_at=received.moment("restarted_at", request.restarted_at),
        region=received.case.accepted.region,
        **received.author,
    )
