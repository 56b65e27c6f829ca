"""Applications come in here, and applicants look after their cases."""

from secrets import token_bytes
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import ValidationError

from contracts.cases import Applicant
from contracts.plans import Plan
from services.intake import catalogue as catalogues
from services.intake.catalogue import Bundle, Catalogue, Item, Matter
from services.intake.core import AcceptCase, Case, KeyReused
from services.intake.numbers import (
    fingerprint,
    is_tracking_secret,
    is_valid,
    number_for_key,
    number_from,
    tracking_secret,
)
from services.intake.settings import IntakeSettings
from services.intake.web import imports
from services.intake.web.answers import CaseView, CatalogueView, Receipt, case_view, catalogue_view, receipt
from services.intake.web.body import described, read
from services.intake.web.requests import CaseRequest
from services.runtime.problems import FieldFault, Problem, unreadable, wrong_fields

if TYPE_CHECKING:
    from services.runtime.shell import Shell

MAX_BODY_BYTES = 64 * 1024
"""An application names its materials; it does not contain them."""


def routes(shell: "Shell[Case]") -> APIRouter:
    """Intake's endpoints."""
    router = APIRouter(tags=["intake"])
    catalogue_file = IntakeSettings().catalogue
    offered = catalogues.load(catalogue_file) if catalogue_file else catalogues.sample()
    shown = catalogue_view(offered).model_dump_json()
    secret_key = shell.settings.secret_key.get_secret_value().encode()

    @router.post("/cases", status_code=201, response_model=Receipt, openapi_extra=described(CaseRequest))
    async def accept(
        request: Request, idempotency_key: Annotated[str | None, Header(max_length=255)] = None
    ) -> Response:
        """Accept an application. Posted again with the same ``Idempotency-Key``, it is the same case."""
        application = _application(await read(request, MAX_BODY_BYTES))
        matter = _matter(offered, application)
        plan = _plan(offered, matter, shell.settings.systems)
        command = AcceptCase(
            plan=plan,
            region=application.region,
            channel=application.channel,
            applicant=Applicant(**dict(application.applicant)),
            materials=_materials(offered, matter, application.materials),
            accepted_at=shell.clock.now(),
            fingerprint=fingerprint(secret_key, application.model_dump_json()),
        )
        key = _key(idempotency_key)
        number, case = await (_accept_once(shell, secret_key, key, command) if key else _accept_new(shell, command))
        answer = receipt(number, tracking_secret(secret_key, number), case)
        return _private(answer.model_dump_json(), 201, {"Location": answer.tracking})

    @router.get("/cases/{number}", response_model=CaseView)
    async def show(
        number: str, case_secret: Annotated[str, Header()] = "", secret: Annotated[str, Query()] = ""
    ) -> Response:
        """How a case stands, for whoever shows its secret (header ``Case-Secret``, or ``secret`` in the query)."""
        number = number.upper()
        case = None
        if is_valid(number) and is_tracking_secret(secret_key, number, case_secret or secret):
            case = await shell.read(number)
        if case is None:
            # One answer for both, or it would tell strangers which numbers exist.
            title, title_zh = "There is no case with this number and secret", "没有与该编号和查询码相符的办件"
            raise Problem(404, "no-such-case", title, title_zh, headers={"Cache-Control": "no-store"})
        return _private(case_view(number, case).model_dump_json(), 200)

    @router.get("/catalogue", response_model=CatalogueView)
    async def catalogue() -> Response:
        """What can be asked for, with materials, limits and fees."""
        return Response(shown, media_type="application/json", headers={"Cache-Control": "public, max-age=300"})

    router.include_router(imports.routes(shell))
    return router


async def _accept_once(shell: "Shell[Case]", secret_key: bytes, key: str, command: AcceptCase) -> tuple[str, Case]:
    """Accept under a key: it leads to one number, so that all posts with this key meet in one row."""
    number = number_for_key(secret_key, key)
    try:
        return number, await shell.command(number, command)
    except KeyReused:
        title, title_zh = "This Idempotency-Key was used for another application", "该 Idempotency-Key 已用于另一申请"
        raise Problem(422, "idempotency-key-reused", title, title_zh) from None


async def _accept_new(shell: "Shell[Case]", command: AcceptCase) -> tuple[str, Case]:
    """Accept under a number that nobody has: should chance draw a number twice, another is drawn."""
    while True:
        entropy = token_bytes(16)
        number, own = number_from(entropy), command.model_copy(update={"fingerprint": entropy.hex()})
        try:
            return number, await shell.command(number, own)
        except KeyReused:
            continue


def _application(body: bytes) -> CaseRequest:
    try:
        return CaseRequest.model_validate_json(body)
    except ValidationError as error:
        raise unreadable(error) from None


def _key(header: str | None) -> str | None:
    """The key, which the draft writes as a quoted string (draft-ietf-httpapi-idempotency-key-header, section 2.1)
    and most clients write bare."""
    if header is None:
        return None
    key = header.strip()
    if len(key) > 1 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not key:
        raise wrong_fields([FieldFault(parameter="Idempotency-Key", detail="is empty", detail_zh="不能为空")])
    return key


def _matter(offered: Catalogue, application: CaseRequest) -> Matter:
    """The bundle or item asked for."""
    field, kind = ("bundle", Bundle) if application.bundle else ("item", Item)
    code = application.bundle or application.item or ""
    matter = catalogues.matter_of(offered, code)
    if not isinstance(matter, kind):
        detail, detail_zh = f"the catalogue has no such {field}", "目录中没有该事项"
        raise wrong_fields([FieldFault(pointer=f"#/{field}", detail=detail, detail_zh=detail_zh)])
    return matter


def _plan(offered: Catalogue, matter: Matter, systems: tuple[str, ...]) -> Plan:
    plan = catalogues.plan_for(offered, matter)
    if away := sorted({step.department for step in plan.steps if step.system not in systems}):
        names = ", ".join(away)
        title, title_zh = "Departments of this matter are not connected here", "该事项涉及的部门尚未接入"
        raise Problem(422, "department-not-connected", title, title_zh, detail=names, detail_zh=names)
    return plan


def _materials(offered: Catalogue, matter: Matter, given: tuple[str, ...]) -> tuple[str, ...]:
    """The materials handed in, by their names in the catalogue; what it does not ask for keeps its own name.

    Everything that is missing is said at once, as the law wants it (Administrative Licensing Law, art. 32).
    """
    named = {word: m.name.both for m in offered.materials for word in (m.code, m.name.zh, m.name.en, m.name.both)}
    received = tuple(dict.fromkeys(named.get(material, material) for material in given))
    missing = [m for m in catalogues.required_materials(offered, matter) if m.name.both not in received]
    if missing:
        title, title_zh = "Materials are missing", "申报材料不齐全"
        errors = [
            FieldFault(pointer="#/materials", detail=f"missing: {m.name.en}", detail_zh=f"缺少：{m.name.zh}")
            for m in missing
        ]
        raise Problem(422, "materials-missing", title, title_zh, errors=errors)
    return received


def _private(content: str, status: int, headers: dict[str, str] | None = None) -> Response:
    """An answer that no cache may keep."""
    kept_by_nobody = {"Cache-Control": "no-store", **(headers or {})}
    return Response(content, status, kept_by_nobody, "application/json")
