"""The page of the login: a passkey first, then a password."""

from datetime import datetime
from hashlib import sha256

from fastapi import APIRouter, Request
from sqlalchemy import Connection
from starlette.responses import Response

from services.identity.core.sessions import EndReason
from services.identity.core.throttle import ACCOUNT_FREE, ADDRESS_FREE
from services.identity.store import attempts, people
from services.identity.store.people import Person
from services.identity.store.record import Entry
from services.identity.store.sessions import Session
from services.identity.web.issuer import Issuer
from services.identity.web.pages import passkeys, texts
from services.identity.web.pages.page import PageRequest

MOST_CHARACTERS = 64
"""The longest id of a person."""


def routes(issuer: Issuer) -> APIRouter:
    """The routes of the login."""
    router = APIRouter(include_in_schema=False)

    @router.get("/login")
    async def form(request: Request) -> Response:
        """The form, with the reason why the person was logged out."""
        page = await PageRequest.read(issuer, request)
        session = await issuer.run(page.session)
        if isinstance(session, Session) and not page.way_back():
            notice = page.text(texts.LOGGED_IN, name=session.name)
            return page.render("notice.html", title=page.text(texts.LOG_IN), notice=notice)
        return _form(page, ended=session if isinstance(session, str) else None)

    @router.post("/login")
    async def log_in(request: Request) -> Response:
        """Log in by the passkey or the password of the form."""
        page = await PageRequest.read(issuer, request)
        if page.form.get("passkey"):
            return await issuer.run(lambda connection: _by_passkey(page, connection))
        return await _by_password(page)

    @router.post("/login/passkey-options")
    async def options(request: Request) -> Response:
        """The challenge for a passkey."""
        page = await PageRequest.read(issuer, request)
        content = await issuer.run(lambda connection: passkeys.login_options(page, connection))
        return Response(content, media_type="application/json")

    return router


def _form(page: PageRequest, status: int = 200, error: str | None = None, ended: EndReason | None = None) -> Response:
    return page.render(
        "login.html", status, next=page.way_back(), error=error, notice=page.text(texts.ENDED[ended]) if ended else None
    )


def _by_passkey(page: PageRequest, connection: Connection) -> Response:
    try:
        person = passkeys.person_of(page, connection)
    except passkeys.WrongPasskey as wrong:
        if wrong.person_id is not None:  # anybody can send one that nobody knows, without end
            page.record(connection, Entry("login", "wrong passkey", wrong.person_id))
        return _form(page, 401, page.text(texts.UNKNOWN_PASSKEY))
    return _logged_in(page, connection, person.person_id, "passkey")


async def _by_password(page: PageRequest) -> Response:
    """The password is examined between two transactions, since that takes long."""
    person_id = page.form.get("person", "").strip()[:MOST_CHARACTERS]
    password = page.form.get("password", "")[:1024]
    issuer = page.issuer

    def begin(connection: Connection) -> datetime | Person | None:
        opens = attempts.take(connection, _subjects(page, connection, person_id), page.now)
        person = people.find(connection, person_id)
        if opens is None:
            return person
        page.record(connection, Entry("login", "locked out", None if person is None else person.person_id))
        return opens

    found = await issuer.run(begin)
    if isinstance(found, datetime):
        return _form(page, 429, page.text(texts.WAIT, seconds=page.seconds_until(found)))
    right = await issuer.passwords.is_right(None if found is None else found.password_hash, password)

    def finish(connection: Connection) -> Response:
        person = people.find(connection, person_id)
        known = None if person is None else person.person_id
        # The password may have been replaced, or the account disabled, since it was read.
        if not right or person is None or found is None or person.password_hash != found.password_hash:
            page.record(connection, Entry("login", "wrong password", known))
        elif not person.is_open:
            page.record(connection, Entry("login", "left" if person.disabled_at is None else "disabled", known))
        else:
            attempts.were_right(connection, [one for one, _ in _subjects(page, connection, person_id)])
            return _logged_in(page, connection, person.person_id, "password")
        return _form(page, 401, page.text(texts.WRONG_CREDENTIALS))

    return await issuer.run(finish)


def _subjects(page: PageRequest, connection: Connection, person_id: str) -> list[tuple[str, int]]:
    """What an attempt counts on: the browser if the person is known in it, else the account and the address."""
    if page.browser is not None and people.knows_browser(connection, page.browser, person_id):
        return [(f"browser:{_digest(page.browser)}", ACCOUNT_FREE)]
    # Unknown accounts are counted as well: an answer that comes sooner would tell which ones exist.
    return [(f"address:{page.client}", ADDRESS_FREE), (attempts.of_account(person_id), ACCOUNT_FREE)]


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _logged_in(page: PageRequest, connection: Connection, person_id: str, method: str) -> Response:
    page.log_in(connection, person_id, method)
    page.record(connection, Entry("login", method, person_id))
    return page.redirect(page.way_back() or "/login")
