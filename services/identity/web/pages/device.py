"""The page on which a person connects a program without a browser, such as the command line (RFC 8628).

It needs a login of the last minutes: the program may do then what needs one, and nobody else at an open browser allows
it.
"""

from urllib.parse import quote

from fastapi import APIRouter, Request
from sqlalchemy import Connection
from starlette.responses import Response

from services.identity.core.throttle import CODES_FREE
from services.identity.store import attempts, devices
from services.identity.store.record import Entry
from services.identity.store.sessions import Session
from services.identity.web.issuer import Issuer
from services.identity.web.oauth.server import OAuthServer, user_code_as_kept
from services.identity.web.pages import texts
from services.identity.web.pages.page import PageRequest


def routes(issuer: Issuer) -> APIRouter:
    """The routes of the device page."""
    router = APIRouter(include_in_schema=False)

    @router.get("/device")
    async def form(request: Request) -> Response:
        """The form for the code."""
        page = await PageRequest.read(issuer, request)
        session = await issuer.run(page.session)
        return page.render("device.html", error=None) if page.is_fresh(session) else _to_login(page)

    @router.post("/device")
    async def connect(request: Request) -> Response:
        """Ask for consent to the program of this code, or carry out the answer."""
        page = await PageRequest.read(issuer, request)
        return await issuer.run(lambda connection: _connect(page, connection))

    return router


def _to_login(page: PageRequest) -> Response:
    return page.redirect(f"/login?next={quote('/device')}")


def _connect(page: PageRequest, connection: Connection) -> Response:
    session = page.session(connection)
    if not isinstance(session, Session) or not page.is_fresh(session):
        return _to_login(page)
    subject = f"device:{session.person_id}"
    opens = attempts.take(connection, [(subject, CODES_FREE)], page.now)
    if opens is not None:
        return page.render("device.html", 429, error=page.text(texts.WAIT, seconds=page.seconds_until(opens)))
    user_code = user_code_as_kept(page.form.get("code", ""))
    waiting = devices.waiting(connection, user_code, page.now)
    client = None if waiting is None else page.issuer.clients.find(waiting.client_id)
    if waiting is None or client is None:
        page.record(connection, Entry("device", "wrong code", session.person_id))
        return page.render("device.html", 404, error=page.text(texts.UNKNOWN_PROGRAM))
    attempts.were_right(connection, [subject])
    program = client.name_zh if page.language == "zh" else client.name
    match page.form.get("answer"):
        case "allow":
            server = OAuthServer(page.issuer, connection, page.address)
            devices.decide(connection, user_code, server.give(session, waiting.client_id, waiting.scope))
            page.record(connection, Entry("device", "allowed", session.person_id, waiting.client_id))
            return page.render("notice.html", title=page.text(texts.CONNECT), notice=page.text(texts.CONNECTED))
        case "deny":
            devices.decide(connection, user_code, None)
            page.record(connection, Entry("device", "denied", session.person_id, waiting.client_id))
            return page.render("notice.html", title=page.text(texts.CONNECT), notice=page.text(texts.NOT_CONNECTED))
        case _:
            return page.render("consent.html", confirm=page.text(texts.CONFIRM, program=program, name=session.name))
