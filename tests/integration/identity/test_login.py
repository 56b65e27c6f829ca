"""``onedoor login`` and what commands do with it, at the real issuer over HTTP."""

import asyncio
import stat
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest
import typer
from typer.testing import CliRunner, Result

from onedoor.cli import app
from services.operator.login.actions import log_in
from services.operator.login.kept import Login, locked_logins
from services.operator.login.tokens import access_token
from services.runtime.clock import machine_now
from services.runtime.security.access_tokens import TokenVerifier
from tests.support.identity.browser import Browser
from tests.support.identity.issuing import PASSWORD, Issuing
from tests.support.languages import in_both

T = TypeVar("T")


@pytest.fixture(autouse=True)
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of onedoor in the user's configuration, empty."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "configuration"))
    for name in ("ONEDOOR_TOKEN", "ONEDOOR_ISSUER", "ONEDOOR_DATABASE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "configuration" / "onedoor"


async def onedoor(*arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, app, arguments)


class Person:
    """Reads the code from the terminal, and answers on the page of the issuer. Call it in place of a pause."""

    def __init__(self, running: Issuing, browser: Browser, capsys: pytest.CaptureFixture[str], *answers: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._running, self._browser, self._capsys = running, browser, capsys
        self._answers = list(answers)
        self.pauses: list[float] = []
        self.printed = ""

    def __call__(self, seconds: float) -> None:
        self.printed += self._capsys.readouterr().out
        self.pauses.append(seconds)
        answer = self._answers.pop(0) if self._answers else ""
        if answer in ("allow", "deny"):
            self._wait(self._answer(answer))
        if answer != "too early":
            self._running.clock.ahead += timedelta(seconds=seconds)

    async def _answer(self, answer: str) -> None:
        address, code = self.printed.split()[-2:]
        assert address == f"{self._running.url}/device"
        await self._browser.log_in("wang-fang", PASSWORD, "/login?next=/device")
        consent = await self._browser.submit(await self._browser.get("/device"), "/device", code=code)
        await self._browser.submit(consent, "/device", answer=answer)

    def _wait(self, work: Awaitable[T]) -> T:
        async def run() -> T:
            return await work

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(20)


Answering = Callable[..., Person]


@pytest.fixture
def answering(running: Issuing, browser: Browser, capsys: pytest.CaptureFixture[str]) -> Answering:
    """Makes a person with these answers, one in each pause."""
    return lambda *answers: Person(running, browser, capsys, *answers)


async def test_a_person_logs_in_by_a_browser_and_logs_out(
    running: Issuing, answering: Answering, configuration: Path
) -> None:
    at = ("--issuer", running.url)
    refused = await onedoor("whoami", *at)
    assert refused.exit_code == 1 and "you have no login" in refused.stderr and in_both(refused.stderr)
    person = answering("", "too early", "", "allow")
    await asyncio.to_thread(log_in, running.url, person)
    assert person.pauses == [5, 5, 10, 10], "the issuer has asked to slow down"
    assert (await onedoor("whoami", *at)).stdout == f"wang-fang\t{running.url}\n"
    assert stat.S_IMODE((configuration / "logins.json").stat().st_mode) == 0o600
    with locked_logins() as logins:
        kept = logins.get(running.url)
    assert kept is not None and kept.refresh_token is not None

    out = await onedoor("logout", *at)
    assert out.exit_code == 0 and in_both(out.stdout)
    (newest, *_) = await running.recorded()
    assert (newest.event, newest.person_id) == ("revocation", "wang-fang")
    assert "you have no login" in (await onedoor("whoami", *at)).stderr
    assert "nothing changes" in (await onedoor("logout", *at)).stderr
    assert kept.access_token not in (configuration / "logins.json").read_text()


@pytest.mark.parametrize(("answers", "reason"), [(["deny"], "was denied at the page"), ([], "the code has expired")])
async def test_a_login_that_is_denied_or_not_confirmed_gives_nothing(
    running: Issuing, answering: Answering, capsys: pytest.CaptureFixture[str], answers: list[str], reason: str
) -> None:
    with pytest.raises(typer.Exit):
        await asyncio.to_thread(log_in, running.url, answering(*answers))
    printed = capsys.readouterr().err
    assert reason in printed and in_both(printed)
    with locked_logins() as logins:
        assert logins.get(running.url) is None


async def test_a_second_login_ends_the_first(running: Issuing, answering: Answering) -> None:
    await asyncio.to_thread(log_in, running.url, answering("allow"))
    await asyncio.to_thread(log_in, running.url, answering("allow"))
    assert [one.event for one in await running.recorded()].count("revocation") == 1


def set_access_until(issuer: str, until: timedelta) -> Login:
    """The login as it is so long before the end of its access token."""
    with locked_logins() as logins:
        login = logins.get(issuer)
        assert login is not None
        logins.keep(issuer, login.model_copy(update={"access_until": machine_now() + until}))
    return login


async def test_commands_at_once_renew_a_login_once(running: Issuing, answering: Answering) -> None:
    await asyncio.to_thread(log_in, running.url, answering("allow"))
    before = await asyncio.to_thread(set_access_until, running.url, timedelta(seconds=5))
    tokens = await asyncio.gather(*(asyncio.to_thread(access_token, running.url) for _ in range(4)))
    assert len(set(tokens)) == 1 and before.access_token not in tokens
    verified = await TokenVerifier(running.url, "onedoor").verify(tokens[0])
    assert verified.subject == "wang-fang"
    assert "reused" not in [one.outcome for one in await running.recorded()]
    with locked_logins() as logins:
        after = logins.get(running.url)
    assert after is not None and after.refresh_token not in (None, before.refresh_token)


async def test_a_login_that_has_ended_is_told_and_forgotten(
    running: Issuing, answering: Answering, browser: Browser
) -> None:
    await asyncio.to_thread(log_in, running.url, answering("allow"))
    login = await asyncio.to_thread(set_access_until, running.url, timedelta())
    await browser.post("/revoke", {"client_id": "command-line", "token": login.refresh_token or ""})
    for reason in ("has ended", "you have no login"):
        ended = await onedoor("whoami", "--issuer", running.url)
        assert ended.exit_code == 1 and reason in ended.stderr and in_both(ended.stderr)


async def test_the_token_of_a_program_comes_first(
    running: Issuing, answering: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asyncio.to_thread(log_in, running.url, answering("allow"))
    monkeypatch.setenv("ONEDOOR_TOKEN", "no token")
    refused = await onedoor("whoami", "--issuer", running.url)
    assert refused.exit_code == 1 and "or check ONEDOOR_TOKEN" in refused.stderr and in_both(refused.stderr)
    with locked_logins() as logins:
        kept = logins.get(running.url)
    assert kept is not None
    monkeypatch.setenv("ONEDOOR_TOKEN", kept.access_token + "\n")
    assert "wang-fang" in (await onedoor("whoami", "--issuer", running.url)).stdout


@pytest.mark.parametrize("command", ["login", "logout", "whoami"])
async def test_an_issuer_that_is_away_is_named(command: str, configuration: Path) -> None:
    nowhere = "http://localhost:9"
    with locked_logins() as logins:
        logins.keep(nowhere, Login(person="li", access_token="a", access_until=machine_now(), refresh_token="b"))
    away = await onedoor(command, "--issuer", nowhere)
    assert "does not answer" in away.stderr and nowhere in away.stderr and in_both(away.stderr)
    assert (away.exit_code == 0) is (command == "logout"), "a logout forgets the login in any case"
    with locked_logins() as logins:
        assert (logins.get(nowhere) is None) is (command == "logout")


def test_damaged_logins_are_named(configuration: Path) -> None:
    configuration.mkdir(parents=True)
    (configuration / "logins.json").write_text("{")
    damaged = CliRunner().invoke(app, ["whoami", "--issuer", "https://login.example.gov.cn"])
    assert damaged.exit_code == 1 and "logins.json is damaged" in damaged.stderr and in_both(damaged.stderr)
