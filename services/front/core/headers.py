"""Which headers go on, of a request and of a response.

Of a request only the headers that services and caches need go on, so that no client can say anything about itself that
the front would have to know to strip.
"""

from collections.abc import Iterable, Iterator

Header = tuple[bytes, bytes]

SESSION_COOKIE = "__Host-onedoor"
"""The secret of a session. ``__Host-``: of this host alone, and encrypted (RFC 6265bis, section 4.1.3)."""

BEGUN_COOKIE = "__Host-onedoor-begun"
"""The secret that binds a login that has begun to its browser."""

CHOICES = frozenset({"onedoor-language", "onedoor-text"})
"""Cookies with the reader's choices, which services read and set: language, and size of text."""

ISSUER_COOKIES = CHOICES | {
    "__Host-onedoor-login",
    "__Host-onedoor-form",
    "__Host-onedoor-browser",
}
"""Cookies of the issuer that comes with onedoor."""

SINGLE = frozenset({b"authorization", b"content-length", b"cookie", b"host"})
"""Headers that a request has once at most."""

_ONWARD = frozenset(
    {
        b"accept",
        b"accept-encoding",
        b"accept-language",
        b"cache-control",
        b"case-secret",
        b"content-encoding",
        b"content-language",
        b"content-length",
        b"content-type",
        b"idempotency-key",
        b"if-match",
        b"if-modified-since",
        b"if-none-match",
        b"if-range",
        b"if-unmodified-since",
        b"last-event-id",
        b"origin",
        b"prefer",
        b"range",
        b"traceparent",
        b"tracestate",
        b"user-agent",
    }
)

_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authentication-info",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""Headers of one connection alone (RFC 9110, section 7.6.1)."""

_OURS = frozenset({b"date", b"server", b"set-cookie", b"strict-transport-security"})
"""Headers of a response that the front gives itself, or examines."""


def repeated(headers: Iterable[Header]) -> bool:
    """Whether a request repeats a header of which servers could read another occurrence than the front."""
    names = [name for name, _ in headers if name in SINGLE]
    return len(names) != len(set(names))


def values(headers: Iterable[Header], name: bytes) -> list[str]:
    """The values of a header."""
    return [value.decode("latin-1").strip() for known, value in headers if known == name]


def onward(headers: Iterable[Header]) -> Iterator[tuple[str, str]]:
    """The headers of a request that go on as they are. Text beyond ASCII has no meaning in a header, and does not."""
    listed = list(headers)
    named = _nominated(listed)
    for name, value in listed:
        if name in _ONWARD and name not in named and value.isascii():
            yield name.decode("ascii"), value.decode("ascii")


def back(headers: Iterable[Header], cookies: frozenset[str]) -> list[Header]:
    """The headers of a response that go back, with those of its cookies that the service may set."""
    listed = [(name.lower(), value) for name, value in headers]
    named = _nominated(listed)
    kept = [header for header in listed if header[0] not in _HOP | _OURS | named]
    set_cookies = [header for header in listed if header[0] == b"set-cookie"]
    return kept + [header for header in set_cookies if _cookie_name(header[1].decode("latin-1")) in cookies]


def cookies_of(header: Iterable[str]) -> dict[str, str]:
    """The cookies of a request. One that stands twice is none: it is not known which one is meant."""
    found: dict[str, str] = {}
    twice = set()
    for one in (part for value in header for part in value.split(";")):
        name, equals, value = one.strip().partition("=")
        if equals and name in found:
            twice.add(name)
        found[name] = value
    return {name: value for name, value in found.items() if name and name not in twice}


def cookie_header(cookies: dict[str, str], allowed: frozenset[str]) -> str:
    """The header with those cookies that a service may see; empty if there are none."""
    return "; ".join(f"{name}={value}" for name, value in cookies.items() if name in allowed and value.isascii())


def forwarded(client: str, scheme: str, host: str) -> list[tuple[str, str]]:
    """Who asks, and at which address (RFC 7239, and its forerunners). ``client`` is an IP address."""
    node = f'"[{client}]"' if ":" in client else client
    return [
        ("Forwarded", f'for={node};host="{host}";proto={scheme}'),
        ("X-Forwarded-For", client),
        ("X-Forwarded-Host", host),
        ("X-Forwarded-Proto", scheme),
    ]


def _nominated(headers: list[Header]) -> set[bytes]:
    """The headers that ``Connection`` names as being of the connection, too."""
    named = {
        one.strip().lower() for name, value in headers if name.lower() == b"connection" for one in value.split(b",")
    }
    return named - {b"content-length", b"content-type"}  # without them the body would be another one


def _cookie_name(set_cookie: str) -> str:
    return set_cookie.partition(";")[0].partition("=")[0].strip()
