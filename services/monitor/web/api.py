"""What monitor shows to supervisors and operators, as JSON."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Query, Response
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field
from sqlalchemy import text

from contracts.envelope import CaseId, Code, Name
from contracts.messages.alerts import IssueKind, Rung
from contracts.messages.commitments import Commitment, CommitmentKey
from contracts.messages.fields import PersonId, Region
from contracts.working_time.explain import Explanation
from contracts.working_time.svg import svg
from contracts.working_time.wording import Language
from contracts.working_time.wording import text as in_words
from services.monitor.core.explanation import explained
from services.monitor.core.rules import LimitKind, Rules, RuleSet
from services.monitor.core.state import CASE, MonitoredCase, RaisedRung
from services.monitor.store import rule_store
from services.monitor.store.statistics import AllFigures, figures
from services.monitor.web import alert_actions, notifications
from services.runtime.http.openapi import refusals
from services.runtime.http.timestamps import reject_numbers
from services.runtime.security.staff import staff_only
from services.runtime.service import ServiceHost
from services.runtime.store import rollouts


class AlertView(BaseModel):
    """One rung of one commitment that has fired."""

    model_config = ConfigDict(from_attributes=True)

    number: int = Field(description="Counts the alerts of this installation.")
    case_id: CaseId
    commitment: CommitmentKey
    rung: Rung
    occurrence: int
    owner: Name
    matter: Code
    region: Region
    due_at: datetime
    raised_at: datetime
    withdrawn_at: datetime | None
    reason: str | None = Field(description="Why it was withdrawn.")
    ended_at: datetime | None = Field(description="When the commitment was answered.")
    acknowledged_at: datetime | None
    acknowledged_by: PersonId | None = Field(description="Who has taken it in hand: it climbs no further.")
    acknowledgement: str | None = Field(description="What they have said.")
    appealed_at: datetime | None
    appealed_by: PersonId | None
    appeal: str | None = Field(description="Why the department holds the card to be unjust.")
    appeal_decided_at: datetime | None
    appeal_decided_by: PersonId | None
    appeal_upheld: bool | None
    appeal_decision: str | None = Field(description="The supervisor's reason.")


class AlertPage(BaseModel):
    """Alerts, newest first. ``next`` is the ``after`` of the next page, null on the last."""

    alerts: list[AlertView]
    next: int | None


Written = Annotated[AwareDatetime, BeforeValidator(reject_numbers)]

MAX_RULES_VERSIONS = 100

NO_NUL = r"^[^\x00]*$"
"""PostgreSQL's text has no place for that character."""


class AlertFilter(BaseModel):
    """Which alerts are wanted; all that is given must hold."""

    model_config = ConfigDict(extra="forbid")

    owner: Annotated[Name, Field(pattern=NO_NUL)] | None = None
    rung: Rung | None = None
    case: CaseId | None = None
    matter: Code | None = None
    since: Written | None = Field(None, description="Raised at this moment or later.")
    after: int | None = Field(None, ge=1, lt=2**63, description="Continue after the page that gave this as `next`.")
    limit: int = Field(100, ge=1, le=1000)


class OperationsView(BaseModel):
    """Something that the platform itself has failed in: no department answers for it."""

    model_config = ConfigDict(from_attributes=True)

    case_id: CaseId
    commitment: CommitmentKey
    issue: IssueKind
    owner: Name
    matter: Code
    region: Region
    raised_at: datetime
    settled_at: datetime | None


class OperationsFilter(BaseModel):
    """Which failures are wanted, newest first."""

    model_config = ConfigDict(extra="forbid")

    unsettled: bool = Field(True, description="Only those that last.")
    limit: int = Field(100, ge=1, le=1000)


class CommitmentView(Commitment):
    """A commitment, when it was answered, and the rungs that have fired."""

    answered_at: datetime | None
    raised: tuple[RaisedRung, ...]


class CaseView(BaseModel):
    """The commitments of one case."""

    case_id: CaseId
    matter: Code | None
    region: Region | None
    decided_at: datetime | None
    commitments: list[CommitmentView]


class Form(StrEnum):
    """How a derivation is told."""

    JSON = "json"
    TEXT = "text"
    PICTURE = "picture"


class DerivationWanted(BaseModel):
    """Of which commitment, by which of its limits, and how it is to be told."""

    model_config = ConfigDict(extra="forbid")

    commitment: CommitmentKey = CASE
    limit: LimitKind = LimitKind.COMMITTED
    form: Form = Form.JSON
    language: Language = "zh"


class RulesVersionView(BaseModel):
    """A version of the rules, and how far the open cases follow it. Moments are machine time."""

    number: int
    summary: str = Field(description="What was new.")
    made_at: datetime
    visited: int = Field(description="Open cases that have been recalculated.")
    changed: int = Field(description="Of these, cases in which something changed.")
    open_cases: int = Field(description="Open cases there are, about.")
    began_at: datetime | None
    done_at: datetime | None = Field(description="When every open case followed; null until then.")


class Summary(BaseModel):
    """How much monitor has in hand."""

    cases_open: int
    cases_closed: int = Field(description="Closed and within the retention time.")
    due_now: int = Field(description="Cases with an alarm that has come and is not yet dealt with.")


_SUMMARY = text("""
    SELECT count(*) FILTER (WHERE closed_at IS NULL) AS cases_open,
        count(*) FILTER (WHERE closed_at IS NOT NULL) AS cases_closed,
        count(*) FILTER (WHERE timer_at <= :now) AS due_now
    FROM cases
""")

_CONDITIONS = {
    "owner": "owner = :owner",
    "rung": "rung = :rung",
    "case": "case_id = :case",
    "matter": "matter = :matter",
    # The first of them ends the search, which goes backwards by number.
    "since": "raised_at >= :since AND number >= (SELECT min(number) FROM alerts WHERE raised_at >= :since)",
    "after": "number < :after",
}


def routes(host: ServiceHost[MonitoredCase]) -> APIRouter:
    """The endpoints, closed to all but staff."""
    refused = refusals(401, 403, 422, 503)
    router = APIRouter(dependencies=[staff_only(host.settings.api_token)], tags=["monitor"], responses=refused)

    @router.get("/alerts")
    async def alerts(wanted: Annotated[AlertFilter, Query()]) -> AlertPage:
        given = wanted.model_dump(exclude_none=True, exclude={"limit"})
        conditions = " AND ".join(_CONDITIONS[name] for name in given) or "TRUE"
        query = text(f"SELECT * FROM alerts WHERE {conditions} ORDER BY number DESC LIMIT :limit")
        async with host.database.connect() as connection:
            # One more than is shown tells whether there is a next page.
            rows = (await connection.execute(query, {**given, "limit": wanted.limit + 1})).all()
        page = rows[: wanted.limit]
        return AlertPage(
            alerts=[AlertView.model_validate(row) for row in page],
            next=page[-1].number if len(rows) > wanted.limit else None,
        )

    @router.get("/operations")
    async def operations(wanted: Annotated[OperationsFilter, Query()]) -> list[OperationsView]:
        conditions = "settled_at IS NULL" if wanted.unsettled else "TRUE"
        query = text(f"SELECT * FROM operations WHERE {conditions} ORDER BY number DESC LIMIT :limit")
        async with host.database.connect() as connection:
            rows = (await connection.execute(query, {"limit": wanted.limit})).all()
        return [OperationsView.model_validate(row) for row in rows]

    @router.get("/commitments")
    async def summary() -> Summary:
        async with host.database.connect() as connection:
            row = (await connection.execute(_SUMMARY, {"now": host.clock.now()})).one()
        return Summary.model_validate(row._asdict())

    @router.get("/commitments/{case_id}", responses=refusals(404))
    async def commitments(case_id: Annotated[CaseId, Path()]) -> CaseView:
        state = await host.read(case_id)
        if state is None:
            raise HTTPException(404, f"monitor knows no case {case_id}")
        return _case_view(case_id, state)

    @router.get(
        "/commitments/{case_id}/derivation",
        responses=refusals(404) | {200: {"content": {"text/plain": {}, "image/svg+xml": {}}}},
        response_model=Explanation,
    )
    async def derivation(case_id: Annotated[CaseId, Path()], wanted: Annotated[DerivationWanted, Query()]) -> Response:
        state = await host.read(case_id)
        watch = state.commitment(wanted.commitment) if state is not None else None
        found = None
        if state is not None and watch is not None:
            found = explained(state, wanted.commitment, wanted.limit, await _rules(host, watch.rules_version))
        if found is None:
            raise HTTPException(404, f"monitor holds no such commitment of case {case_id}")
        match wanted.form:
            case Form.JSON:
                return Response(found.model_dump_json(), media_type="application/json")
            case Form.TEXT:
                return Response(in_words(found, wanted.language), media_type="text/plain; charset=utf-8")
            case Form.PICTURE:
                return Response(svg(found, wanted.language), media_type="image/svg+xml")

    @router.get("/rules")
    async def rules() -> list[RulesVersionView]:
        async with host.database.connect() as connection:
            found = await rollouts.history(connection, rule_store.RULES.kind, MAX_RULES_VERSIONS)
        return [RulesVersionView(**one._asdict()) for one in found]

    @router.get("/rules/{version}", responses=refusals(404))
    async def rules_of(version: Annotated[int, Path(ge=0, lt=2**31)]) -> RuleSet:
        return (await _rules(host, version)).rule_set

    @router.get("/figures")
    async def all_figures() -> AllFigures:
        async with host.database.connect() as connection:
            rules = await rule_store.in_force(connection)
            return await figures(connection, rules.terms(""))

    router.include_router(alert_actions.routes(host))
    router.include_router(notifications.routes(host))
    return router


async def _rules(host: ServiceHost[MonitoredCase], number: int) -> Rules:
    async with host.database.connect() as connection:
        found = await rule_store.version(connection, number)
    if found is None:
        raise HTTPException(404, f"version {number} of the rules is not on record")
    return found


def _case_view(case_id: str, state: MonitoredCase) -> CaseView:
    views = [
        CommitmentView(**dict(commitment), answered_at=state.ended_at(watch), raised=watch.raised)
        for watch in state.commitments
        if (commitment := watch.as_message())
    ]
    case = state.commitment(CASE)
    decided_at = case.ended_at if case else None
    return CaseView(case_id=case_id, matter=state.matter, region=state.region, decided_at=decided_at, commitments=views)
