"""The logout, of a person and by a program (OpenID Connect RP-Initiated Logout 1.0).

A program posts its ``id_token_hint``: an ID token in an address would stay in histories and logs. Without one the
person is asked.
"""

from urllib.parse import urlencode
from uuid import UUID

from authlib.oauth2.rfc6749.errors import InvalidRequestError
from fastapi import APIRouter, Request
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from sqlalchemy import Connection
from starlette.responses import Response

from services.identity.jobs.signing import ALGORITHM
from services.identity.store import sessions
from services.identity.store.record import Entry
from services.identity.store.sessions import Session
from services.identity.web.issuer import Issuer
from services.identity.web.oauth.requests import form_of
from services.identity.web.pages import texts
from services.identity.web.pages.page import PageRequest, WrongForm


def routes(issuer: Issuer) -> APIRouter:
    """The routes of the logout."""
    router = APIRouter(include_in_schema=False)

    @router.get("/logout")
    async def form(request: Request) -> Response:
        """Ask whether to log out."""
        page = await PageRequest.read(issuer, request)
        session = await issuer.run(page.session)
        if not isinstance(session, Session):
            return _done(page, page.query.get("client_id"), page.query.get("post_logout_redirect_uri"))
        return page.render(
            "logout.html", question=page.text(texts.LOG_OUT_QUESTION, name=session.name), query=page.query
        )

    @router.post("/logout")
    async def log_out(request: Request) -> Response:
        """Log out: by the form of this page, or by a program with the ID token that it was given."""
        try:
            form = await form_of(request)
        except InvalidRequestError:
            raise WrongForm from None
        if "id_token_hint" in form:
            page = PageRequest(issuer, request, form)
            return await issuer.run(lambda connection: _by_program(page, connection))
        page = await PageRequest.read(issuer, request)
        return await issuer.run(lambda connection: _by_person(page, connection))

    return router


def _by_person(page: PageRequest, connection: Connection) -> Response:
    session = page.session(connection)
    if isinstance(session, Session):
        sessions.end(connection, session.session_id, "logout", page.now)
        page.record(connection, Entry("logout", "by the person", session.person_id))
    return _done(page, page.form.get("client_id"), page.form.get("post_logout_redirect_uri"))


def _by_program(page: PageRequest, connection: Connection) -> Response:
    """End the session that the ID token names. The token may be old: the program has it from this issuer."""
    keys = KeySet.import_key_set(page.issuer.signing.published(connection))  # type: ignore[arg-type]
    try:
        token = jwt.decode(page.form["id_token_hint"], keys, algorithms=[ALGORITHM])
        audience, session_id = token.claims["aud"], UUID(token.claims["sid"])
        if token.claims["iss"] != page.issuer.url or token.header.get("typ") == "at+jwt":
            raise WrongForm
    except (JoseError, ValueError, KeyError, TypeError):
        raise WrongForm from None
    client_id = audience[0] if isinstance(audience, list) else audience
    person_id = sessions.end(connection, session_id, "logout", page.now)
    if person_id is not None:
        page.record(connection, Entry("logout", "by the program", person_id, client_id))
    return _done(page, client_id, page.form.get("post_logout_redirect_uri"))


def _done(page: PageRequest, client_id: str | None, address: str | None) -> Response:
    page.log_out()
    client = page.issuer.clients.find(client_id)
    if client is not None and address in client.logout_uris:
        state = page.form.get("state") or page.query.get("state")
        if state:
            address += f"{'&' if '?' in address else '?'}{urlencode({'state': state})}"
        return page.redirect(address)
    return page.render("notice.html", title=page.text(texts.LOG_OUT), notice=page.text(texts.LOGGED_OUT))
