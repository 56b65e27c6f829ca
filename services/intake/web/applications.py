"""``POST /cases``: an application is checked and accepted."""

from datetime import date
from secrets import token_bytes
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import ValidationError

from contracts.messages.plans import Plan
from contracts.rights.table import Act
from contracts.zone import CHINA
from services.intake.core.case_numbers import fingerprint, number_for_key, number_from, tracking_secret
from services.intake.core.catalogue.offers import Offer, Offers
from services.intake.core.lifecycle import AcceptCase, KeyReused
from services.intake.core.state import Case
from services.intake.web.answers import Receipt, receipt
from services.intake.web.body import RawRoute, body_schema, read_json
from services.intake.web.requests import TODAY, CaseRequest, applicant
from services.runtime.http.connections.client_limits import ClientLimit
from services.runtime.http.operating.openapi import OVERLOAD, refusals
from services.runtime.http.problems import FieldFault, Problem, unreadable, wrong_fields
from services.runtime.security.access import NoRight
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


def routes(host: ServiceHost[Case], offers: Offers, limit: ClientLimit) -> APIRouter:
    """The endpoint for applicants. A client may apply as often as the limit allows."""
    router = APIRouter(tags=["intake"])
    secret_key = host.settings.secret_key.get_secret_value().encode()

    async def apply(request: Request) -> Response:
        """Accept an application. The same ``Idempotency-Key`` again is the same case.

        A clerk who accepts it for the applicant sends their own token as well, and is named in the acceptance.
        """
        limit.check(request)
        key = _idempotency_key(request.headers.get("idempotency-key"))
        now = host.clock.now()
        application = _application(await read_json(request, MAX_BODY_BYTES), now.astimezone(CHINA).date())
        offer = _offer(offers, application)
        clerk = await _clerk(host, request.headers.get("authorization"), offer.plan, application.region)
        command = AcceptCase(
            plan=offer.plan,
            region=application.region,
            channel=application.channel,
            applicant=applicant(application.applicant),
            materials=_materials(offers, offer, application),
            accepted_at=now,
            **clerk,
            fingerprint=fingerprint(secret_key, application.model_dump_json()),
        )
        number, case = await (_accept_once(host, secret_key, key, command) if key else _accept_new(host, command))
        answer = receipt(number, tracking_secret(secret_key, number), case)
        # Relative to the path of this request, which a proxy may have put under another one.
        headers = {"Location": answer.tracking.removeprefix("/"), "Cache-Control": "no-store"}
        return Response(answer.model_dump_json(), 201, headers, "application/json")

    router.add_api_route(
        "/cases",
        apply,
        methods=["POST"],
        status_code=201,
        response_model=Receipt,
        responses=refusals(400, 401, 403, 413, 415, 422, *OVERLOAD),
        route_class_override=RawRoute,
        openapi_extra={**body_schema(CaseRequest), "parameters": [_KEY_PARAMETER]},
    )
    return router


async def _clerk(host: ServiceHost[Case], authorization: str | None, plan: Plan, region: str) -> dict[str, str | None]:
    """The clerk who accepts the case, and the person on leave for whom; nobody without a token.

    Raises `NoRight` for a clerk of another department or region.
    """
    if authorization is None:
        return {}
    permit = await host.access.permit_of(authorization, Act.ACCEPT_CASE)
    place = plan.lead_department, region, plan.matter
    if not permit.covers(*place):
        raise NoRight(
            "your posts do not allow you to accept cases of this department in this region",
            "您的岗位无权受理该部门在此区划的申请",
        )
    return {"by": permit.person, "on_behalf_of": permit.on_behalf_of(*place)}


async def _accept_once(host: ServiceHost[Case], secret_key: bytes, key: str, command: AcceptCase) -> tuple[str, Case]:
    """Accept under an idempotency key. One key leads to one case number, so that all its requests reach one case."""
    number = number_for_key(secret_key, key)
    try:
        return number, await host.command(number, command)
    except KeyReused:
        title, title_zh = "This Idempotency-Key was used for another application", "该 Idempotency-Key 已用于另一申请"
        detail, detail_zh = "Send another application with a key of its own.", "另一申请请使用新的 Idempotency-Key。"
        kind = "idempotency-key-reused"
        raise Problem(422, kind, title, title_zh, detail=detail, detail_zh=detail_zh) from None


async def _accept_new(host: ServiceHost[Case], command: AcceptCase) -> tuple[str, Case]:
    """Accept under a random number. If it is taken, draw another."""
    while True:
        entropy = token_bytes(16)
        number, unique = number_from(entropy), command.replace(fingerprint=entropy.hex())
        try:
            return number, await host.command(number, unique)
        except KeyReused:
            continue


def _idempotency_key(header: str | None) -> str | None:
    """The key, as a quoted string (draft-ietf-httpapi-idempotency-key-header, section 2.1) or bare, as most clients
    send it."""
    if header is None:
        return None
    if len(header) > MAX_KEY_CHARACTERS:
        detail, detail_zh = f"has more than {MAX_KEY_CHARACTERS} characters", f"超过 {MAX_KEY_CHARACTERS} 个字符"
        raise wrong_fields([FieldFault(parameter="Idempotency-Key", detail=detail, detail_zh=detail_zh)])
    key = header.strip()
    if len(key) > 1 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not key:
        raise wrong_fields([FieldFault(parameter="Idempotency-Key", detail="is empty", detail_zh="不能为空")])
    if '"' in key:  # of two headers a proxy has made one
        detail, detail_zh = "has more than one value; send one", "包含多个值，请只发送一个"
        raise wrong_fields([FieldFault(parameter="Idempotency-Key", detail=detail, detail_zh=detail_zh)])
    return key


def _application(body: Any, today: date) -> CaseRequest:
    try:
        return CaseRequest.model_validate(body, context={TODAY: today})
    except ValidationError as error:
        raise unreadable(error) from None


def _offer(offers: Offers, application: CaseRequest) -> Offer:
    if application.bundle is not None:
        field, offer = "bundle", offers.bundle(application.bundle)
    else:
        field, offer = "item", offers.item(application.item or "")
    if offer is None:
        detail, detail_zh = f"the catalogue has no such {field}", "目录中没有该事项"
        raise wrong_fields([FieldFault(pointer=f"#/{field}", detail=detail, detail_zh=detail_zh)])
    if offer.unconnected:
        title, title_zh = "Departments of this matter are not connected here", "该事项涉及的部门尚未接入"
        names = ", ".join(offer.unconnected)
        raise Problem(422, "department-not-connected", title, title_zh, detail=names, detail_zh=names)
    return offer


def _materials(offers: Offers, offer: Offer, application: CaseRequest) -> tuple[str, ...]:
    received = offers.received(application.materials)
    if missing := offer.missing(received):
        faults = [
            FieldFault(pointer="#/materials", detail=f"missing: {one.name.en}", detail_zh=f"缺少：{one.name.zh}")
            for one in missing
        ]
        raise Problem(422, "materials-missing", "Materials are missing", "申报材料不齐全", errors=faults)
    return received
