"""The endpoints that programs call, and the one that browsers begin a login at."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749.errors import InvalidRequestError
from authlib.oidc.core.errors import LoginRequiredError
from fastapi import APIRouter, Request
from sqlalchemy import Connection
from starlette.responses import JSONResponse, Response

from services.identity.jobs.signing import ALGORITHM
from services.identity.store.sessions import Session
from services.identity.web.issuer import Issuer
from services.identity.web.oauth.names import DEVICE_GRANT
from services.identity.web.oauth.requests import OAuthRequest, form_of, query_of
from services.identity.web.oauth.server import OAuthServer
from services.identity.web.pages import texts
from services.identity.web.pages.page import PageRequest
from services.runtime.http.connections.client_limits import ClientLimit

FRESH_S = 60
"""Seconds for which a login counts as one that was just done, where a program asks for one (``prompt=login``)."""


def routes(issuer: Issuer, pages: ClientLimit) -> APIRouter:
    """The routes of OAuth 2.0 and OpenID Connect. ``pages``: how often a client may be sent to a login."""
    router = APIRouter(tags=["login"])
    tokens = ClientLimit("tokens", issuer.settings.tokens_a_minute)
    devices = ClientLimit("devices", issuer.settings.devices_a_minute)

    @router.get("/.well-known/openid-configuration")
    async def metadata() -> dict[str, Any]:
        """The metadata of this issuer (OpenID Connect Discovery 1.0; RFC 8414)."""
        return _metadata(issuer)

    @router.get("/jwks")
    async def jwks(request: Request) -> JSONResponse:
        """The keys that sign tokens, those of tomorrow included (RFC 7517)."""
        if wait_s := tokens.wait_s(request):
            return _slow_down(wait_s)
        keys = await issuer.run(issuer.signing.published)
        return JSONResponse(keys, headers={"Cache-Control": "public, max-age=300"})

    @router.get("/authorize", include_in_schema=False, dependencies=[pages.dependency()])
    async def authorize(request: Request) -> Response:
        """Give a program a code, after a login where none is open."""
        page = await PageRequest.read(issuer, request)
        try:
            fields = query_of(request)
        except InvalidRequestError as error:
            return _error_page(page, error)
        return await issuer.run(lambda connection: _authorize(page, connection, request, fields))

    @router.post("/token")
    async def token(request: Request) -> Response:
        """Tokens for a code, a refresh token, the code of a device, or a program's own secret (RFC 6749)."""
        return await _answer(issuer, tokens, request, lambda server, one: server.create_token_response(one))

    @router.post("/device_authorization")
    async def device_authorization(request: Request) -> Response:
        """Codes for a program without a browser (RFC 8628)."""
        return await _answer(
            issuer, devices, request, lambda server, one: server.create_endpoint_response("device_authorization", one)
        )

    @router.post("/revoke")
    async def revoke(request: Request) -> Response:
        """Give a refresh token back, and all that it has given (RFC 7009)."""
        return await _answer(
            issuer, tokens, request, lambda server, one: server.create_endpoint_response("revocation", one)
        )

    return router


async def _answer(
    issuer: Issuer, limit: ClientLimit, request: Request, answer: Callable[[OAuthServer, OAuthRequest], Response]
) -> Response:
    if wait_s := limit.wait_s(request):
        return _slow_down(wait_s)
    address = request.client.host if request.client is not None else None
    try:
        fields = await form_of(request)
    except OAuth2Error as error:
        return JSONResponse(dict(error.get_body()), 400, {"Cache-Control": "no-store"})

    def work(connection: Connection) -> Response:
        return answer(OAuthServer(issuer, connection, address), OAuthRequest("POST", request.headers, fields))

    return await issuer.run(work)


def _slow_down(wait_s: int) -> JSONResponse:
    """Refuses a client with too many requests, by the error that programs know from RFC 8628, section 3.5."""
    body = {"error": "slow_down", "error_description": f"Too many requests come from your address: wait {wait_s} s"}
    return JSONResponse(body, 429, {"Retry-After": str(wait_s), "Cache-Control": "no-store"})


def _authorize(page: PageRequest, connection: Connection, request: Request, fields: dict[str, str]) -> Response:
    found = page.session(connection)
    session = found if isinstance(found, Session) else None
    server = OAuthServer(page.issuer, connection, page.address)
    asked = OAuthRequest("GET", request.headers, fields)
    try:
        grant = server.get_consent_grant(asked, end_user=session)
        longest_s = _max_age_s(fields, grant.redirect_uri)
        prompts = fields.get("prompt", "").split()
        if session is not None and "login" not in prompts and _is_recent(page, session, longest_s):
            response: Response = server.create_authorization_response(asked, grant_user=session, grant=grant)
            return response
        if "none" in prompts:
            raise LoginRequiredError(redirect_uri=grant.redirect_uri, state=fields.get("state"))
    except OAuth2Error as error:
        error.state = fields.get("state")
        if error.redirect_uri:
            refused: Response = server.handle_error_response(asked, error)
            return refused
        return _error_page(page, error)
    return _to_login(page, fields, longest_s)


def _max_age_s(fields: dict[str, str], redirect_uri: str) -> int | None:
    age = fields.get("max_age")
    if age is None:
        return None
    if not (age.isascii() and age.isdecimal() and len(age) < 10):
        raise InvalidRequestError("max_age must be a number of seconds", redirect_uri=redirect_uri)
    return int(age)


def _is_recent(page: PageRequest, session: Session, longest_s: int | None) -> bool:
    return longest_s is None or page.now - session.authenticated_at <= timedelta(seconds=longest_s)


def _to_login(page: PageRequest, fields: dict[str, str], longest_s: int | None) -> Response:
    """Lead to the login and back. A new login that was asked for is then one of the last minute, which nobody at an
    open browser can skip."""
    again = {name: value for name, value in fields.items() if name != "prompt"}
    if "login" in fields.get("prompt", "").split() or (longest_s is not None and longest_s < FRESH_S):
        again["max_age"] = str(FRESH_S)
    return page.redirect(f"/login?next={quote(f'/authorize?{urlencode(again)}', safe='')}")


def _error_page(page: PageRequest, error: OAuth2Error) -> Response:
    return page.render(
        "error.html", 400, reason=page.text(texts.WRONG_REQUEST), detail=f"{error.error}: {error.description or ''}"
    )


def _metadata(issuer: Issuer) -> dict[str, Any]:
    url = issuer.url
    return {
        "issuer": url,
        "authorization_endpoint": f"{url}/authorize",
        "token_endpoint": f"{url}/token",
        "device_authorization_endpoint": f"{url}/device_authorization",
        "revocation_endpoint": f"{url}/revoke",
        "end_session_endpoint": f"{url}/logout",
        "jwks_uri": f"{url}/jwks",
        "scopes_supported": sorted({scope for client in issuer.clients.clients for scope in client.scopes}),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials", DEVICE_GRANT],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "code_challenge_methods_supported": ["S256"],
        "claims_supported": ["sub", "name", "auth_time", "sid", "nonce", "amr"],
        "authorization_response_iss_parameter_supported": True,
    }
