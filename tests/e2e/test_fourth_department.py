"""A fourth department, environment, is a package of its own: once installed, it works without a change elsewhere."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from random import Random

import httpx2
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from deploy.local.engines import Engines
from deploy.local.wiring import Options
from onedoor.applicants import person
from services import registry
from services.departments.conformance.suite import CHECKS, Site, task
from services.runtime.clock import FileClock
from services.runtime.external_system import SystemAway
from tests.support.adapter_sites import BaseSite
from tests.support.centre import BEGINS, DAY_S, Centre
from tests.support.installation import modules_behind_adapter
from tests.support.shared_engines import platform_on
from tests.support.staff import ISSUER, with_staff
from tools import settings_table

PACKAGE = Path(__file__).parents[1] / "departments" / "environment"
KEY = "an API key of the tests"
SERVICE = {
    "ONEDOOR_DATABASE": "postgresql+asyncpg://nobody@127.0.0.1:1/none",
    "ONEDOOR_SECRET_KEY": "k" * 32,
    "ONEDOOR_DOCUMENTS_KEY": "k" * 32,
}

APPLICATION = {
    "item": "impact-approval",
    "region": "450102",
    "channel": "web",
    "applicant": person(Random(1), "450102"),
    "materials": ["impact-report"],
}


@pytest.fixture(scope="module", autouse=True)
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The package, installed where this process and its children find it. The build needs no network."""
    target = tmp_path_factory.mktemp("site-packages")
    uv, where = Path(sys.executable).with_name("uv"), ("--python", sys.executable, "--target", target)
    subprocess.run([uv, "pip", "install", "--quiet", "--offline", "--no-deps", *where, PACKAGE], check=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(target))
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(target), os.environ.get("PYTHONPATH")))))
        registry.refresh()
        yield
    registry.refresh()


async def onedoor(*arguments: str, **environment: str) -> tuple[int, str]:
    """Exit status and both outputs of a command."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "onedoor.cli", *arguments),
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


def options(clock: Path) -> Options:
    extra: Mapping[str, Mapping[str, str]] = {
        # Groups of its own: those of other platforms on these engines have members for topics that are not read here.
        "*": {"ONEDOOR_CLOSED_RETENTION_DAYS": "3650", "ONEDOOR_TOPIC_PREFIX": "fourth-"},
        "intake": {"ONEDOOR_CATALOGUE": str(PACKAGE / "catalogue.yaml")},
        "environment": {"ONEDOOR_POLL_INTERVAL_S": "0.1"},
        "sandbox-environment": {"ONEDOOR_SANDBOX_MEAN_DAYS": "1"},
    }
    return Options(clock=str(clock), systems=("environment", "tax"), extra=extra)


@pytest.mark.timeout(240)
async def test_a_case_is_decided_through_it(engines: Engines, tmp_path: Path) -> None:
    clock = FileClock.create(tmp_path / "clock", BEGINS, speed=0)
    async with platform_on(engines, tmp_path, with_staff(options(tmp_path / "clock"))) as platform:
        assert {"environment", "sandbox-environment"} <= platform.processes.keys()
        clock.set(BEGINS, 2 * DAY_S)
        async with httpx2.AsyncClient(timeout=15) as client:
            centre = Centre(platform, client)
            receipt = await centre.apply(APPLICATION, "one application")
            case = await centre.follow(receipt)
        assert case["state"] == "decided"
        (entry,) = await centre.rows("sandbox_environment", "SELECT task_id, number, outcome FROM ledger")
        (step,) = case["steps"]
        assert (step["department"], step["outcome"]) == ("Environment (生态环境局)", entry["outcome"])
        assert entry["task_id"].startswith(receipt["number"])
        place = {"ONEDOOR_CLOCK": str(tmp_path / "clock"), "ONEDOOR_CLOSED_RETENTION_DAYS": "3650"}
        status, output = await onedoor("audit", "--folder", str(tmp_path), "--replay", "all", **place)
        assert status == 0, output
        assert "not examined" not in output


async def test_it_runs_without_being_named_where_it_is_installed() -> None:
    assert "environment" in Options().systems


async def test_its_settings_stand_in_the_table_of_settings() -> None:
    assert {"ONEDOOR_ENVIRONMENT_URL", "ONEDOOR_SANDBOX_KEY"} <= settings_table.variables()
    assert "## The environment adapter" in settings_table.markdown()


async def test_its_sandbox_and_its_adapter_name_a_setting_that_is_missing() -> None:
    status, output = await onedoor("sandbox", "environment")
    assert (status, "ONEDOOR_SANDBOX_DATABASE is not set" in output) == (2, True), output
    status, output = await onedoor("serve", "environment", **SERVICE, ONEDOOR_ISSUER=ISSUER.url)
    assert (status, "ONEDOOR_ENVIRONMENT_URL is not set" in output) == (2, True), output


async def test_its_adapter_imports_nothing_of_its_sandbox() -> None:
    modules = await asyncio.to_thread(modules_behind_adapter, "environment")
    assert "onedoor_environment.adapter" in modules
    assert {module for module in modules if "sandbox" in module} == set()


async def test_an_adapter_whose_system_is_not_in_use_does_not_start() -> None:
    status, output = await onedoor("serve", "environment", ONEDOOR_SYSTEMS="tax", **SERVICE)
    assert (status, "must name environment" in output) == (2, True), output


class EnvironmentSite(BaseSite):
    """The adapter and the sandbox, as the conformance suite wants them."""

    name = "environment"

    async def start(self) -> None:
        settings = import_module("onedoor_environment.settings")
        sandbox = import_module("onedoor_environment.sandbox")
        own = sandbox.EnvironmentSandboxSettings(**self.sandbox_settings(), port=self._port, key=KEY, no_answer_s=3)
        url = await self._system.enter_async_context(sandbox.running(own, self.clock))
        if not self._port:
            self._port = int(url.rpartition(":")[2])
            adapter = import_module("onedoor_environment.adapter").EnvironmentAdapter
            self.adapter = adapter(settings.EnvironmentSettings(url=url, key=KEY, timeout_s=1.5), self.clock)


async def test_its_adapter_passes_on_the_time_that_the_department_asks_to_wait(tmp_path: Path) -> None:
    async def busy(_: web.Request) -> web.Response:
        return web.Response(status=429, headers={"Retry-After": "30"})

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", busy)
    async with TestServer(app) as server:
        settings = import_module("onedoor_environment.settings").EnvironmentSettings(
            url=str(server.make_url("")).rstrip("/"), key=KEY
        )
        adapter = import_module("onedoor_environment.adapter").EnvironmentAdapter(settings, None)
        await adapter.open()
        (answer,) = await adapter.submit([task(1)])
        with pytest.raises(SystemAway, match="wait for 30 s"):
            await adapter.poll(1)
        await adapter.close()
    assert isinstance(answer, SystemAway) and answer.retry_after_s == 30


@pytest.fixture
async def site(database_url: str, tmp_path: Path) -> AsyncIterator[EnvironmentSite]:
    async with EnvironmentSite(database_url, tmp_path) as site:
        yield site


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_it_keeps_the_promises_of_the_port(
    site: EnvironmentSite, check: Callable[[Site], Awaitable[None]]
) -> None:
    await check(site)
