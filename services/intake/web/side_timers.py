"""Endpoints that start and end timers beside the time of a case: delivery, complaints, consultations."""

from typing import Annotated, Literal, Self

from fastapi import APIRouter
from pydantic import ConfigDict, Field, model_validator

from contracts.faults import fault
from contracts.messages.commitments import CommitmentKey, Kind
from contracts.messages.plans import Limits
from contracts.rights.table import Act
from contracts.values import Model
from services.intake.core.side_timers import EndTimer, StartTimer, timer_of
from services.intake.core.state import Case
from services.intake.web.permitted import author_of, permitted_case
from services.runtime.http.bodies.json_route import json_router
from services.runtime.http.bodies.timestamps import Timestamp, effective_moment
from services.runtime.http.bodies.typed_text import CaseNumberPath, SingleLine, TypedCode
from services.runtime.http.operating.openapi import OVERLOAD, refusals
from services.runtime.security.access import Permit
from services.runtime.service import ServiceHost


class TimerRequest(Model):
    """A commitment to the applicant beside the case: to deliver the decision (Administrative Licensing Law, article
    44), to answer a complaint or a question."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal[Kind.DELIVERY, Kind.COMPLAINT, Kind.CONSULTATION]
    reference: Annotated[TypedCode, Field(max_length=60)] | None = Field(
        None, description="The number of the complaint or consultation, of which a case may have several."
    )
    owner: SingleLine | None = Field(None, description="The department that answers for it; the lead if not given.")
    limits: Limits | None = Field(None, description="The time promised; that of the rules in force if not given.")
    started_at: Timestamp = Field(description="Required, so that the same request again is the same timer.")

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if self.kind is not Kind.DELIVERY and self.reference is None:
            raise fault(
                f"a {self.kind} needs a reference, since a case may have several",
                "须填写编号 reference：同一办件可能有多个",
            )
        if self.limits is not None:
            if not self.limits.in_order:
                raise fault(
                    "committed is longer than statutory; correct one of them", "承诺时限长于法定时限，请更正其一"
                )
            due_at = self.limits.committed.due_at
            if due_at is not None and due_at < self.started_at:
                raise fault("due_at lies before started_at; correct one of them", "到期时间早于开始时间，请更正其一")
        return self

    @property
    def commitment(self) -> CommitmentKey:
        """The key of the commitment at monitor."""
        return f"{self.kind}/{self.reference}" if self.reference is not None else str(self.kind)


class TimerEndRequest(Model):
    """The commitment has been met."""

    model_config = ConfigDict(extra="forbid")

    commitment: CommitmentKey
    """It is in the body and not in the path because it may contain a slash."""
    ended_at: Timestamp


class TimerAnswer(Model):
    """A timer. Monitor holds its deadline."""

    commitment: CommitmentKey


def routes(host: ServiceHost[Case]) -> APIRouter:
    """The endpoints. The same request again changes nothing."""
    router = json_router(prefix="/cases/{number}", responses=refusals(400, 401, 403, 404, 409, 422, *OVERLOAD))
    runs = host.access.may(Act.RUN_SIDE_TIMER)

    @router.post("/timers", status_code=201)
    async def start(number: CaseNumberPath, request: TimerRequest, permit: Annotated[Permit, runs]) -> TimerAnswer:
        case, tolerance = await permitted_case(host, permit, number), host.settings.clock_tolerance
        earliest = case.accepted.accepted_at
        command = StartTimer(
            commitment=request.commitment,
            owner=request.owner,
            limits=request.limits,
            started_at=effective_moment("started_at", request.started_at, host.clock.now(), tolerance, earliest),
            clock_tolerance=tolerance,
            **author_of(permit, case),
        )
        await host.command(number, command)
        return TimerAnswer(commitment=request.commitment)

    @router.post("/timers/end", status_code=201)
    async def end(number: CaseNumberPath, request: TimerEndRequest, permit: Annotated[Permit, runs]) -> TimerAnswer:
        case, tolerance = await permitted_case(host, permit, number), host.settings.clock_tolerance
        timer = timer_of(case, request.commitment)
        earliest = timer.started_at if timer is not None else None
        ended_at = effective_moment("ended_at", request.ended_at, host.clock.now(), tolerance, earliest)
        command = EndTimer(
            commitment=request.commitment,
            ended_at=ended_at,
            clock_tolerance=tolerance,
            **author_of(permit, case),
        )
        await host.command(number, command)
        return TimerAnswer(commitment=request.commitment)

    return router
