"""Lists alerts and platform issues, as JSON for staff."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import AwareDatetime, BeforeValidator, ConfigDict, Field

from contracts.envelope import CaseId, Code, Name
from contracts.messages.alerts import IssueKind, Rung
from contracts.messages.commitments import CommitmentKey
from contracts.messages.fields import PersonId, Region
from contracts.rights.table import Act
from contracts.values import Model
from services.monitor.core.names import NamesInForce
from services.monitor.core.state import MonitoredCase
from services.monitor.store import alerts, platform_issues
from services.monitor.store.lists.filters import NO_NUL, REGION
from services.monitor.store.lists.query_limits import LimitedQueries
from services.monitor.web.lists.list_page import DEFAULT_LIMIT, Limit, NameColumns, file_of
from services.monitor.web.routers import monitor_router
from services.runtime.http.bodies.files import AS_FILE, Form
from services.runtime.http.bodies.timestamps import reject_numbers
from services.runtime.http.bodies.typed_text import TypedCaseNumber
from services.runtime.security.access import Permit
from services.runtime.security.access_record import count_rows
from services.runtime.service import ServiceHost


class AlertView(Model):
    """An alert: a rung of a commitment that has fired."""

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
    acknowledged_by: PersonId | None = Field(
        description="The person who has acknowledged it, so that it does not escalate."
    )
    acknowledged_for: PersonId | None = Field(description="The person on leave for whom it was done; so below.")
    acknowledgement: str | None = Field(description="That person's reason.")
    appealed_at: datetime | None
    appealed_by: PersonId | None
    appealed_for: PersonId | None
    appeal: str | None = Field(description="Why the department holds the card to be unjust.")
    appeal_decided_at: datetime | None
    appeal_decided_by: PersonId | None
    appeal_decided_for: PersonId | None
    appeal_upheld: bool | None
    appeal_decision: str | None = Field(description="The supervisor's reason.")


class AlertLine(NameColumns, AlertView):
    """An alert in a file."""


class AlertPage(Model):
    """Alerts, newest first. ``next`` is the ``after`` of the next page, null on the last."""

    alerts: list[AlertView]
    next: int | None


class AlertFilter(Model):
    """Selects alerts. All given filters must fit."""

    model_config = ConfigDict(extra="forbid")

    owner: Annotated[Name, Field(pattern=NO_NUL)] | None = None
    region: Annotated[str, Field(pattern=REGION)] | None = None
    rung: Rung | None = None
    case: TypedCaseNumber | None = None
    matter: Code | None = None
    since: Annotated[AwareDatetime, BeforeValidator(reject_numbers)] | None = Field(
        None, description="Raised at this moment or later."
    )
    state: Literal["all", "standing", "unacknowledged", "undecided"] = Field(
        "all", description="All; those that stand; of these, those that nobody has acknowledged; undecided appeals."
    )
    after: int | None = Field(None, ge=1, lt=2**63, description="Continue after the page that gave this as `next`.")
    limit: Limit = None

    def filters(self) -> dict[str, Any]:
        """The given filters, by name, and where the list begins."""
        return self.model_dump(
            exclude_none=True, include={"owner", "region", "rung", "case", "matter", "since", "after"}
        )


class AlertQuery(AlertFilter):
    """A page of alerts, and its form."""

    form: Form = Form.JSON


class PlatformIssueView(Model):
    """A failure of the platform itself: no department answers for it."""

    model_config = ConfigDict(from_attributes=True)

    case_id: CaseId
    commitment: CommitmentKey
    issue: IssueKind
    owner: Name
    matter: Code
    region: Region
    raised_at: datetime
    settled_at: datetime | None


class PlatformIssueLine(NameColumns, PlatformIssueView):
    """A failure of the platform in a file."""


class PlatformIssueFilter(Model):
    """Selects platform issues."""

    model_config = ConfigDict(extra="forbid")

    unsettled: bool = Field(True, description="Only those that last.")
    limit: Limit = None
    form: Form = Form.JSON


def routes(host: ServiceHost[MonitoredCase], queries: LimitedQueries, names: NamesInForce) -> APIRouter:
    """The endpoints."""
    router = monitor_router()

    @router.get("/alerts", responses=AS_FILE, response_model=AlertPage)
    async def newest_alerts(
        wanted: Annotated[AlertQuery, Query()], permit: Annotated[Permit, host.access.may(Act.READ_ALERT)]
    ) -> AlertPage | Response:
        """Alerts, newest first."""
        if wanted.form is not Form.JSON:
            query = alerts.everything(wanted.filters(), permit.scope, wanted.limit, wanted.state)
            return await file_of(wanted.form, "alerts", AlertLine, queries, query, wanted.limit, names())
        limit = wanted.limit or DEFAULT_LIMIT
        async with host.database.connect() as connection:
            # One row more than the page shows whether there is a next page.
            rows = await alerts.newest(connection, wanted.filters(), permit.scope, limit + 1, wanted.state)
        page = rows[:limit]
        count_rows(len(page))
        return AlertPage(
            alerts=[AlertView.model_validate(row) for row in page],
            next=page[-1].number if len(rows) > limit else None,
        )

    @router.get("/platform-issues", responses=AS_FILE, response_model=list[PlatformIssueView])
    async def newest_platform_issues(
        wanted: Annotated[PlatformIssueFilter, Query()], permit: Annotated[Permit, host.access.may(Act.READ_ISSUE)]
    ) -> list[PlatformIssueView] | Response:
        """Failures of the platform itself, newest first."""
        if wanted.form is not Form.JSON:
            query = platform_issues.everything(permit.scope, unsettled=wanted.unsettled, limit=wanted.limit)
            return await file_of(
                wanted.form, "platform-issues", PlatformIssueLine, queries, query, wanted.limit, names()
            )
        async with host.database.connect() as connection:
            rows = await platform_issues.newest(
                connection, permit.scope, unsettled=wanted.unsettled, limit=wanted.limit or DEFAULT_LIMIT
            )
        count_rows(len(rows))
        return [PlatformIssueView.model_validate(row) for row in rows]

    return router
