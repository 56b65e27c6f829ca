"""The issuer as a process of a local site, and the accounts of the demo."""

import asyncio
from pathlib import Path

import pytest

from deploy.local.clients import IMPORTING_SECRET
from deploy.local.engines import Engines
from deploy.local.processes.supervisor import Supervisor
from deploy.local.wiring import Options, Wiring, preload
from onedoor.demo_accounts import ready_accounts
from services.runtime.security.access_tokens import TokenVerifier
from tests.support.identity.browser import Browser
from tests.support.identity.program import content


@pytest.fixture
def wiring(engines: Engines, tmp_path: Path) -> Wiring:
    return Wiring(tmp_path, engines.kafka, engines.database_url, Options(systems=(), issuer=True))


async def test_people_of_the_demo_and_programs_of_the_site_log_in(
    wiring: Wiring, engines: Engines, tmp_path: Path
) -> None:
    supervisor = Supervisor(tmp_path / "logs", preload((), issuer=True), print)
    assert "onedoor_identity" in wiring.databases()
    await engines.postgres.create_database("onedoor_identity", template="template0")
    supervisor.start()
    try:
        await supervisor.run(wiring.issuer_migration())
        supervisor.keep(wiring.issuer())
        await supervisor.all_ready(60)
        accounts = await ready_accounts(wiring.addresses().issuer)
        assert len(accounts) == 3
        async with Browser(wiring.issuer_address) as browser:
            for account in accounts:
                browser.cookies.clear()
                assert (await browser.log_in(account.person_id, account.password)).status == 303
            secret = (tmp_path / "addresses" / IMPORTING_SECRET).read_text()
            fields = {"grant_type": "client_credentials", "client_id": "importing", "client_secret": secret}
            token = content(await browser.post("/token", fields))["access_token"]
            assert (await TokenVerifier(wiring.issuer_address, "onedoor").verify(token)).subject == "importing"
            assert (await browser.get("/health")).status == 200
    finally:
        await supervisor.stop()
        await engines.postgres.drop_database("onedoor_identity")
    log = "".join(file.read_text() for file in await asyncio.to_thread(lambda: list((tmp_path / "logs").iterdir())))
    assert secret not in log and not any(account.password in log for account in accounts)


def test_a_site_without_an_issuer_has_nothing_of_it(engines: Engines, tmp_path: Path) -> None:
    wiring = Wiring(tmp_path, engines.kafka, engines.database_url, Options(systems=()))
    assert "onedoor_identity" not in wiring.databases() and wiring.addresses().issuer == ""
    assert "services.identity.app" not in set(preload(()))
