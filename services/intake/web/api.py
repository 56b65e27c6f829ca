"""Applications come in here, and applicants look after their cases."""

from secrets import token_bytes
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import ValidationError

from contracts.messages.cases import Applicant
from services.intake import catalogue as catalogues
from services.intake.core.case_numbers import (
    fingerprint,
    is_tracking_secret,
    is_valid,
    number_for_key,
    number_from,
    tracking_secret,
)
from services.intake.core.lifecycle import AcceptCase, KeyReused
from services.intake.core.state import Case
from services.intake.settings import IntakeSettings
from services.intake.web import case_time, imports, side_timers
from services.intake.web.answers import CaseView, CatalogueView, Receipt, case_view, catalogue_view, receipt
from services.intake.web.body import Plain, described, read
from services.intake.web.offers import Offers
from services.intake.web.requests import CaseRequest
from services.runtime import configuration
from services.runtime.http.openapi import OVERLOAD, refusals
from services.runtime.http.problems import FieldFault, Problem, unreadable, wrong_fields
from services.runtime.service import ServiceHost

MAX_BODY_BYTES = 64 * 1024
"""An application names its materials; it does not contain them."""

MAX_KEY_CHARACTERS = 255

_KEY_PARAMETER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY_CHARACTERS},
}


def routes(host: ServiceHost[Case]) -> APIRouter:
    """Intake's endpoints."""
    router = APIRouter(tags=["intake"])
    catalogue_file = configuration.read(IntakeSettings).catalogue
    offered = catalogues.load(catalogue_file) if catalogue_file else catalogues.sample()
    offers = Offers(offered, host.settings.systems)
    shown = catalogue_view(offered).model_dump_json()
    secret_key = host.settings.secret_key.get_secret_value().encode()

    async def accept(request: Request) -> Response:
        """Accept an application. Posted again with the same ``Idempotency-Key``, it is the same case."""
        key = _key(request.headers.get("idempotency-key"))
        application = _application(await read(request, MAX_BODY_BYTES))
        offer = offers.asked_for(application)
        command = AcceptCase(
            plan=offer.plan,
            region=application.region,
            channel=application.channel,
            applicant=Applicant(**vars(application.applicant)),
            materials=offers.materials(offer, application.materials),
            accepted_at=host.clock.now(),
            fingerprint=fingerprint(secret_key, application.model_dump_json()),
        )
        number, case = await (_accept_once(host, secret_key, key, command) if key else _accept_new(host, command))
        answer = receipt(number, tracking_secret(secret_key, number), case)
        return _private(answer.model_dump_json(), 201, {"Location": answer.tracking})

    router.add_api_route(
        "/cases",
        accept,
        methods=["POST"],
        status_code=201,
        response_model=Receipt,
        responses=refusals(400, 413, 415, 422, *OVERLOAD),
        route_class_override=Plain,
        openapi_extra={**described(CaseRequest), "parameters": [_KEY_PARAMETER]},
    )

    @router.get("/cases/{number}", response_model=CaseView, responses=refusals(404, 422, 503))
    async def show(
        number: str, case_secret: Annotated[str, Header()] = "", secret: Annotated[str, Query()] = ""
    ) -> Response:
        """How a case stands, for whoever shows its secret (header ``Case-Secret``, or ``secret`` in the query)."""
        number = number.upper()
        case = None
        if is_valid(number) and is_tracking_secret(secret_key, number, case_secret or secret):
            case = await host.read(number)
        if case is None:
            # One answer for both, or it would tell strangers which numbers exist.
            title, title_zh = "There is no case with this number and secret", "没有与该编号和查询码相符的办件"
            raise Problem(404, "no-such-case", title, title_zh, headers={"Cache-Control": "no-store"})
        return _private(case_view(number, case).model_dump_json(), 200)

    @router.get("/catalogue", response_model=CatalogueView)
    async def catalogue() -> Response:
        """What can be asked for, with materials, limits and fees."""
        return Response(shown, media_type="application/json", headers={"Cache-Control": "public, max-age=300"})

    router.include_router(imports.routes(host))
    router.include_router(case_time.routes(host))
    router.include_router(side_timers.routes(host))
    return router


async def _accept_once(host: ServiceHost[Case], secret_key: bytes, key: str, command: AcceptCase) -> tuple[str, Case]:
    """Accept under a key: it leads to one number, so that all posts with this key meet in one row."""
    number = number_for_key(secret_key, key)
    try:
        return number, await host.command(number, command)
    except KeyReused:
        title, title_zh = "This Idempotency-Key was used for another application", "该 Idempotency-Key 已用于另一申请"
        raise Problem(422, "idempotency-key-reused", title, title_zh) from None


async def _accept_new(host: ServiceHost[Case], command: AcceptCase) -> tuple[str, Case]:
    """Accept under a number that nobody has: should chance draw a number twice, another is drawn."""
    while True:
        entropy = token_bytes(16)
        number, own = number_from(entropy), command.replace(fingerprint=entropy.hex())
        try:
            return number, await host.command(number, own)
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
    if len(header) > MAX_KEY_CHARACTERS:
        detail, detail_zh = f"has more than {MAX_KEY_CHARACTERS} characters", f"超过 {MAX_KEY_CHARACTERS} 个字符"
        raise wrong_fields([FieldFault(parameter="idempotency-key", detail=detail, detail_zh=detail_zh)])
    key = header.strip()
    if len(key) > 1 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not key:
        raise wrong_fields([FieldFault(parameter="Idempotency-Key", detail="is empty", detail_zh="不能为空")])
    return key


def _private(content: str, status: int, headers: dict[str, str] | None = None) -> Response:
    """An answer that no cache may keep."""
    kept_by_nobody = {"Cache-Control": "no-store", **(headers or {})}
    return Response(content, status, kept_by_nobody, "application/json")
