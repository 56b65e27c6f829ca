"""All routes of the issuer, and the pages of requests that are refused."""

from importlib.resources import files

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import Response

from services.identity.web.issuer import Issuer
from services.identity.web.oauth import endpoints
from services.identity.web.pages import cookies, device, enrol, login, logout
from services.identity.web.pages.page import PageRequest, WrongForm, is_own_path, origins
from services.runtime.http.client_limits import ClientLimit, TooManyRequests
from services.runtime.http.pages.headers import PageHeaders, page_headers

_STATIC = files("services.identity.web.pages") / "static"
_FILES = {"issuer.css": "text/css", "passkeys.js": "text/javascript"}


def routes(issuer: Issuer) -> APIRouter:
    """The routes of the issuer."""
    router = APIRouter()
    pages = ClientLimit("login pages", issuer.settings.login_pages_a_minute)
    router.routes.extend(endpoints.routes(issuer, pages).routes)
    for part in (login, enrol, device, logout):
        router.include_router(part.routes(issuer), dependencies=[pages.dependency()])
    contents = {name: (_STATIC / name).read_bytes() for name in _FILES}

    @router.get("/login/{name}", include_in_schema=False)
    async def static(name: str) -> Response:
        """The style sheet and the script."""
        if name not in contents:
            return Response(status_code=404)
        headers = {"Cache-Control": "public, max-age=3600"}
        return Response(contents[name], media_type=_FILES[name], headers=headers)

    @router.post("/login/language", include_in_schema=False, dependencies=[pages.dependency()])
    async def language(request: Request) -> Response:
        """Choose the language of the pages."""
        page = await PageRequest.read(issuer, request)
        back = page.form.get("next", "")
        response = page.redirect(back if is_own_path(back) else "/login")
        if page.form.get("language") in ("zh", "en"):
            cookies.set_cookie(response, cookies.LANGUAGE, page.form["language"], cookies.BROWSER_S)
        return response

    return router


def install(app: FastAPI, issuer: Issuer) -> None:
    """Add the headers of pages to all responses, and pages for requests that are refused."""
    headers = page_headers(origins(issuer.clients.redirect_uris), issuer.url.startswith("https://"))
    app.add_middleware(PageHeaders, headers=headers)

    @app.exception_handler(WrongForm)
    async def wrong_form(request: Request, _: Exception) -> Response:
        page = PageRequest(issuer, request, {})
        return page.render("error.html", 403, reason=page.text("error.form"), detail="")

    @app.exception_handler(TooManyRequests)
    async def too_many(request: Request, error: TooManyRequests) -> Response:
        page = PageRequest(issuer, request, {})
        response = page.render("error.html", 429, reason=page.text("error.wait", seconds=error.wait_s), detail="")
        response.headers["Retry-After"] = str(error.wait_s)
        return response
