"""The clocks beside a case's own, as staff begin and end them: delivery, complaints, consultations."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field, model_validator

from contracts.core import UnknownCase
from contracts.envelope import CaseId, Code
from contracts.messages.commitments import CommitmentKey, Kind
from contracts.messages.plans import Limits
from contracts.messages.side_timers import SideTimer
from services.intake.core.side_timers import EndTimer, StartTimer
from services.intake.core.state import Case
from services.intake.web.requests import Line
from services.runtime.http.openapi import OVERLOAD, refusals
from services.runtime.http.timestamps import Timestamp, not_in_future
from services.runtime.security.staff import staff_only
from services.runtime.service import ServiceHost

Number = Annotated[CaseId, Path()]
Which = Annotated[Code, Field(max_length=60)]


class ClockRequest(BaseModel):
    """Something else has been promised to the applicant: that the decision is delivered (Administrative Licensing Law,
    article 44), that a complaint or a question is answered."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal[Kind.DELIVERY, Kind.COMPLAINT, Kind.CONSULTATION]
    which: Which | None = Field(None, description="Of several complaints or consultations, by its number.")
    owner: Line | None = Field(None, description="The department that answers for it; the lead if not given.")
    limits: Limits | None = Field(None, description="The time promised; that of the rules in force if not given.")
    started_at: Timestamp = Field(description="From when on; said, so that the same request again is the same clock.")

    @model_validator(mode="after")
    def _is_named(self) -> "ClockRequest":
        if self.kind is not Kind.DELIVERY and self.which is None:
            raise ValueError(f"which {self.kind} it is has to be said: a case may have several")
        return self

    @property
    def commitment(self) -> CommitmentKey:
        """Under which name monitor holds it."""
        return f"{self.kind}/{self.which}" if self.which is not None else str(self.kind)


class ClockEndRequest(BaseModel):
    """It has been done."""

    model_config = ConfigDict(extra="forbid")

    commitment: CommitmentKey
    ended_at: Timestamp


class ClockView(BaseModel):
    """A clock beside the case's own; its deadline is monitor's to reckon."""

    commitment: CommitmentKey


def routes(host: ServiceHost[Case]) -> APIRouter:
    """The endpoints, closed to all but staff. Asked again with the same content, each changes nothing."""
    refused = refusals(400, 401, 403, 404, 409, 422, *OVERLOAD)
    router = APIRouter(prefix="/cases/{number}", dependencies=[staff_only(host.settings.api_token)], responses=refused)

    @router.post("/timers", status_code=201)
    async def begin(number: Number, wanted: ClockRequest) -> ClockView:
        started_at = not_in_future("started_at", wanted.started_at, host.clock.now())
        case = await host.read(number)
        if case is None:
            raise UnknownCase(number)
        clock = SideTimer(
            commitment=wanted.commitment,
            owner=wanted.owner or case.accepted.plan.lead_department,
            limits=wanted.limits,
            started_at=started_at,
        )
        await host.command(number, StartTimer(timer=clock))
        return ClockView(commitment=clock.commitment)

    @router.post("/timers/end", status_code=201)
    async def end(number: Number, wanted: ClockEndRequest) -> ClockView:
        ended_at = not_in_future("ended_at", wanted.ended_at, host.clock.now())
        await host.command(number, EndTimer(commitment=wanted.commitment, ended_at=ended_at))
        return ClockView(commitment=wanted.commitment)

    return router
