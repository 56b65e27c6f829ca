"""The front: examines each request, and answers it or sends it on with the access token of its session."""

import asyncio
from collections import defaultdict
from uuid import UUID

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.front.core.headers import (
    CHOICES,
    ISSUER_COOKIES,
    cookie_header,
    forwarded,
    onward,
    repeated,
    values,
)
from services.front.core.origin import METHODS, SAFE, is_foreign
from services.front.core.routes import Route, Routes, is_own, is_plain
from services.front.jobs.issuer import IssuerUnavailable
from services.front.jobs.sessions import SessionEnded, Sessions
from services.front.store.sessions import Session
from services.front.web.answers import FORM, MOST_BYTES, Answers, login_path
from services.front.web.figures import REFUSED
from services.front.web.refusals import Refusals
from services.front.web.routes import BACK, WALL, WALL_CODE
from services.front.web.upstreams import Away, Slow, StreamEnd, Upstreams
from services.front.web.visit import Visit
from services.runtime import telemetry
from services.runtime.http.pages.preferences import TidyAddresses
from services.runtime.security.access_record import Outcome
from services.runtime.store.database import DATABASE_ERRORS

STREAMS_EXAMINED_S = 10.0
"""Machine seconds between two looks at the sessions of open streams."""

log = telemetry.logger(__name__)

_RETRY = {"Retry-After": "10"}


class Front:
    """The ASGI application. ``own`` answers the paths of the front itself."""

    def __init__(
        self,
        own: ASGIApp,
        address: str,
        routes: Routes,
        sessions: Sessions,
        upstreams: Upstreams,
        answers: Answers,
        refusals: Refusals,
    ) -> None:
        self._own = own
        self._address = address
        self._scheme, _, self._host = address.partition("://")
        self._routes = routes
        self.sessions = sessions
        self._upstreams = upstreams
        self._answers = answers
        self._refusals = refusals
        self._streams: defaultdict[UUID, set[StreamEnd]] = defaultdict(set)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if self._scheme == "https":
            send = _with_hsts(send)
        visit = Visit(scope)
        refused = await self._refused(visit)
        route = None if refused else self._routes.find(visit.path)
        if refused is not None:
            await refused(scope, receive, send)
        elif route is not None:
            await self._forward(visit, route, receive, send)
        elif is_own(visit.path):
            # The address with the issuer's answer stays as it is.
            own = self._own if visit.path == BACK else TidyAddresses(self._own)
            await own(scope, receive, send)
        else:
            program = visit.path.startswith("/api/")
            await self._answers.refusal(visit, 404, "missing", "missing.text", program=program)(scope, receive, send)

    async def close_streams(self) -> bool:
        """End the responses whose session has ended: streams, and long ones. To be called at intervals."""
        open_now = set(self._streams)
        if open_now:
            for session_id in open_now - await self.sessions.still_open(open_now):
                for end in self._streams.get(session_id, ()):
                    end.come()
        return False

    async def _refused(self, visit: Visit) -> ASGIApp | None:
        """The answer to a request that is refused whatever it asks for."""
        program = visit.path.startswith("/api/")
        if repeated(visit.headers) or visit.method not in METHODS or visit.header(b"upgrade").lower() == "websocket":
            REFUSED.labels("request").inc()
            await self._refusals.note(visit, Outcome.MALFORMED, "request")
            return self._answers.refusal(visit, 400, "request", "request.text", program=program)
        if not is_plain(visit.path) and visit.path != "*":
            REFUSED.labels("path").inc()
            await self._refusals.note(visit, Outcome.MALFORMED, "path")
            return self._answers.refusal(visit, 400, "path", "path.text", program=program)
        if visit.method not in SAFE and not self._is_of_issuer(visit):
            sites, origins = values(visit.headers, b"sec-fetch-site"), values(visit.headers, b"origin")
            if is_foreign(sites, origins, self._address, has_session=visit.secret is not None):
                REFUSED.labels("foreign").inc()
                await self._refusals.note(visit, Outcome.FOREIGN)
                return self._answers.refusal(
                    visit, 403, "foreign", "foreign.text", program=program, address=self._address
                )
        return None

    def _is_of_issuer(self, visit: Visit) -> bool:
        """Whether the issuer answers, whose forms have protection of their own, and to which programs of other
        addresses send people."""
        route = self._routes.find(visit.path)
        return route is not None and route.kind == "issuer"

    async def _forward(self, visit: Visit, route: Route, receive: Receive, send: Send) -> None:
        if route.kind in ("asset", "issuer"):
            given = [] if route.kind == "asset" or visit.secret else values(visit.headers, b"authorization")
            await self._sent_on(visit, route, given, receive, send)
            return
        if visit.secret is None:
            given = values(visit.headers, b"authorization")
            if given or route.kind != "page":
                await self._sent_on(visit, route, given, receive, send)
            else:
                await self._without_session(visit, route, receive, send)
            return
        token = None
        try:
            found = await self.sessions.find(visit.secret, used=not visit.is_stream)
            if isinstance(found, Session):
                token = await self.sessions.access_token(found)
        except SessionEnded as end:
            found = end.reason
        except (IssuerUnavailable, *DATABASE_ERRORS) as error:
            if not isinstance(error, IssuerUnavailable):  # that is in the log already
                log.warning("the database of sessions is unavailable", error=error)
            await self._unavailable(visit, route)(visit.scope, receive, send)
            return
        if isinstance(found, Session) and token is not None:
            await self._in_session(visit, route, found, token, receive, send)
        elif route.kind == "public":
            await self._sent_on(visit, route, [], receive, send)
        else:
            await self._without_session(visit, route, receive, send, found if isinstance(found, str) else "unknown")

    def _unavailable(self, visit: Visit, route: Route) -> ASGIApp:
        return self._answers.refusal(visit, 503, "issuer", "issuer.text", _RETRY, program=route.kind == "api")

    async def _in_session(
        self, visit: Visit, route: Route, session: Session, token: str, receive: Receive, send: Send
    ) -> None:
        if session.is_wall and visit.path != WALL:  # its token gives no right to anything else either
            REFUSED.labels("wall").inc()
            await self._refusals.note(visit, Outcome.NO_RIGHT, "wall")
            program = route.kind == "api"
            await self._answers.refusal(visit, 403, "wall-only", "wall-only.text", program=program)(
                visit.scope, receive, send
            )
            return
        # A stream ends with its token, so that its page has to show a valid one; every response ends with its session.
        left_s = (session.tokens.access_expires_at - self.sessions.now()).total_seconds()
        end = StreamEnd(asyncio.get_running_loop().time() + max(left_s, 1.0))
        ends = self._streams[session.session_id]
        ends.add(end)
        try:
            await self._sent_on(visit, route, [f"Bearer {token}"], receive, send, end)
        finally:
            ends.discard(end)
            if not ends:
                self._streams.pop(session.session_id, None)

    async def _sent_on(
        self,
        visit: Visit,
        route: Route,
        authorization: list[str],
        receive: Receive,
        send: Send,
        end: StreamEnd | None = None,
    ) -> None:
        cookies = ISSUER_COOKIES if route.kind == "issuer" else CHOICES
        headers = [*onward(visit.headers), *forwarded(visit.client, self._scheme, self._host)]
        headers += [("Authorization", one) for one in authorization]
        if kept := cookie_header(visit.cookies, cookies):
            headers.append(("Cookie", kept))
        try:
            await self._upstreams.forward(route.service, visit, headers, cookies, receive, send, end)
        except Away:
            answer = self._answers.refusal(
                visit, 502, "away", "away.text", program=route.kind == "api", headers=_RETRY, service=route.service
            )
            await answer(visit.scope, receive, send)
        except Slow:
            answer = self._answers.refusal(
                visit,
                504,
                "slow",
                "slow.text",
                program=route.kind == "api",
                service=route.service,
                seconds=round(self._upstreams.answer_s),
            )
            await answer(visit.scope, receive, send)

    async def _without_session(
        self, visit: Visit, route: Route, receive: Receive, send: Send, ended: str | None = None
    ) -> None:
        """A page leads to the login; a form is kept; a program or script gets a problem.

        ``ended``: why the session has ended that the browser names. Whoever comes without one is not on record: every
        login begins so, and strangers could fill the database.
        """
        if ended is not None:
            await self._refusals.note(visit, Outcome.NOT_LOGGED_IN, ended)
        way_back = visit.path + (f"?{visit.query}" if visit.query else "")
        if route.kind == "api" or visit.is_scripted:
            answer = self._answers.refusal(
                visit, 401, "login", "login.needed", {"WWW-Authenticate": "Bearer"}, program=True
            )
        elif visit.method in SAFE:
            answer = self._answers.redirect(WALL_CODE if visit.path == WALL else login_path(way_back))
        else:
            answer = self._answers.resend(visit, await _typed(visit, receive))
        await answer(visit.scope, receive, send)


async def _typed(visit: Visit, receive: Receive) -> bytes | None:
    """The form of a request, if it can be given back."""
    if visit.header(b"content-type").partition(";")[0].strip().lower() != FORM:
        return None
    body = b""
    try:
        async for part in Request(visit.scope, receive).stream():
            body += part
            if len(body) > MOST_BYTES:
                return None
    except ClientDisconnect:
        return None
    return body


def _with_hsts(send: Send) -> Send:
    async def with_header(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (b"strict-transport-security", b"max-age=31536000")]
        await send(message)

    return with_header
