"""Logins at a real Keycloak: people through the front, programs by themselves, and what services make of the tokens."""

import html
import re
from collections.abc import AsyncIterator, Iterator
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from pydantic import SecretStr

from deploy.local.engines import Engines
from services.front.migrations import FRONT_MIGRATIONS
from services.identity.migrations import ISSUER_MIGRATIONS
from services.runtime.security.access_tokens import InvalidToken, TokenVerifier
from tests.keycloak.server import PASSWORD, PERSON, SECRET, keycloak
from tests.support.databases import service_database
from tests.support.front.fronting import Fronting, fronting
from tests.support.waiting import eventually

SUBJECT = "preferred_username"
START_S = 240

pytestmark = [pytest.mark.timeout(START_S + 120), pytest.mark.asyncio(loop_scope="module")]


@pytest.fixture(scope="module")
def databases(engines: Engines) -> Iterator[tuple[str, str]]:
    with (
        service_database(engines, "front", FRONT_MIGRATIONS) as front,
        service_database(engines, "identity", ISSUER_MIGRATIONS) as issuer,
    ):
        yield front, issuer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(
    databases: tuple[str, str], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Fronting, str]]:
    """A front whose logins are those of Keycloak, and the address of Keycloak's issuer."""
    folder: Path = tmp_path_factory.mktemp("keycloak")
    port = 18_433
    with keycloak(folder, f"http://localhost:{port}") as issuer:

        async def answers() -> bool:
            try:
                async with httpx2.AsyncClient(timeout=5) as client:
                    return (await client.get(f"{issuer}/.well-known/openid-configuration")).is_success
            except httpx2.TransportError:
                return False

        await eventually(answers, START_S, "Keycloak is ready")
        settings: dict[str, Any] = {"issuer": issuer, "client_secret": SecretStr(SECRET), "issuer_addresses": ()}
        async with fronting(*databases, folder, outside=True, port=port, **settings) as front:
            yield front, issuer


async def test_a_program_of_keycloak_is_known_by_its_name(running: tuple[Fronting, str]) -> None:
    _, issuer = running
    form = {"grant_type": "client_credentials", "client_id": "importing", "client_secret": SECRET}
    async with httpx2.AsyncClient() as client:
        answer = await client.post(f"{issuer}/protocol/openid-connect/token", data=form)
    assert answer.is_success, answer.text
    token = await TokenVerifier(issuer, "onedoor", subject_claim=SUBJECT).verify(answer.json()["access_token"])
    assert token.subject == "service-account-importing"
    assert token.client == "importing"
    with pytest.raises(InvalidToken, match="audience"):
        await TokenVerifier(issuer, "another", subject_claim=SUBJECT).verify(answer.json()["access_token"])


async def test_a_person_logs_in_at_keycloak_and_comes_back_to_the_page(running: tuple[Fronting, str]) -> None:
    front, issuer = running
    # Browsers take and send secure cookies on this machine without TLS.
    cookies = CookieJar(DefaultCookiePolicy(secure_protocols=("http", "https")))
    async with httpx2.AsyncClient(follow_redirects=True, timeout=20, cookies=cookies) as browser:
        login = await browser.get(f"{front.url}/board?by=region")
        assert str(login.url).startswith(issuer), login.url
        (action,) = re.findall(r'<form id="kc-form-login"[^>]*action="([^"]+)"', login.text)
        page = await browser.post(html.unescape(action), data={"username": PERSON, "password": PASSWORD})
        assert str(page.url) == f"{front.url}/board?by=region", page.text
        bearer = front.monitor.latest.subject
        assert bearer is not None
        token = await TokenVerifier(issuer, "onedoor", subject_claim=SUBJECT).verify(bearer)
        assert token.subject == PERSON
        assert token.authenticated_at is not None
        state = (await browser.get(f"{front.url}/session/state")).json()
        left = await browser.post(f"{front.url}/session/logout", headers={"Origin": front.url})
        assert left.status_code < 500, left.text
        again = await browser.get(f"{front.url}/board")
        assert str(again.url).startswith(issuer), (state, again.url)
