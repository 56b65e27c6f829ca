"""Particulars of the tax department's interface: tokens and idempotency keys."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from services.departments.conformance.suite import task
from services.departments.sdk.core.messages import Receipt
from services.departments.tax.adapter import TaxAdapter
from services.departments.tax.client import TaxAway, TokenRefused
from services.departments.tax.sandbox import Tokens
from services.departments.tax.settings import TaxSettings
from services.departments.tax.translate import application
from tests.support.adapter_sites import SECRET, TaxSite


@pytest.fixture
async def site(database_url: str, tmp_path: Path) -> AsyncIterator[TaxSite]:
    async with TaxSite(database_url, tmp_path) as site:
        yield site


@pytest.fixture
async def client(site: TaxSite) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=site.url, trust_env=False) as client:
        yield client


async def token(client: httpx2.AsyncClient) -> str:
    answer = await client.post("/oauth/token", data={"grant_type": "client_credentials"}, auth=("onedoor", SECRET))
    return str(answer.json()["access_token"])


async def test_a_wrong_secret_is_refused(site: TaxSite) -> None:
    adapter = TaxAdapter(TaxSettings(url=site.url, client_secret="another secret of the tests"), site.clock)
    await adapter.open()
    (answer,) = await adapter.submit([task(1)])
    await adapter.close()
    assert isinstance(answer, TokenRefused)
    assert answer.error == "invalid_client"


async def test_a_refused_token_is_replaced(site: TaxSite) -> None:
    await site.adapter.submit([task(1)])
    await site.stop()
    await site.start()  # its former tokens are void
    (answer,) = await site.adapter.submit([task(1)])
    assert isinstance(answer, Receipt)


async def test_an_unavailable_system_gives_no_answer(site: TaxSite) -> None:
    site.away_from = site.clock.now()
    await site.stop()
    await site.start()
    with pytest.raises(TaxAway, match="503"):
        await site.adapter.poll(1)


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer x", "Bearer 9999999999.0.0", "Basic b25lZG9vcg=="])
async def test_a_request_without_a_token_is_refused(client: httpx2.AsyncClient, authorization: str) -> None:
    answer = await client.get("/applications/decided?limit=1", headers={"Authorization": authorization})
    assert answer.status_code == 401


@pytest.mark.parametrize("authorization", ["", "Basic", "Basic ???", "Basic b25lZG9vcg==", f"Bearer {SECRET}"])
async def test_no_token_without_the_secret(client: httpx2.AsyncClient, authorization: str) -> None:
    answer = await client.post(
        "/oauth/token", data={"grant_type": "client_credentials"}, headers={"Authorization": authorization}
    )
    assert (answer.status_code, answer.json()) == (401, {"error": "invalid_client"})


def test_tokens_expire_and_cannot_be_forged() -> None:
    tokens, ended = Tokens(lifetime_s=60), Tokens(lifetime_s=-1)
    good = tokens.issue()
    assert tokens.valid(good)
    assert not tokens.valid("9" + good)
    assert not Tokens(lifetime_s=60).valid(good)
    assert not ended.valid(ended.issue())


async def test_created_first_and_found_afterwards(client: httpx2.AsyncClient) -> None:
    headers = {"Authorization": f"Bearer {await token(client)}", "Idempotency-Key": task(1).task_id}
    body = application(task(1)).model_dump_json(by_alias=True)
    answers = [await client.post("/applications", content=body, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 200]
    assert answers[0].json() == answers[1].json()


@pytest.mark.parametrize("key", ["", "another"])
async def test_the_key_must_be_that_of_the_task(client: httpx2.AsyncClient, key: str) -> None:
    headers = {"Authorization": f"Bearer {await token(client)}", "Idempotency-Key": key}
    body = application(task(1)).model_dump_json(by_alias=True)
    assert (await client.post("/applications", content=body, headers=headers)).status_code == 422
