"""The paths of the front itself: login, logout, session, and choices of the reader."""

import secrets
from datetime import datetime
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import JSONResponse, Response

from contracts.bilingual import Language
from contracts.values import Model
from services.front.core.headers import BEGUN_COOKIE, SESSION_COOKIE
from services.front.core.routes import is_own_path
from services.front.core.sessions import SHOWN, WALL_LIMITS, EndReason, ends_at, idle_at
from services.front.jobs.issuer import InvalidLogin, IssuerClient, IssuerUnavailable, Refused
from services.front.jobs.sessions import Sessions
from services.front.settings import FrontSettings
from services.front.store.logins import VALID, Login
from services.front.store.sessions import Session
from services.front.web.answers import FORM, Action, Answers, login_path
from services.front.web.figures import LOGINS
from services.front.web.refusals import LOGIN, Refusals
from services.front.web.visit import Visit
from services.runtime import telemetry
from services.runtime.http.bodies.typed_text import typed_code
from services.runtime.security.access_record import Outcome

AFTER_LOGOUT = "/session/ended"
"""Where the issuer leads to after a logout."""

BACK = "/session/back"
"""Where the issuer leads to after a login."""

DONE = "/session/done"
"""Where a login leads that was begun for another tab."""

WALL = "/board/wall"
"""The page of wall displays, and all that their sessions show."""

WALL_CODE = "/session/wall"
"""Where the code of a wall display is typed."""

YEAR_S = 365 * 24 * 3600

_CHOICES = {"language": ("zh", "en"), "text": ("normal", "large")}

_TAGS = {"zh": "zh-CN zh", "en": "en"}

MOST_FIELDS = 20

log = telemetry.logger(__name__)


class SessionState(Model):
    """The session of a browser, for its pages."""

    person: str
    name: str
    since: datetime
    until: datetime = Field(description="When it ends in any case.")
    idle_until: datetime = Field(description="When it ends unless it is used.")
    language: Language


def routes(
    settings: FrontSettings, sessions: Sessions, issuer: IssuerClient, answers: Answers, refusals: Refusals
) -> APIRouter:
    """The routes of the front."""
    own = _Own(settings, sessions, issuer, answers, refusals)
    router = APIRouter(tags=["session"])
    for method, path, answer in (
        ("GET", "/", own.home),
        ("GET", "/session/login", own.log_in),
        ("GET", "/session/confirm", own.confirm),
        ("GET", BACK, own.back),
        ("GET", DONE, own.done),
        ("GET", "/session/account", own.account),
        ("GET", AFTER_LOGOUT, own.ended),
        ("POST", "/session/logout", own.log_out),
        ("POST", "/preferences", own.choose),
        ("GET", WALL_CODE, own.wall),
        ("POST", WALL_CODE, own.open_wall),
        ("GET", "/session/state", own.state),
        ("POST", "/session/keep", own.keep),
    ):
        router.add_api_route(path, answer, methods=[method], include_in_schema=False)
    return router


class _Own:
    """The endpoints."""

    def __init__(
        self,
        settings: FrontSettings,
        sessions: Sessions,
        issuer: IssuerClient,
        answers: Answers,
        refusals: Refusals,
    ) -> None:
        self._settings = settings
        self._sessions = sessions
        self._issuer = issuer
        self._answers = answers
        self._refusals = refusals

    async def home(self) -> Response:
        """The first page."""
        return self._answers.redirect(self._settings.home)

    async def log_in(self, request: Request) -> Response:
        """Begin a login. Where a session has ended by itself, say why first, and have the person log in anew."""
        visit = Visit(request.scope)
        way_back = self._way_back(request.query_params.get("next"))
        reason: EndReason | None = None
        if visit.secret is not None:
            found = await self._sessions.find(visit.secret, used=False)
            reason = None if isinstance(found, Session) else found
        if reason in SHOWN and "again" not in request.query_params:
            again = Action("login.again", f"{login_path(way_back)}&again=1")
            limits = {"minutes": self._settings.session_idle_minutes, "hours": self._settings.session_hours}
            return self._answers.page(visit, 200, "ended", f"ended.{reason}", (again,), **limits)
        return await self._begin(visit, way_back, fresh=reason in ("idle", "too-long"))

    async def confirm(self, request: Request) -> Response:
        """Have the person prove anew who he is, before an act that needs it."""
        return await self._begin(Visit(request.scope), self._way_back(request.query_params.get("next")), fresh=True)

    async def _begin(self, visit: Visit, way_back: str, *, fresh: bool) -> Response:
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        # Several tabs may log in at the same time: each has a state of its own, all have the browser's secret.
        browser = visit.cookies.get(BEGUN_COOKIE) or secrets.token_urlsafe(32)
        anew = {"prompt": "login", "max_age": "0"} if fresh else {}
        try:
            address = await self._issuer.login_address(state, nonce, verifier, ui_locales=_TAGS[visit.language], **anew)
        except IssuerUnavailable:
            return self._unavailable(visit)
        await self._sessions.begin_login(state, browser, Login(nonce, verifier, way_back, fresh, self._sessions.now()))
        response = self._answers.redirect_to(address)
        _set_cookie(response, BEGUN_COOKIE, browser, int(VALID.total_seconds()))
        return response

    async def back(self, request: Request) -> Response:
        """Where a browser comes back from the issuer, with a code."""
        visit, query = Visit(request.scope), request.query_params
        state, code, issuer, error = (query.get(name) for name in ("state", "code", "iss", "error"))
        browser = visit.cookies.get(BEGUN_COOKIE)
        login = None
        if state and browser:
            login = await self._sessions.take_login(state, browser)
        if login is None:
            return await self._failed(visit, "state")
        try:
            expected = (await self._issuer.metadata()).authorization_response_iss_parameter_supported
            if issuer != self._issuer.url and (issuer is not None or expected):  # RFC 9207
                raise InvalidLogin("the answer is of another issuer")
            if code is None:
                return await self._failed(visit, "refused", login.way_back, code=_shown(error))
            tokens = await self._issuer.redeem(code, login.verifier)
            person = await self._issuer.person_of(tokens, login.nonce, login.begun_at if login.fresh else None)
        except Refused:
            return await self._failed(visit, "refused", login.way_back, code="invalid_grant")
        except InvalidLogin as reason:
            log.warning("a login proves nothing", reason=str(reason))
            return await self._failed(visit, "invalid", login.way_back)
        except IssuerUnavailable:
            return self._unavailable(visit)
        secret = await self._sessions.begin(person, tokens, visit.secret)
        LOGINS.labels("done").inc()
        response = self._answers.redirect(login.way_back)
        _set_cookie(response, SESSION_COOKIE, secret)
        return response

    async def log_out(self, request: Request) -> Response:
        """End the session here and the login at the issuer, to which the browser is led."""
        visit = Visit(request.scope)
        if visit.secret is not None:
            await self._sessions.log_out(visit.secret)
        try:
            endpoint = (await self._issuer.metadata()).end_session_endpoint
        except IssuerUnavailable:
            endpoint = None
        if endpoint is None:
            response = self._answers.redirect(AFTER_LOGOUT)
        else:
            after = f"{self._settings.address}{AFTER_LOGOUT}"
            fields = urlencode({"client_id": self._issuer.client_id, "post_logout_redirect_uri": after})
            response = self._answers.redirect_to(f"{endpoint}{'&' if '?' in endpoint else '?'}{fields}")
        response.delete_cookie(SESSION_COOKIE, path="/", secure=True, httponly=True, samesite="lax")
        return response

    async def ended(self, request: Request) -> Response:
        """The page after a logout."""
        return self._answers.page(Visit(request.scope), 200, "out", "out.text", (Action("login.again", "/"),))

    async def done(self, request: Request) -> Response:
        """The page of a tab in which somebody has logged in for another tab."""
        return self._answers.page(Visit(request.scope), 200, "done", "done.text", ())

    async def wall(self, request: Request) -> Response:
        """Where the code of a wall display is typed, at the display."""
        return self._answers.rendered(Visit(request.scope), "wall.html", 200, problem=None)

    async def open_wall(self, request: Request) -> Response:
        """Open the display whose code was typed. Its browser keeps the session over a restart."""
        visit = Visit(request.scope)
        code = typed_code((await _form(request)).get("code", ""))
        try:
            secret = await self._sessions.open_wall("".join(filter(str.isalnum, code)), visit.secret)
        except (Refused, IssuerUnavailable):
            return self._answers.rendered(visit, "wall.html", 503, problem="wall.issuer")
        if secret is None:
            LOGINS.labels("wall-code").inc()
            await self._refusals.note(visit, Outcome.NOT_LOGGED_IN, "wall-code", act=LOGIN)
            return self._answers.rendered(visit, "wall.html", 422, problem="wall.wrong")
        LOGINS.labels("wall").inc()
        response = self._answers.redirect(WALL)
        _set_cookie(response, SESSION_COOKIE, secret, int(WALL_LIMITS.longest.total_seconds()))
        return response

    async def account(self) -> Response:
        """Lead to the person's own account at the issuer. Issuers, such as Keycloak, have it there as ours has."""
        return self._answers.redirect_to(f"{self._issuer.url}/account")

    async def state(self, request: Request) -> Response:
        """The session of this browser. Asking is no use of it."""
        return await self._state(Visit(request.scope), used=False)

    async def keep(self, request: Request) -> Response:
        """Use the session, so that it does not end soon. A form with ``next`` leads there."""
        visit = Visit(request.scope)
        form = await _form(request)
        response = await self._state(visit, used=True)
        return self._answers.redirect(self._way_back(form["next"])) if "next" in form else response

    async def choose(self, request: Request) -> Response:
        """Choose the language or the size of text of all pages."""
        form = await _form(request)
        response = self._answers.redirect(self._way_back(form.get("next")))
        for name, allowed in _CHOICES.items():
            if form.get(name) in allowed:
                response.set_cookie(
                    f"onedoor-{name}",
                    form[name],
                    YEAR_S,
                    secure=self._settings.encrypted,
                    httponly=True,
                    samesite="lax",
                )
        return response

    async def _state(self, visit: Visit, *, used: bool) -> Response:
        found = None if visit.secret is None else await self._sessions.find(visit.secret, used=used)
        if not isinstance(found, Session):
            return self._answers.problem(401, "login", "login.needed")
        times = found.times._replace(used_at=self._sessions.now()) if used else found.times
        limits = self._sessions.limits
        state = SessionState(
            person=found.person_id,
            name=found.name,
            since=times.created_at,
            until=ends_at(times, limits),
            idle_until=idle_at(times, limits),
            language=visit.language,
        )
        return JSONResponse(state.model_dump(mode="json"), headers={"Cache-Control": "no-store"})

    def _way_back(self, given: str | None) -> str:
        """The path to which to lead: what was given, if it is one of this address, else the first page."""
        if given is None or not is_own_path(given) or (given.startswith("/session/") and given != DONE):
            return self._settings.home
        return given

    async def _failed(self, visit: Visit, reason: str, way_back: str = "/", **values: str) -> Response:
        LOGINS.labels(reason).inc()
        await self._refusals.note(visit, Outcome.NOT_LOGGED_IN, reason, act=LOGIN)
        again = Action("login.again", login_path(way_back) if way_back != "/" else f"{self._settings.address}/")
        return self._answers.page(visit, 400, "failed", f"failed.{reason}", (again,), **values)

    def _unavailable(self, visit: Visit) -> Response:
        LOGINS.labels("issuer").inc()
        page = self._answers.page(visit, 503, "issuer", "issuer.text")
        page.headers["Retry-After"] = "10"
        return page


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form; none of another kind of body."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        return {}
    try:
        return dict(parse_qsl((await request.body()).decode("ascii"), errors="strict", max_num_fields=MOST_FIELDS))
    except ValueError:
        return {}


def _shown(error: str | None) -> str:
    """The code of an error, if it looks like one (RFC 6749, section 4.1.2.1)."""
    return error if error and len(error) < 50 and error.replace("_", "").isalpha() and error.isascii() else "unknown"


def _set_cookie(response: Response, name: str, value: str, seconds: int | None = None) -> None:
    response.set_cookie(name, value, seconds, path="/", secure=True, httponly=True, samesite="lax")
