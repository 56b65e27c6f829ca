"""Where requests go, and which paths are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.front.core.routes import ISSUER, ISSUER_PAGES, Backend, Route, Routes, is_own_path, is_plain

ADDRESSES = ("http://127.0.0.1:8001",)
ROUTES = Routes(
    {
        "monitor": Backend(addresses=ADDRESSES, pages=("board", "alerts", "record", "journal")),
        "intake": Backend(addresses=ADDRESSES, pages=("desk",), public=("apply",)),
        "tax": Backend(addresses=ADDRESSES),
    },
    issuer="issuer",
)


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/board", Route("monitor", "page")),
        ("/board/450103/due", Route("monitor", "page")),
        ("/apply", Route("intake", "public")),
        ("/api/intake/catalogue", Route("intake", "api")),
        ("/api/intake/", Route("intake", "api")),
        ("/assets/monitor/onedoor.css", Route("monitor", "asset")),
        ("/assets/identity/onedoor.css", Route("issuer", "asset")),
        ("/api/identity/people", Route("issuer", "api")),
        ("/people/wang-fang", Route("issuer", "page")),
        ("/record/identity", Route("issuer", "page")),
        ("/login", Route("issuer", "issuer")),
        ("/.well-known/openid-configuration", Route("issuer", "issuer")),
        ("/", None),
        ("", None),
        ("/Board", None),
        ("/boards", None),
        ("/%62oard", None),
        ("//board", None),
        ("/api", None),
        ("/api/", None),
        ("/api/intake", None),
        ("/api/nobody/x", None),
        ("/record", Route("monitor", "page")),
        ("/record/", Route("monitor", "page")),
        ("/record/monitor", Route("monitor", "page")),
        ("/record/tax", Route("tax", "page")),
        ("/ops/intake/dead-letters/7", Route("intake", "page")),
        ("/journal/intake/", Route("intake", "page")),
        ("/ops", None),
        ("/ops/", None),
        ("/ops/nobody", None),
        ("/ops/issuer", None),
        ("/record/board", None),
        ("/api//intake/x", None),
        ("/monitor/x", None),
        ("/session/login", None),
    ],
)
def test_the_first_segments_name_the_service(path: str, route: Route | None) -> None:
    assert ROUTES.find(path) == route


@pytest.mark.parametrize("segment", ["board", "session", "api", "assets", "login", "health"])
def test_a_segment_leads_to_one_service(segment: str) -> None:
    with pytest.raises(ValidationError, match="is taken already"):
        Routes(
            {
                "monitor": Backend(addresses=ADDRESSES, pages=("board",)),
                "intake": Backend(addresses=ADDRESSES, public=(segment,)),
            }
        )


def test_without_an_issuer_behind_it_its_paths_lead_nowhere() -> None:
    routes = Routes({})
    paths = [*ISSUER, *ISSUER_PAGES, "api/identity/people"]
    assert [routes.find(f"/{path}") for path in paths] == [None] * len(paths)


TRICKS = [
    "/board//x",
    "/board/../api/intake/x",
    "/board/./x",
    "/board/..",
    "/board/%2e%2e/x",
    "/board/.%2E/x",
    "/board/%2e/x",
    "/board/..;/x",
    "/board/..%3bx/y",
    "/board/%2fx",
    "/board/%2Fx",
    "/board/%5cx",
    "/board/\\x",
    "/board/%00",
    "/board/\x7f",
    "/board/é",
]


@pytest.mark.parametrize("path", TRICKS)
def test_a_path_that_servers_read_in_different_ways_is_refused(path: str) -> None:
    assert not is_plain(path)
    assert not is_own_path(path)


@pytest.mark.parametrize(
    "path", ["/board", "/", "/board/a..b", "/board/...", "/board/.x", "/board/a;b", "/x/%E5%8A%A1"]
)
def test_other_paths_are_not(path: str) -> None:
    assert is_plain(path) and is_own_path(path)


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "\\\\evil.example",
        "/\t/evil.example",
        "\t//evil.example",
        "javascript:alert(1)",
        "board",
        "/board\r\nSet-Cookie: x=1",
        "/board x",
        "/公告",
        "/" + "x" * 3000,
        "",
    ],
)
def test_what_is_no_own_path_is_none(address: str) -> None:
    assert not is_own_path(address)


@given(st.text(max_size=30))
def test_an_own_path_names_no_host(path: str) -> None:
    """As a browser reads an address: it skips tabs and line ends, and takes a backslash for a slash."""
    read = path.translate({ord(one): None for one in "\t\n\r"}).strip().replace("\\", "/")
    if is_own_path(path):
        assert read.startswith("/") and not read.startswith("//")
