"""``POST /imports``: operators import cases that another system has accepted."""

from datetime import UTC
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import Field, TypeAdapter, ValidationError

from contracts.core import InvalidMessage
from contracts.envelope import CaseId, Code
from contracts.messages.plans import Limit, Limits, Plan, PlanStep
from contracts.rights.table import Act
from contracts.values import NO_INPUT_IN_ERRORS, Model
from contracts.zone import CHINA
from services.intake.core.case_numbers import fingerprint, number_for_reference
from services.intake.core.lifecycle import AcceptCase
from services.intake.core.state import Case
from services.intake.web.body import body_schema, read_json
from services.intake.web.requests import TODAY, ImportRow, applicant
from services.runtime.http.bodies.json_route import json_router
from services.runtime.http.operating.openapi import OVERLOAD, refusals
from services.runtime.http.problems import FieldFault, body_faults, unreadable
from services.runtime.security.access import Permit
from services.runtime.service import ServiceHost

MAX_BODY_BYTES = 1024 * 1024
MAX_ROWS = 500

_IMPORTED = "imported"
"""Matter, item and catalogue version of an imported case, whose own catalogue is not known here."""

_ROWS: TypeAdapter[list[Any]] = TypeAdapter(
    Annotated[list[Any], Field(min_length=1, max_length=MAX_ROWS)], config=NO_INPUT_IN_ERRORS
)


class ImportResult(Model):
    """The result of one row: a case number, or the reasons why there is none."""

    row: int
    """Place in the request, from 0."""
    reference: str | None = None
    number: CaseId | None = None
    errors: list[FieldFault] | None = None


def routes(host: ServiceHost[Case]) -> APIRouter:
    """The endpoint."""
    router = json_router(responses=refusals(401, 403))
    secret_key = host.settings.secret_key.get_secret_value().encode()

    @router.post(
        "/imports",
        openapi_extra=body_schema(Annotated[list[ImportRow], Field(min_length=1, max_length=MAX_ROWS)]),
        response_model_exclude_none=True,
        responses=refusals(400, 413, 415, 422, *OVERLOAD),
    )
    async def import_cases(
        request: Request, permit: Annotated[Permit, host.access.may(Act.IMPORT_CASES)]
    ) -> list[ImportResult]:
        """Import up to 500 cases. Each row succeeds or fails by itself. The same import again changes nothing."""
        rows = _rows(await read_json(request, MAX_BODY_BYTES))
        context = {TODAY: host.clock.now().astimezone(CHINA).date()}
        checked = [_check(place, row, context, host.settings.systems, permit) for place, row in enumerate(rows)]
        valid = [(place, row) for place, row in enumerate(checked) if isinstance(row, ImportRow)]
        commands = [(number_for_reference(secret_key, row.reference), _command(secret_key, row)) for _, row in valid]
        outcomes = await host.commands([*commands])
        results = {place: row for place, row in enumerate(checked) if isinstance(row, ImportResult)}
        for (place, row), (number, _), outcome in zip(valid, commands, outcomes, strict=True):
            results[place] = _result(place, row, number, outcome)
        return [results[place] for place in range(len(rows))]

    return router


def _rows(body: Any) -> list[Any]:
    try:
        return _ROWS.validate_python(body, strict=True)
    except ValidationError as error:
        raise unreadable(error) from None


def _check(
    place: int, row: Any, context: dict[str, Any], systems: tuple[Code, ...], permit: Permit
) -> ImportRow | ImportResult:
    try:
        checked = ImportRow.model_validate(row, context=context)
    except ValidationError as error:
        reference = row.get("reference") if isinstance(row, dict) else None
        reference = reference if isinstance(reference, str) else None
        return ImportResult(row=place, reference=reference, errors=body_faults(error))
    if checked.system not in systems:
        fault = FieldFault(
            pointer="#/system",
            detail=f"is not connected here; connected: {', '.join(systems)}",
            detail_zh=f"尚未接入；已接入：{'、'.join(systems)}",
        )
        return ImportResult(row=place, reference=checked.reference, errors=[fault])
    if not permit.covers(checked.department, checked.region, _IMPORTED):
        fault = FieldFault(
            pointer="#/department",
            detail="your posts do not allow you to import cases of this department in this region",
            detail_zh="您的岗位无权导入该部门在此区划的办件",
        )
        return ImportResult(row=place, reference=checked.reference, errors=[fault])
    return checked


def _command(secret_key: bytes, row: ImportRow) -> AcceptCase:
    return AcceptCase(
        plan=_plan(row),
        region=row.region,
        channel=row.channel,
        applicant=applicant(row.applicant) if row.applicant else None,
        accepted_at=row.accepted_at.astimezone(UTC),
        fingerprint=fingerprint(secret_key, row.model_dump_json()),
    )


def _plan(row: ImportRow) -> Plan:
    """A plan of one step, the decision of the department, under the limit that the other system set."""
    limit = None
    if row.due_at is not None or row.working_days is not None:
        due_at = row.due_at.astimezone(UTC) if row.due_at else None
        limit = Limit(due_at=due_at, working_days=row.working_days)
    decision = PlanStep(
        step="decision",
        item=_IMPORTED,
        item_name=row.matter_name,
        department=row.department,
        system=row.system,
    )
    return Plan(
        matter=_IMPORTED,
        matter_name=row.matter_name,
        catalogue_version=_IMPORTED,
        lead_department=row.department,
        limits=Limits(committed=limit, statutory=limit) if limit else None,
        steps=(decision,),
    )


def _result(place: int, row: ImportRow, number: CaseId, outcome: Case | BaseException) -> ImportResult:
    """Raises an exception that is no fault of the row. The client then repeats the whole request, which is harmless."""
    if isinstance(outcome, InvalidMessage):
        detail, detail_zh = "the reference was imported before, with other content", "该编号此前已导入，且内容不同"
        fault = FieldFault(pointer="#/reference", detail=detail, detail_zh=detail_zh)
        return ImportResult(row=place, reference=row.reference, errors=[fault])
    if isinstance(outcome, BaseException):
        raise outcome
    return ImportResult(row=place, reference=row.reference, number=number)
