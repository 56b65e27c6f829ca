"""All routes of the issuer, and the pages of requests that are refused.

Three applications stand side by side: the logins, which have sessions and forms of their own and no rights; the API and
the pages for those who manage people, with the access tokens and rights of every service.
"""

from typing import NamedTuple

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from services.identity.web.issuer import Issuer
from services.identity.web.oauth import endpoints
from services.identity.web.pages import account, device, enrol, login, logout, texts
from services.identity.web.pages.page import PAGES, PageRequest, WrongForm, origins
from services.identity.web.pages.people import routes as people_pages
from services.identity.web.people import api
from services.runtime.http.app import web_application
from services.runtime.http.connections.client_limits import ClientLimit, TooManyRequests
from services.runtime.http.operating.routes import add_health
from services.runtime.http.pages.application import pages_application
from services.runtime.http.pages.audit import record as record_page
from services.runtime.http.pages.headers import PageHeaders, page_headers
from services.runtime.http.pages.preferences import TidyAddresses
from services.runtime.http.site import Site, api_path

NAME = "identity"

WITH_RIGHTS = frozenset({"people", "record"})
"""First segments of the pages that need a right: they are asked for with an access token, as those of every service."""


class Applications(NamedTuple):
    """All that the issuer answers. ``described``: the application whose description operators get."""

    public: ASGIApp
    described: FastAPI
    with_rights: tuple[FastAPI, FastAPI]
    """The API and the pages that need a right."""


def applications(issuer: Issuer) -> Applications:
    """The applications of the issuer."""
    logins = web_application(NAME, routes(issuer))
    add_health(logins, issuer.faults)
    install(logins, issuer)
    record = issuer.access.record
    endpoints = web_application(NAME, api.routes(issuer), api_path(NAME), record=record)
    common = APIRouter(include_in_schema=False)
    record_page.add(common, PAGES, issuer, NAME, issuer.settings.secret_key, ())
    pages = pages_application(NAME, people_pages.routes(issuer), common, record=record)

    async def either(scope: Scope, receive: Receive, send: Send) -> None:
        has_rights = scope["path"].split("/", 2)[1:2] in ([one] for one in WITH_RIGHTS)
        await (pages if has_rights else logins)(scope, receive, send)

    return Applications(Site(NAME, endpoints, either), logins, (endpoints, pages))


def routes(issuer: Issuer) -> APIRouter:
    """The routes of the issuer."""
    router = APIRouter()
    pages = ClientLimit("login pages", issuer.settings.login_pages_a_minute)
    router.routes.extend(endpoints.routes(issuer, pages).routes)
    for part in (login, enrol, device, logout, account):
        router.include_router(part.routes(issuer), dependencies=[pages.dependency()])
    router.routes.extend(PAGES.router().routes)
    return router


def install(app: FastAPI, issuer: Issuer) -> None:
    """Add the headers of pages to all responses, and pages for requests that are refused."""
    headers = page_headers(origins(issuer.clients.redirect_uris), issuer.url.startswith("https://"))
    app.add_middleware(TidyAddresses, keep_empty=True)
    app.add_middleware(PageHeaders, headers=headers)

    @app.exception_handler(WrongForm)
    async def wrong_form(request: Request, _: Exception) -> Response:
        page = PageRequest(issuer, request, {})
        return page.render("error.html", 403, reason=page.text(texts.OLD_FORM), detail="")

    @app.exception_handler(TooManyRequests)
    async def too_many(request: Request, error: TooManyRequests) -> Response:
        page = PageRequest(issuer, request, {})
        response = page.render("error.html", 429, reason=page.text(texts.WAIT, seconds=error.wait_s), detail="")
        response.headers["Retry-After"] = str(error.wait_s)
        return response
