"""A browser without scripts: it keeps cookies, and sends forms as they stand on a page."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

from aiohttp import ClientSession, ClientTimeout, DummyCookieJar


@dataclass
class Form:
    """A form with the values that it has on the page."""

    action: str
    values: dict[str, str] = field(default_factory=dict)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._area: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form":
            self.forms.append(Form(given.get("action") or ""))
        elif tag == "input" and self.forms and given.get("name"):
            self.forms[-1].values[given["name"] or ""] = given.get("value") or ""
        elif tag == "textarea" and self.forms:
            self._area = given.get("name") or ""
            self.forms[-1].values[self._area] = ""

    def handle_data(self, data: str) -> None:
        if self._area is not None:
            self.forms[-1].values[self._area] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self._area is not None:
            values, name = self.forms[-1].values, self._area
            self._area = None
            # The line end after the tag is not part of the value, and a form sends line ends in one way.
            values[name] = values[name].removeprefix("\n").replace("\r\n", "\n").replace("\n", "\r\n")


@dataclass
class Answer:
    """A response. ``set_cookies`` are the headers as they came."""

    status: int
    headers: Mapping[str, str]
    text: str
    set_cookies: list[str]

    def form(self, action: str) -> Form:
        """The last form with this action, which is the one without a script."""
        parser = _Forms()
        parser.feed(self.text)
        return [form for form in parser.forms if form.action == action][-1]

    @property
    def location(self) -> str:
        return self.headers["Location"]

    @property
    def query(self) -> dict[str, str]:
        """The query of the address to which the response leads."""
        return {name: values[0] for name, values in parse_qs(urlsplit(self.location).query).items()}


class Browser:
    """A browser at one issuer. It follows no redirect by itself."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.cookies: dict[str, str] = {}
        self._session = ClientSession(cookie_jar=DummyCookieJar(), timeout=ClientTimeout(20))

    async def __aenter__(self) -> "Browser":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def get(self, path: str, **headers: str) -> Answer:
        return await self._request("GET", path, headers)

    async def post(self, path: str, fields: Mapping[str, str], **headers: str) -> Answer:
        return await self._request("POST", path, headers, data=dict(fields))

    async def send(self, method: str, path: str, **headers: str) -> Answer:
        """A request with another method."""
        return await self._request(method, path, headers)

    async def submit(self, page: Answer, action: str, **typed: str) -> Answer:
        """Send the form of a page with what was typed into it."""
        return await self.post(action, page.form(action).values | typed, Origin=self.url)

    async def log_in(self, person_id: str, password: str, path: str = "/login") -> Answer:
        """Log in by the form at this path."""
        page = await self.get(path)
        return await self.submit(page, "/login", person=person_id, password=password)

    async def _request(self, method: str, path: str, headers: Mapping[str, str], **content: Any) -> Answer:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        address = urljoin(self.url, path)
        async with self._session.request(method, address, headers=sent, allow_redirects=False, **content) as response:
            for name, morsel in response.cookies.items():
                if morsel["max-age"] == "0" or not morsel.value.strip('"'):
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value
            text = await response.text()
            return Answer(response.status, response.headers, text, response.headers.getall("Set-Cookie", []))
