"""Where a request goes, by the first segments of its path, which are compared as they were sent."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from contracts.faults import Fault, located
from contracts.values import StrictValue

Segment = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,31}$")]

FRONT = "front"
"""The name of the front among the services."""

OWN = frozenset({"health", "preferences", "session"})
"""First segments of the paths of the front itself."""

ISSUER = frozenset(
    {
        ".well-known",
        "account",
        "authorize",
        "device",
        "device_authorization",
        "enrol",
        "jwks",
        "login",
        "logout",
        "revoke",
        "token",
    }
)
"""First segments of the paths of the issuer that comes with onedoor."""

EVERYWHERE = frozenset({"journal", "ops", "record"})
"""First segments of the pages that each service has: the second segment names the service. Without a second one the
path is an ordinary page, of the service that has this segment among its own."""

ISSUER_PAGES = frozenset({"people"})
"""First segments of its pages for people who have logged in, which it shows by their rights as every service does."""

ISSUER_NAME = "identity"
"""The name of the issuer that comes with onedoor in the paths of its API, of its style sheet and of its scripts."""

_TRICK = re.compile(r"//|\\|%2f|%5c|%00|/(?:\.|%2e){1,2}(?:[/;]|%3b|$)", re.IGNORECASE)
"""Parts of a path that servers read differently: an empty segment, a hidden slash, and steps to another folder."""

_OWN_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]{0,1999}")
"""A path with query: printable ASCII without a backslash. After two slashes a browser reads the name of a host, and it
skips tabs and line ends."""


class Backend(StrictValue):
    """The processes of a service, and the first segments of the paths of its pages.

    ``pages`` are shown to people who have logged in, ``public`` to everybody.
    """

    addresses: Annotated[tuple[str, ...], Field(min_length=1, max_length=64)]
    pages: tuple[Segment, ...] = ()
    public: tuple[Segment, ...] = ()


class Route(NamedTuple):
    """Where a request goes.

    ``api``: for programs and scripts; ``asset``: the same for everybody; ``page``: for people who have logged in;
    ``public``: a page for everybody; ``issuer``: to the issuer of logins.
    """

    service: str
    kind: Literal["api", "asset", "page", "public", "issuer"]


class Routes:
    """The table of routes. Raises `ValidationError` for a segment that two would get."""

    def __init__(self, backends: Mapping[str, Backend], issuer: str | None = None) -> None:
        """``issuer``: the name under which the issuer's processes are known, if they stand behind this address."""
        self._assets = {name: Route(name, "asset") for name in backends}
        self._apis = {name: Route(name, "api") for name in backends}
        self._everywhere = {name: Route(name, "page") for name in backends}
        self._pages: dict[str, Route] = {}
        if issuer is not None:
            self._assets[ISSUER_NAME] = Route(issuer, "asset")
            self._apis[ISSUER_NAME] = Route(issuer, "api")
            self._everywhere[ISSUER_NAME] = Route(issuer, "page")
            self._pages |= dict.fromkeys(ISSUER, Route(issuer, "issuer"))
            self._pages |= dict.fromkeys(ISSUER_PAGES, Route(issuer, "page"))
        faults = []
        for name, backend in backends.items():
            if name in (FRONT, issuer):
                faults.append(Fault((name,), "is no service; leave it out", "不是服务，请删去"))
            for place, segments in (("pages", backend.pages), ("public", backend.public)):
                for index, segment in enumerate(segments):
                    if segment in self._pages or segment in OWN | ISSUER | {"api", "assets"}:
                        taken = (
                            "is taken already; each first segment leads to one service",
                            "已被占用，首段路径只能归一个服务",
                        )
                        faults.append(Fault((name, place, index), *taken))
                    self._pages[segment] = Route(name, "page" if place == "pages" else "public")
        if faults:
            raise located("Routes", faults)

    def find(self, path: str) -> Route | None:
        """The route of a path, as it was sent; None for one that leads nowhere."""
        first, _, rest = path[1:].partition("/")
        if first in ("api", "assets"):
            service, slash, _ = rest.partition("/")
            known = self._apis if first == "api" else self._assets
            return known.get(service) if slash else None
        if first in EVERYWHERE and rest:
            return self._everywhere.get(rest.partition("/")[0])
        return self._pages.get(first)


def is_own(path: str) -> bool:
    """Whether the front itself answers a path."""
    return path in ("/", "*") or path.startswith(f"/assets/{FRONT}/") or path[1:].partition("/")[0] in OWN


def is_plain(path: str) -> bool:
    """Whether every server reads this path, as it was sent, in the same way."""
    return path.isascii() and path.isprintable() and not _TRICK.search(path)


def is_own_path(path: str) -> bool:
    """Whether a browser that is sent to this path, with its query, stays at this address."""
    return _OWN_PATH.fullmatch(path) is not None and is_plain(path.partition("?")[0].partition("#")[0])
