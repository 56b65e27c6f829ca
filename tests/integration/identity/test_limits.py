"""How many requests one client may send to the issuer."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.identity.browser import Browser
from tests.support.identity.issuing import PROGRAM_SECRET, Issuing, issuing
from tests.support.identity.program import content

FREE = 3
PROGRAM = {"grant_type": "client_credentials", "client_id": "importing", "client_secret": PROGRAM_SECRET}
OTHER = {"X-Forwarded-For": "192.0.2.7"}


@pytest.fixture
async def limited(issuer_database: str, tmp_path: Path) -> AsyncIterator[Issuing]:
    """An issuer to which a client may send three requests of each kind in a minute."""
    own: dict[str, Any] = dict.fromkeys(("tokens_a_minute", "devices_a_minute", "login_pages_a_minute"), FREE)
    async with issuing(issuer_database, tmp_path, **own) as limited:
        yield limited


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/token", PROGRAM),
        ("/token", {}),
        ("/revoke", {**PROGRAM, "token": "x"}),
        ("/device_authorization", {"client_id": "command-line", "scope": "openid"}),
        ("/device_authorization", {}),
        ("/jwks", None),
    ],
)
async def test_a_program_that_asks_too_often_is_told_to_slow_down(
    limited: Issuing, path: str, fields: dict[str, str] | None
) -> None:
    async with Browser(limited.url) as program:

        async def ask(**headers: str) -> tuple[int, str, str | None]:
            answer = await (program.get(path, **headers) if fields is None else program.post(path, fields, **headers))
            return answer.status, answer.text, answer.headers.get("Retry-After")

        first = [(await ask())[0] for _ in range(FREE)]
        assert 429 not in first
        status, text, wait_s = await ask()
        assert (status, wait_s) == (429, "20")
        assert '"slow_down"' in text
        assert (await ask(**OTHER))[0] == first[0], "another client is served"


@pytest.mark.parametrize("path", ["/login", "/enrol", "/device", "/logout", "/authorize?client_id=pages"])
async def test_a_browser_that_asks_too_often_sees_when_it_may_go_on(limited: Issuing, path: str) -> None:
    async with Browser(limited.url) as browser:
        first = [(await browser.get(path)).status for _ in range(FREE)]
        assert 429 not in first
        refused = await browser.get(path, **{"Accept-Language": "zh"})
        assert (refused.status, refused.headers["Retry-After"]) == (429, "20")
        assert "20 秒" in refused.text and "<h1>" in refused.text
        assert (await browser.post("/login/passkey-options", {})).status == 429, "all pages count together"
        assert (await browser.get("/.well-known/openid-configuration")).status == 200
        assert (await browser.get(path, **OTHER)).status == first[0]


async def test_limits_of_one_kind_take_nothing_from_another(limited: Issuing) -> None:
    async with Browser(limited.url) as program:
        for _ in range(FREE + 1):
            answer = await program.post("/device_authorization", {})
        assert answer.status == 429
        assert content(await program.post("/token", PROGRAM))["token_type"] == "Bearer"


async def test_a_secret_in_an_address_is_not_read(running: Issuing, browser: Browser) -> None:
    query = "&".join(f"{name}={value}" for name, value in PROGRAM.items())
    for path in ("/token", "/revoke", "/device_authorization"):
        answer = await browser.post(f"{path}?{query}", {})
        assert answer.status in (400, 401), path
        assert PROGRAM_SECRET not in answer.text
