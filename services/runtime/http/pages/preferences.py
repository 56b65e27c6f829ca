"""What a reader has chosen for all pages: language and size of text. Cookies keep it, and no address contains it."""

from typing import NamedTuple
from urllib.parse import parse_qsl, quote, urlencode

from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from contracts.bilingual import Language
from services.runtime.http.pages.languages import LANGUAGES, language_of

CHOICES: dict[str, tuple[str, tuple[str, ...]]] = {
    "language": ("onedoor-language", LANGUAGES),
    "text": ("onedoor-text", ("normal", "large")),
}
"""Each choice by its name in a query: its cookie and its values."""

YEAR_S = 365 * 24 * 3600


class Preferences(NamedTuple):
    """What a reader has chosen."""

    language: Language
    large: bool


def preferences_of(request: HTTPConnection) -> Preferences:
    """The choices of the request's cookies; the language else by ``Accept-Language``."""
    language, text = (request.cookies.get(cookie) for cookie, _ in CHOICES.values())
    return Preferences(language_of(language, request.headers.get("accept-language", "")), text == "large")


class TidyAddresses:
    """Answers a GET whose query has a choice or an empty field by a redirect to the address without it.

    So a choice is a link on every page, and the address of a list has the filters in force and nothing else.
    ``keep_empty``: empty fields stay, where they are not filters.
    """

    def __init__(self, app: ASGIApp, keep_empty: bool = False) -> None:
        self._app = app
        self._keep_empty = keep_empty

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD") or not scope["query_string"]:
            await self._app(scope, receive, send)
            return
        given = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        kept = [(name, value) for name, value in given if name not in CHOICES and (self._keep_empty or value.strip())]
        if len(kept) == len(given):
            await self._app(scope, receive, send)
            return
        # One slash at the beginning: after two, a browser reads the name of a host.
        path = "/" + quote(scope["path"].lstrip("/\\"))
        response = RedirectResponse(path + ("?" + urlencode(kept) if kept else ""), 303)
        for name, value in given:
            cookie, values = CHOICES.get(name, ("", ()))
            if value in values:
                response.set_cookie(cookie, value, max_age=YEAR_S, httponly=True, samesite="lax")
        await response(scope, receive, send)
