"""One request for a page: its form, its session, its language, and the pages that answer it."""

import secrets
from collections.abc import Mapping
from datetime import datetime
from hmac import compare_digest
from math import ceil
from typing import Any
from urllib.parse import urlencode, urlsplit

from authlib.oauth2.rfc6749.errors import InvalidRequestError
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from services.identity.core.passwords import password_fault
from services.identity.core.sessions import EndReason
from services.identity.store import people, record, sessions
from services.identity.store.record import Entry
from services.identity.store.sessions import Session
from services.identity.web.issuer import Issuer
from services.identity.web.oauth.requests import form_of
from services.identity.web.pages import cookies, texts
from services.runtime.http.connections.client_limits import client_of
from services.runtime.http.pages.preferences import preferences_of
from services.runtime.http.pages.reader import Reader
from services.runtime.http.pages.rendering import Pages
from services.runtime.security.access import FRESH

PAGES = Pages("identity", "services.identity.web.pages")
"""The look of the issuer's pages, and their texts."""

_RETURNS = ("/account", "/authorize?", "/device", "/logout", "/login", "/enrol")
"""The beginnings of paths to which a login leads. None is of another site."""


class WrongForm(Exception):
    """A form that did not come from a page of this issuer in the same browser."""


class PageRequest:
    """A request for a page. ``form`` is what was posted, empty for a GET."""

    def __init__(self, issuer: Issuer, request: Request, form: Mapping[str, str]) -> None:
        self.issuer = issuer
        self.form = form
        self.query = request.query_params
        self.address = request.client.host if request.client is not None else None
        self.client = client_of(request)
        """The client for counting."""
        self.now: datetime = issuer.now()
        self.language = preferences_of(request).language
        self._request = request
        self.session_secret = request.cookies.get(cookies.SESSION)
        self.browser = request.cookies.get(cookies.BROWSER)
        self._form_cookie = request.cookies.get(cookies.FORM)
        self.form_secret = self._form_cookie or secrets.token_urlsafe(32)
        self._set_cookies: list[tuple[str, str, int | None]] = []
        self._drop_session = False

    @classmethod
    async def read(cls, issuer: Issuer, request: Request) -> "PageRequest":
        """The request with its form. Raises `WrongForm` for a form of another site, or of a page that is too old."""
        if request.method != "POST":
            return cls(issuer, request, {})
        try:
            page = cls(issuer, request, await form_of(request))
        except InvalidRequestError:
            raise WrongForm from None
        origin = request.headers.get("origin")
        given, expected = page.form.get("form", ""), page._form_cookie or ""
        if not expected or not compare_digest(given.encode(), expected.encode()):
            raise WrongForm
        if origin is not None and origin != issuer.url:
            raise WrongForm
        return page

    def text(self, text: str, **values: object) -> str:
        """A text of the catalogue in the reader's language, with these values filled in."""
        translated: str = PAGES.texts(self.language).gettext(text)
        return translated.format(**values)

    def session(self, connection: Connection) -> Session | EndReason | None:
        """The session of this browser, used now; why it has ended; or None."""
        if self.session_secret is None:
            return None
        return sessions.used(connection, self.session_secret, self.issuer.limits, self.now)

    def is_fresh(self, session: Session | EndReason | None) -> bool:
        """Whether it is an open session, and the person has proved within `FRESH` who he is."""
        return isinstance(session, Session) and self.now - session.authenticated_at <= FRESH

    def log_in(self, connection: Connection, person_id: str, method: str) -> None:
        """Begin a session with a new secret, end the one that this browser had, and know the browser from now on."""
        if self.session_secret is not None:
            before = sessions.used(connection, self.session_secret, self.issuer.limits, self.now)
            if isinstance(before, Session):
                reason: EndReason = "replaced" if before.person_id == person_id else "logout"
                sessions.end(connection, before.session_id, reason, self.now)
        self.session_secret = secrets.token_urlsafe(32)
        sessions.begin(connection, self.session_secret, person_id, method, self.now)
        self._set_cookies.append((cookies.SESSION, self.session_secret, None))
        self.browser = secrets.token_urlsafe(32)
        people.know_browser(connection, self.browser, person_id, self.now)
        self._set_cookies.append((cookies.BROWSER, self.browser, cookies.BROWSER_S))
        self.form_secret = secrets.token_urlsafe(32)

    def log_out(self) -> None:
        """Drop the session's cookie."""
        self._drop_session = True

    def record(self, connection: Connection, entry: Entry) -> None:
        """Put an entry on record, with the client's address."""
        record.append(connection, entry._replace(address=self.address), self.now)

    def way_back(self) -> str:
        """The path to return to after the login, which is one of this issuer, or empty."""
        given = self.form.get("next") or self.query.get("next") or ""
        return given if is_own_path(given) else ""

    def new_password_fault(self, person_id: str, name: str) -> str | None:
        """Why the new password of this form is not accepted, as a sentence, or None."""
        fault = password_fault(self.form.get("password", ""), person_id, name)
        if fault is not None:
            label = self.text(texts.NEW_PASSWORD)
            return f"{label}{fault.zh}" if self.language == "zh" else f"{label} {fault.en}"
        same = self.form.get("password", "") == self.form.get("repeat")
        return None if same else self.text(texts.DIFFERENT)

    def seconds_until(self, opens: datetime) -> int:
        """Whole seconds until then, at least one."""
        return max(1, ceil((opens - self.now).total_seconds()))

    def render(self, template: str, status: int = 200, **values: Any) -> Response:
        """A page."""
        problems = [values["error"]] if values.get("error") else []
        response = PAGES.render(
            self._request,
            template,
            status,
            form=self.form_secret,
            typed=self.form,
            problems=problems,
            choice=self._choice,
            **values,
        )
        return self._finished(response)

    def _choice(self, **chosen: str) -> str:
        """The address of this page with another language or size of text. It keeps the way back."""
        kept = dict(self.query) if not self.form else {"next": self.way_back()} if self.way_back() else {}
        return "?" + urlencode({**kept, **chosen})

    def shows_menu_of(self, person_id: str, name: str) -> None:
        """Show the menu of all pages, with what this person may see, where those stand at this address."""
        if self.issuer.has_front:
            self._request.state.reader = Reader(person_id, self.issuer.access.acts(person_id), (), called=name)

    def redirect(self, path: str) -> Response:
        """Lead on, with GET."""
        return self._finished(RedirectResponse(path, 303))

    def _finished(self, response: Response) -> Response:
        for name, value, seconds in self._set_cookies:
            cookies.set_cookie(response, name, value, seconds)
        if self._drop_session:
            cookies.drop_cookie(response, cookies.SESSION)
        if self.form_secret != self._form_cookie:
            cookies.set_cookie(response, cookies.FORM, self.form_secret)
        return response


def is_own_path(path: str) -> bool:
    """Whether a path leads to a page of this issuer to which a login may lead."""
    return (
        path.isascii()
        and path.isprintable()
        and "\\" not in path
        and path.startswith(_RETURNS)
        and "//" not in (path.partition("?")[0])
    )


def origins(addresses: tuple[str, ...]) -> list[str]:
    """The origins of addresses, each once."""
    return sorted({f"{parts.scheme}://{parts.netloc}" for parts in map(urlsplit, addresses)})
