"""Shows the commitments of cases, explains their deadlines, and counts their results, for staff."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import ConfigDict, Field

from contracts.bilingual import Language
from contracts.envelope import CaseId, Code
from contracts.messages.commitments import CASE, Commitment, CommitmentKey
from contracts.messages.fields import Region
from contracts.rights.scope import EVERYWHERE, Scope
from contracts.rights.table import Act
from contracts.values import Model
from contracts.working_time import Suspension
from contracts.working_time.explanation.explain import Explanation
from contracts.working_time.explanation.svg import svg
from contracts.working_time.explanation.wording import text as in_words
from services.monitor.core.alerts.records import RaisedRung
from services.monitor.core.deadlines import explanation, suspensions_without_effect
from services.monitor.core.rules import LimitKind, Rules
from services.monitor.core.state import MonitoredCase
from services.monitor.store import cases
from services.monitor.store.lists.query_limits import LimitedQueries
from services.monitor.web.lists.list_page import problems
from services.monitor.web.routers import monitor_router
from services.monitor.web.rules import rules_of_version
from services.runtime.http.bodies.typed_text import CaseNumberPath
from services.runtime.http.operating.openapi import refusals
from services.runtime.http.problems import Problem, not_found
from services.runtime.security.access import Permit
from services.runtime.service import ServiceHost


class CommitmentView(Commitment):
    """A commitment, when it was answered, and the rungs that have fired."""

    answered_at: datetime | None
    raised: tuple[RaisedRung, ...]
    without_effect: tuple[Suspension, ...] = Field(
        description="Suspensions that do not move the deadline, because another party has fixed it as a moment."
    )


class CaseView(Model):
    """The commitments of one case."""

    case_id: CaseId
    matter: Code | None
    region: Region | None
    decided_at: datetime | None
    commitments: list[CommitmentView]


class Form(StrEnum):
    """The form of an explanation."""

    JSON = "json"
    TEXT = "text"
    PICTURE = "picture"


class ExplanationQuery(Model):
    """The commitment, the limit and the form of an explanation."""

    model_config = ConfigDict(extra="forbid")

    commitment: CommitmentKey = CASE
    limit: LimitKind = LimitKind.COMMITTED
    form: Form = Form.JSON
    language: Language = "zh"


class Summary(Model):
    """How many cases monitor has."""

    cases_open: int
    cases_closed: int = Field(description="Closed and within the retention time.")
    due_now: int = Field(description="Cases with a timer that is due and has not fired yet.")


def routes(host: ServiceHost[MonitoredCase], queries: LimitedQueries) -> APIRouter:
    """The endpoints. ``queries``: those that read the states of all cases."""
    router = monitor_router()
    readers = host.access.may(Act.READ_TIME)

    @router.get("/commitments")
    async def summary(_: Annotated[Permit, host.access.may(Act.READ_STATE)]) -> Summary:
        async with problems(), queries.query() as connection:
            row = await cases.counts(connection, host.clock.now())
        return Summary.model_validate(row._asdict())

    @router.get("/commitments/{case_id}", responses=refusals(404))
    async def commitments(case_id: CaseNumberPath, permit: Annotated[Permit, readers]) -> CaseView:
        state = await host.read(case_id)
        if state is None or not may_read(permit, state):
            raise not_found(f"monitor knows no case {case_id}", f"监督系统中没有办件 {case_id}")
        suspended = [one for one in state.commitments if one.due is not None] if state.suspensions else []
        rules = {version: await rules_of_version(host, version) for version in {one.rules_version for one in suspended}}
        return _case_view(case_id, state, rules)

    @router.get(
        "/commitments/{case_id}/explanation",
        responses=refusals(404) | {200: {"content": {"text/plain": {}, "image/svg+xml": {}}}},
        response_model=Explanation,
    )
    async def explain(
        case_id: CaseNumberPath,
        wanted: Annotated[ExplanationQuery, Query()],
        permit: Annotated[Permit, readers],
    ) -> Response:
        """Why a commitment is due when it is: each day that counts, and each that does not."""
        state = await host.read(case_id)
        if state is not None and not may_read(permit, state):
            state = None
        commitment = state.commitment(wanted.commitment) if state is not None else None
        found = None
        if state is not None and commitment is not None:
            rules = await rules_of_version(host, commitment.rules_version)
            found = explanation(state, wanted.commitment, wanted.limit, rules)
        if commitment is None:
            title, title_zh = "The case has no such commitment", "该办件没有此项时限责任"
            raise Problem(404, "no-such-commitment", title, title_zh)
        if found is None:
            title, title_zh = "This commitment has no deadline", "此项时限责任没有到期时间"
            detail = "it has not begun, or neither the catalogue nor the rules give it a limit"
            detail_zh = "尚未开始计时，或事项目录与规则均未规定其时限"
            raise Problem(404, "no-deadline", title, title_zh, detail=detail, detail_zh=detail_zh)
        match wanted.form:
            case Form.JSON:
                return Response(found.model_dump_json(), media_type="application/json")
            case Form.TEXT:
                return Response(in_words(found, wanted.language), media_type="text/plain; charset=utf-8")
            case Form.PICTURE:
                return Response(svg(found, wanted.language), media_type="image/svg+xml")

    return router


def may_read(permit: Permit, state: MonitoredCase) -> bool:
    """Whether a commitment of this case lies in the scope."""
    return scope_has(permit.scope, state)


def scope_has(scope: Scope, state: MonitoredCase) -> bool:
    """Whether a commitment of this case lies in this scope."""
    region, matter = state.region, state.matter
    if region is None or matter is None:
        return scope == (EVERYWHERE,)
    return any(area.covers(one.owner or "", region, matter) for area in scope for one in state.commitments)


def _case_view(case_id: str, state: MonitoredCase, rules: Mapping[int, Rules]) -> CaseView:
    """``rules``: by version, for a case that has been suspended."""
    views = [
        CommitmentView(
            **dict(message),
            answered_at=state.ended_at(commitment),
            raised=commitment.raised,
            without_effect=suspensions_without_effect(state, commitment, rules[commitment.rules_version])
            if state.suspensions
            else (),
        )
        for commitment in state.commitments
        if (message := commitment.as_message())
    ]
    return CaseView(
        case_id=case_id,
        matter=state.matter,
        region=state.region,
        decided_at=state.decided_at,
        commitments=views,
    )
