"""The page of a person's own account: password, passkeys, open logins, and what happened of late.

Changes need a login of the last minutes, so that nobody at an open browser takes the account over.
"""

from collections.abc import Callable
from contextlib import suppress
from urllib.parse import quote

from fastapi import APIRouter, Request
from sqlalchemy import Connection
from starlette.responses import JSONResponse, Response

from services.identity.store import passkeys as store
from services.identity.store import people, record, sessions
from services.identity.store.people import Person
from services.identity.store.record import Entry
from services.identity.store.sessions import Session
from services.identity.web.issuer import Issuer
from services.identity.web.pages import passkeys, texts
from services.identity.web.pages.history import Times, told
from services.identity.web.pages.page import PAGES, PageRequest

PATH = "/account"

HISTORY_ROWS = 20
"""Entries of the history."""

Work = Callable[[PageRequest, Connection, Session], Response]


def routes(issuer: Issuer) -> APIRouter:
    """The routes of the page."""
    router = APIRouter(include_in_schema=False)

    @router.get(PATH)
    async def account(request: Request) -> Response:
        """The page."""
        page = await PageRequest.read(issuer, request)
        return await issuer.run(lambda connection: _in_session(page, connection, _shown))

    @router.post(PATH + "/password")
    async def change_password(request: Request) -> Response:
        """Change the password. All other logins end."""
        page = await PageRequest.read(issuer, request)
        session = await issuer.run(page.session)
        if not isinstance(session, Session):
            return _to_login(page)
        error = page.new_password_fault(session.person_id, session.name)
        if error is not None:
            return await issuer.run(lambda connection: _in_session(page, connection, _wrong(error)))
        password_hash = await issuer.passwords.hashed(page.form["password"])
        return await issuer.run(lambda connection: _changed(page, connection, _with_password(password_hash)))

    @router.post(PATH + "/passkey-options")
    async def options(request: Request) -> Response:
        """The challenge for a further passkey."""
        page = await PageRequest.read(issuer, request)

        def work(connection: Connection) -> Response:
            session = page.session(connection)
            if not isinstance(session, Session) or not page.is_fresh(session):
                return JSONResponse({"error": page.text(texts.OLD_LOGIN)}, 403)
            person = _person(connection, session)
            kept = store.of_person(connection, session.person_id)
            return Response(passkeys.new_options(page, connection, person, kept), media_type="application/json")

        return await issuer.run(work)

    for path, change in (
        ("/passkey", _add_passkey),
        ("/passkey/remove", _remove_passkey),
        ("/sessions/end", _end_sessions),
    ):
        router.add_api_route(PATH + path, _posted(issuer, change), methods=["POST"])
    return router


def _posted(issuer: Issuer, change: Work) -> Callable[[Request], object]:
    async def posted(request: Request) -> Response:
        page = await PageRequest.read(issuer, request)
        return await issuer.run(lambda connection: _changed(page, connection, change))

    return posted


def _in_session(page: PageRequest, connection: Connection, work: Work) -> Response:
    session = page.session(connection)
    return work(page, connection, session) if isinstance(session, Session) else _to_login(page)


def _changed(page: PageRequest, connection: Connection, change: Work) -> Response:
    """The answer to a change, which needs a login of the last minutes."""

    def work(page: PageRequest, connection: Connection, session: Session) -> Response:
        if not page.is_fresh(session):
            return _wrong(page.text(texts.OLD_LOGIN), 401)(page, connection, session)
        return change(page, connection, session)

    return _in_session(page, connection, work)


def _to_login(page: PageRequest) -> Response:
    return page.redirect(f"/login?next={quote(PATH)}")


def _shown(page: PageRequest, connection: Connection, session: Session) -> Response:
    return _page(page, connection, session)


def _wrong(error: str, status: int = 422) -> Work:
    """The page with this sentence about the form."""
    return lambda page, connection, session: _page(page, connection, session, status, error)


def _page(
    page: PageRequest, connection: Connection, session: Session, status: int = 200, error: str | None = None
) -> Response:
    person, times = _person(connection, session), Times(page.now, page.language)
    open_now = sessions.open_of(connection, session.person_id, page.issuer.limits, page.now)
    page.shows_menu_of(session.person_id, session.name)
    return page.render(
        "account.html",
        status,
        error=error,
        person=person,
        fresh=page.is_fresh(session),
        passkeys=[
            (one.credential_id.hex(), times.moment(one.created_at), times.moment(one.used_at))
            for one in store.of_person(connection, session.person_id)
        ],
        logins=[
            (
                str(one.session_id),
                one.method,
                times.moment(one.created_at),
                times.moment(one.used_at),
                one.session_id == session.session_id,
            )
            for one in open_now
        ],
        history=told(record.about(connection, session.person_id, HISTORY_ROWS), times, PAGES.texts(page.language)),
        done=page.query.get("done") if not page.form else None,
    )


def _with_password(password_hash: str) -> Work:
    def work(page: PageRequest, connection: Connection, session: Session) -> Response:
        people.set_password(connection, session.person_id, password_hash)
        sessions.end_others(connection, session.person_id, session.session_id, "password", page.now)
        return _done(page, connection, session, "password")

    return work


def _add_passkey(page: PageRequest, connection: Connection, session: Session) -> Response:
    try:
        passkeys.add(page, connection, _person(connection, session))
    except passkeys.WrongPasskey:
        return _wrong(page.text(texts.UNKNOWN_PASSKEY))(page, connection, session)
    return _done(page, connection, session, "passkey added")


def _remove_passkey(page: PageRequest, connection: Connection, session: Session) -> Response:
    person, kept = _person(connection, session), store.of_person(connection, session.person_id)
    if person.password_hash is None and len(kept) < 2:
        return _wrong(page.text(texts.LAST_WAY), 409)(page, connection, session)
    removed = False
    with suppress(ValueError):
        removed = store.remove(connection, session.person_id, bytes.fromhex(page.form.get("passkey_id", "")))
    if not removed:
        return _wrong(page.text(texts.NO_PASSKEY), 404)(page, connection, session)
    return _done(page, connection, session, "passkey removed")


def _end_sessions(page: PageRequest, connection: Connection, session: Session) -> Response:
    """End one login of this person, or all others."""
    wanted = page.form.get("session", "")
    if not wanted:
        sessions.end_others(connection, session.person_id, session.session_id, "elsewhere", page.now)
    for one in sessions.open_of(connection, session.person_id, page.issuer.limits, page.now):
        if str(one.session_id) == wanted and one.session_id != session.session_id:
            sessions.end(connection, one.session_id, "elsewhere", page.now)
    return _done(page, connection, session, "sessions ended")


def _done(page: PageRequest, connection: Connection, session: Session, outcome: str) -> Response:
    page.record(connection, Entry("account", outcome, session.person_id))
    return page.redirect(f"{PATH}?done={outcome.replace(' ', '-')}")


def _person(connection: Connection, session: Session) -> Person:
    person = people.find(connection, session.person_id)
    assert person is not None, "a session belongs to an account"
    return person
