"""The time of a case, as staff change it: suspended, resumed, extended, begun anew."""

from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from contracts.core import Rejected
from contracts.envelope import CaseId, Code
from contracts.messages.cases import CaseExtended, CaseRestarted, CaseSuspended, SuspensionKind
from contracts.messages.fields import Article, Reason
from services.intake.core.case_time import derive_change_id
from services.intake.core.state import Case
from services.intake.core.suspension import latest
from services.runtime.http.openapi import OVERLOAD, refusals
from services.runtime.http.problems import Problem
from services.runtime.http.timestamps import Timestamp, not_in_future
from services.runtime.security.staff import staff_only
from services.runtime.service import ServiceHost

Number = Annotated[CaseId, Path()]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: Reason
    article: Article = Field("", description="The article that allows it.")


class SuspensionRequest(_Request):
    """Time does not count from now on, or from an earlier moment."""

    kind: Literal[SuspensionKind.CORRECTION, SuspensionKind.HOLD]
    since: Timestamp | None = Field(None, description="From when on; now if it is not said.")


class ResumptionRequest(_Request):
    """Time counts again from now on, or from an earlier moment."""

    until: Timestamp | None = Field(None, description="From when on; now if it is not said.")


class ExtensionRequest(_Request):
    """The limit is extended, once; the applicant has been told why (Administrative Licensing Law, article 42)."""

    days: int = Field(ge=1, le=365, description="Of the kind in which the limit is counted.")
    notified_at: Timestamp = Field(description="When the applicant was told.")


class RestartRequest(_Request):
    """Time begins anew. The moment has to be said, so that the same request again is the same word."""

    restarted_at: Timestamp = Field(description="From when on.")


class Kept(BaseModel):
    """What has been kept, and will be told to monitor."""

    word: str
    suspension: Code | None = None


def routes(host: ServiceHost[Case]) -> APIRouter:
    """The endpoints, closed to all but staff. Asked again with the same content, each changes nothing."""
    refused = refusals(400, 401, 403, 404, 409, 422, *OVERLOAD)
    router = APIRouter(prefix="/cases/{number}", dependencies=[staff_only(host.settings.api_token)], responses=refused)

    @router.post("/suspensions", status_code=201)
    async def suspend(number: Number, wanted: SuspensionRequest) -> Kept:
        now = host.clock.now()
        since = not_in_future("since", wanted.since, now)
        suspension = derive_change_id(number, "suspension", wanted.kind, since)
        word = CaseSuspended(
            change_id=suspension,
            suspension=suspension,
            kind=wanted.kind,
            reason=wanted.reason,
            article=wanted.article,
            since=since,
            recorded_at=now,
        )
        await host.command(number, word)
        return Kept(word=word.change_id, suspension=suspension)

    @router.post("/suspensions/{suspension}/end", status_code=201)
    async def resume(number: Number, suspension: Annotated[Code, Path()], wanted: ResumptionRequest) -> Kept:
        now = host.clock.now()
        case = await host.read(number)
        known = latest(case, suspension) if case is not None else None
        if known is None:
            raise Problem(404, "no-such-suspension", "The case has no such suspension", "该办件没有此项中止")
        until = not_in_future("until", wanted.until, now)
        if until < known.since:
            raise Rejected("a suspension cannot end before it begins", "中止的结束不能早于开始")
        word = known.replace(
            change_id=derive_change_id(number, "resumption", suspension, until),
            reason=wanted.reason,
            article=wanted.article,
            until=until,
            # Later than the word before, whatever clock that was said by.
            recorded_at=max(now, known.recorded_at + timedelta(microseconds=1)),
        )
        await host.command(number, word)
        return Kept(word=word.change_id, suspension=suspension)

    @router.post("/extension", status_code=201)
    async def extend(number: Number, wanted: ExtensionRequest) -> Kept:
        notified_at = not_in_future("notified_at", wanted.notified_at, host.clock.now())
        word = CaseExtended(
            change_id=derive_change_id(number, "extension", str(wanted.days), notified_at),
            days=wanted.days,
            reason=wanted.reason,
            article=wanted.article,
            notified_at=notified_at,
        )
        await host.command(number, word)
        return Kept(word=word.change_id)

    @router.post("/restart", status_code=201)
    async def restart(number: Number, wanted: RestartRequest) -> Kept:
        restarted_at = not_in_future("restarted_at", wanted.restarted_at, host.clock.now())
        word = CaseRestarted(
            change_id=derive_change_id(number, "restart", "", restarted_at),
            reason=wanted.reason,
            article=wanted.article,
            restarted_at=restarted_at,
        )
        await host.command(number, word)
        return Kept(word=word.change_id)

    return router
