"""All routes of the issuer, and the pages of requests that are refused."""

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import Response

from services.identity.web.issuer import Issuer
from services.identity.web.oauth import endpoints
from services.identity.web.pages import device, enrol, login, logout, texts
from services.identity.web.pages.page import PAGES, PageRequest, WrongForm, origins
from services.runtime.http.connections.client_limits import ClientLimit, TooManyRequests
from services.runtime.http.pages.headers import PageHeaders, page_headers
from services.runtime.http.pages.preferences import TidyAddresses


def routes(issuer: Issuer) -> APIRouter:
    """The routes of the issuer."""
    router = APIRouter()
    pages = ClientLimit("login pages", issuer.settings.login_pages_a_minute)
    router.routes.extend(endpoints.routes(issuer, pages).routes)
    for part in (login, enrol, device, logout):
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
