"""The issuer and the front as processes of a local site, and the accounts of the demo."""

import asyncio
from pathlib import Path

import pytest

from deploy.local.clients import IMPORTING_SECRET
from deploy.local.engines import Engines
from deploy.local.processes.supervisor import Supervisor
from deploy.local.wiring import Options, Wiring, preload
from onedoor.demo_accounts import ready_accounts
from services.runtime.security.access_tokens import TokenVerifier
from tests.support.front.fronting import follow
from tests.support.identity.browser import Browser
from tests.support.identity.program import content

LOGINS = ("identity", "front")


@pytest.fixture
def wiring(engines: Engines, tmp_path: Path) -> Wiring:
    return Wiring(tmp_path, engines.kafka, engines.database_url, Options(systems=(), issuer=True))


async def test_people_of_the_demo_and_programs_of_the_site_log_in_at_one_address(
    wiring: Wiring, engines: Engines, tmp_path: Path
) -> None:
    supervisor = Supervisor(tmp_path / "logs", preload((), issuer=True), print)
    assert {f"onedoor_{name}" for name in LOGINS} <= set(wiring.databases())
    for name in LOGINS:
        await engines.postgres.create_database(f"onedoor_{name}", template="template0")
    supervisor.start()
    try:
        for migration in wiring.login_migrations():
            await supervisor.run(migration)
        for process in wiring.logins():
            supervisor.keep(process)
        await supervisor.all_ready(60)
        accounts = await ready_accounts(wiring.addresses().issuer_database)
        assert len(accounts) == 5
        async with Browser(wiring.front_address) as browser:
            for account in accounts:
                browser.cookies.clear()
                back = await follow(browser, await browser.get("/board"), account.person_id, account.password)
                assert back.location == f"{wiring.front_address}/board"
                assert content(await browser.get("/session/state"))["person"] == account.person_id
            # Monitor does not run here: its page says so, in the session.
            page = await browser.get("/board", Accept_Language="zh-CN")
            assert page.status == 502 and "monitor 没有应答" in page.text
        async with Browser(wiring.front_address) as program:
            secret = (tmp_path / "addresses" / IMPORTING_SECRET).read_text()
            fields = {"grant_type": "client_credentials", "client_id": "importing", "client_secret": secret}
            token = content(await program.post("/token", fields))["access_token"]
            assert (await TokenVerifier(wiring.front_address, "onedoor").verify(token)).subject == "importing"
            assert (await program.get("/health")).status == 200
    finally:
        await supervisor.stop()
        for name in LOGINS:
            await engines.postgres.drop_database(f"onedoor_{name}")
    log = "".join(file.read_text() for file in await asyncio.to_thread(lambda: list((tmp_path / "logs").iterdir())))
    assert secret not in log and not any(account.password in log for account in accounts)


def test_a_site_without_logins_has_nothing_of_them(engines: Engines, tmp_path: Path) -> None:
    wiring = Wiring(tmp_path, engines.kafka, engines.database_url, Options(systems=()))
    assert not {f"onedoor_{name}" for name in LOGINS} & set(wiring.databases())
    assert wiring.addresses().issuer_database == "" and wiring.logins() == [] and wiring.login_migrations() == []
    assert not {f"services.{name}.app" for name in LOGINS} & set(preload(()))
