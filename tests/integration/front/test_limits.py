"""How many logins one client may begin at the front."""

from pathlib import Path

import pytest

from tests.support.front.fronting import fronting
from tests.support.identity.browser import Browser

OTHER = {"X-Forwarded-For": "192.0.2.7"}


@pytest.mark.parametrize("path", ["/session/login", "/session/confirm", "/session/back?state=x"])
async def test_a_client_that_begins_too_many_logins_is_refused_and_pages_go_on(
    databases: tuple[str, str], tmp_path: Path, path: str
) -> None:
    async with (
        fronting(*databases, tmp_path, logins_a_minute=3) as running,
        Browser(running.url) as browser,
    ):
        first = [(await browser.get(path)).status for _ in range(3)]
        assert 429 not in first
        refused = await browser.get(path)
        assert refused.status == 429 and 15 <= int(refused.headers["Retry-After"]) <= 20
        assert (await browser.get("/session/login")).status == 429, "all steps count together"
        assert (await browser.get("/published")).status == 200
        assert (await browser.get(path, **OTHER)).status == first[0], "another client is served"
