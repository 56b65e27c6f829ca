"""The front's own answers: a page for people, a problem (RFC 9457) for programs and scripts."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import parse_qsl, quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp

from contracts.bilingual import Language
from services.front.web.texts import text_of
from services.front.web.visit import Visit
from services.runtime.http.pages.headers import page_headers
from services.runtime.http.pages.preferences import TidyAddresses
from services.runtime.http.pages.rendering import Pages
from services.runtime.http.problems import Problem

MOST_FIELDS = 200
"""Fields of a form that a page gives back to be sent again."""

MOST_BYTES = 256 * 1024
"""The longest form that a page gives back to be sent again."""

FORM = "application/x-www-form-urlencoded"


class Action(NamedTuple):
    """A link of a page. ``key``: its text."""

    key: str
    path: str


START = Action("page.start", "/")

NONE: Mapping[str, str] = {}

LANGUAGES: tuple[Language, Language] = ("en", "zh")


class Answers:
    """Makes the answers of one installation. ``address`` is the one address."""

    def __init__(self, address: str, pages: Pages) -> None:
        self._address = address
        self._pages = pages
        self._headers = page_headers()

    def page(
        self,
        visit: Visit,
        status: int,
        subject: str,
        key: str,
        actions: Sequence[Action] = (START,),
        **values: object,
    ) -> Response:
        """A page about a subject, with the text of this key."""
        notice = text_of(visit.language, key, **values)
        return self.rendered(visit, "notice.html", status, subject=subject, notice=notice, actions=actions)

    def problem(
        self, status: int, subject: str, key: str, headers: Mapping[str, str] = NONE, **values: object
    ) -> Response:
        """The same for programs and scripts."""
        title, title_zh = (text_of(language, f"{subject}.title") for language in LANGUAGES)
        detail, detail_zh = (text_of(language, key, **values) for language in LANGUAGES)
        headers = {"Cache-Control": "no-store", **headers}
        kind = f"front-{subject}"
        return Problem(status, kind, title, title_zh, detail=detail, detail_zh=detail_zh, headers=headers).response()

    def refusal(
        self,
        visit: Visit,
        status: int,
        subject: str,
        key: str,
        headers: Mapping[str, str] = NONE,
        *,
        program: bool,
        **values: object,
    ) -> ASGIApp:
        """A page, on which the reader can choose language and size of text; a problem if a ``program`` or a script
        asks."""
        if program or visit.is_scripted:
            return self.problem(status, subject, key, headers, **values)
        page = self.page(visit, status, subject, key, (START,), **values)
        page.headers.update(headers)
        return TidyAddresses(page)

    def resend(self, visit: Visit, body: bytes | None) -> Response:
        """The page that keeps a form which came after the session's end, so that it can be sent again."""
        fields = _fields(body) if body is not None else None
        path = visit.path + (f"?{visit.query}" if visit.query else "")
        return self.rendered(visit, "resend.html", 401, target=path, fields=fields)

    def redirect(self, path: str) -> Response:
        """Lead to a path of the one address, with GET. It is complete, so that a browser that came by another name of
        this machine is at the one address from then on."""
        return self.redirect_to(f"{self._address}{path}")

    def redirect_to(self, address: str) -> Response:
        """Lead to an address, with GET."""
        return RedirectResponse(address, 303, {"Cache-Control": "no-store", "Referrer-Policy": "same-origin"})

    def rendered(self, visit: Visit, template: str, status: int, **values: object) -> Response:
        """A page of a template."""
        response = self._pages.render(
            Request(visit.scope), template, status, text=lambda key: text_of(visit.language, key), **values
        )
        response.headers.update(self._headers)
        return response


def login_path(way_back: str) -> str:
    """The path at which a login begins that leads back to this one."""
    return f"/session/login?next={quote(way_back, safe='')}"


def _fields(body: bytes) -> list[tuple[str, str]] | None:
    try:
        return parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MOST_FIELDS,
            strict_parsing=True,
        )
    except ValueError:
        return None
