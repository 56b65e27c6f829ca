"""One request, as far as the front examines it."""

from dataclasses import dataclass
from functools import cached_property

from starlette.types import Scope

from contracts.bilingual import Language
from services.front.core.headers import SESSION_COOKIE, Header, cookies_of, values
from services.runtime.http.pages.languages import language_of


@dataclass(frozen=True)
class Visit:
    """A request. ``path`` is as it was sent, without the query."""

    scope: Scope

    @property
    def method(self) -> str:
        """The method."""
        method: str = self.scope["method"]
        return method

    @cached_property
    def path(self) -> str:
        """The path as it was sent, before any decoding."""
        raw: bytes = self.scope["raw_path"]
        return raw.decode("latin-1")

    @property
    def query(self) -> str:
        """The query as it was sent."""
        raw: bytes = self.scope["query_string"]
        return raw.decode("latin-1")

    @property
    def headers(self) -> list[Header]:
        """The headers, their names in small letters."""
        headers: list[Header] = self.scope["headers"]
        return headers

    @property
    def client(self) -> str:
        """The address of the client."""
        client: tuple[str, int] | None = self.scope["client"]
        return client[0] if client else "unknown"

    @cached_property
    def cookies(self) -> dict[str, str]:
        """The cookies."""
        return cookies_of(values(self.headers, b"cookie"))

    @property
    def secret(self) -> str | None:
        """The secret of the browser's session."""
        return self.cookies.get(SESSION_COOKIE)

    def header(self, name: bytes) -> str:
        """The value of a header; empty if there is none."""
        return next(iter(values(self.headers, name)), "")

    @property
    def is_scripted(self) -> bool:
        """Whether a script asks, which cannot show a page."""
        return self.header(b"sec-fetch-dest") == "empty" or self.is_stream

    @property
    def is_stream(self) -> bool:
        """Whether it asks for server-sent events, which a page opens by itself: no use by a person."""
        return self.header(b"accept").startswith("text/event-stream")

    @property
    def language(self) -> Language:
        """The language of the reader."""
        return language_of(self.cookies.get("onedoor-language"), self.header(b"accept-language"))

    @property
    def is_large(self) -> bool:
        """Whether the reader has chosen large text."""
        return self.cookies.get("onedoor-text") == "large"
