"""The page of the enrolment: a person sets a passkey or a password, by a code that works once.

The code stands in the fragment of the link, which browsers do not send, and is posted from there.
"""

from fastapi import APIRouter, Request
from sqlalchemy import Connection
from starlette.responses import JSONResponse, Response

from services.identity.core.throttle import ADDRESS_FREE
from services.identity.store import attempts, enrolments, people, sessions
from services.identity.store import passkeys as store
from services.identity.store.people import Person
from services.identity.store.record import Entry
from services.identity.web.issuer import Issuer
from services.identity.web.pages import passkeys, texts
from services.identity.web.pages.page import PageRequest


def routes(issuer: Issuer) -> APIRouter:
    """The routes of the enrolment."""
    router = APIRouter(include_in_schema=False)

    @router.get("/enrol")
    async def form(request: Request) -> Response:
        """The form."""
        return _form(await PageRequest.read(issuer, request))

    @router.post("/enrol/passkey-options")
    async def options(request: Request) -> Response:
        """The challenge for a new passkey."""
        page = await PageRequest.read(issuer, request)

        def work(connection: Connection) -> Response:
            person = _enrolling(page, connection)
            if isinstance(person, Response):
                return JSONResponse({"error": page.text(texts.WRONG_CODE)}, 403)
            return Response(passkeys.new_options(page, connection, person, ()), media_type="application/json")

        return await issuer.run(work)

    @router.post("/enrol")
    async def enrol(request: Request) -> Response:
        """Set the passkey or the password of the form."""
        page = await PageRequest.read(issuer, request)
        if page.form.get("passkey"):
            return await issuer.run(lambda connection: _by_passkey(page, connection))
        person = await issuer.run(lambda connection: _enrolling(page, connection))
        if isinstance(person, Response):
            return person
        password = page.form.get("password", "")
        error = page.new_password_fault(person.person_id, person.name)
        if error is not None:
            return _form(page, 422, error)
        password_hash = await issuer.passwords.hashed(password)
        return await issuer.run(lambda connection: _by_password(page, connection, password_hash))

    return router


def _form(page: PageRequest, status: int = 200, error: str | None = None) -> Response:
    return page.render("enrol.html", status, error=error)


def _enrolling(page: PageRequest, connection: Connection) -> Person | Response:
    """The person of the code, or the page that says why there is none."""
    subject = f"enrol:{page.client}"
    opens = attempts.take(connection, [(subject, ADDRESS_FREE)], page.now)
    if opens is not None:
        return _form(page, 429, page.text(texts.WAIT, seconds=page.seconds_until(opens)))
    person = enrolments.enrolling(connection, page.form.get("code", ""), page.now)
    if person is None:
        page.record(connection, Entry("enrolment", "wrong code"))
        return _form(page, 403, page.text(texts.WRONG_CODE))
    attempts.were_right(connection, [subject])
    return person


def _by_passkey(page: PageRequest, connection: Connection) -> Response:
    person = _enrolling(page, connection)
    if isinstance(person, Response):
        return person
    try:
        made = passkeys.add(page, connection, person)
    except passkeys.WrongPasskey:
        return _form(page, 422, page.text(texts.UNKNOWN_PASSKEY))
    people.set_password(connection, person.person_id, None)
    return _enrolled(page, connection, person, "passkey", made)


def _by_password(page: PageRequest, connection: Connection, password_hash: str) -> Response:
    person = _enrolling(page, connection)  # once more: the code may have been used meanwhile
    if isinstance(person, Response):
        return person
    people.set_password(connection, person.person_id, password_hash)
    return _enrolled(page, connection, person, "password", None)


def _enrolled(
    page: PageRequest, connection: Connection, person: Person, method: str, passkey: bytes | None
) -> Response:
    """All that let the person in before is worth nothing from now on."""
    store.remove_others(connection, person.person_id, passkey)
    enrolments.use(connection, person.person_id, page.now)
    sessions.end_all(connection, person.person_id, "password", page.now)
    page.log_in(connection, person.person_id, method)
    page.record(connection, Entry("enrolment", method, person.person_id))
    return page.render(
        "notice.html", title=page.text(texts.ENROLLED), notice=page.text(texts.LOGGED_IN, name=person.name)
    )
