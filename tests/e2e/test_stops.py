"""The program that starts everything is killed or stopped."""

import asyncio
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import psutil
import pytest

from deploy.local.engines.postgres import USER
from deploy.local.site import is_free
from onedoor.applicants import applications
from onedoor.program_login import ProgramLogin
from services.intake.catalogue.load import sample_catalogue
from tests.support import ledger_checks
from tests.support.centre import Answer
from tests.support.installation import COMMAND, OnedoorUp, all_end
from tests.support.waiting import eventually

CASES = 60
FIRST_CASES = 30
MIN_DECIDED = 15
SLOW_POLL_S = 0.5
"""Between two looks at the open cases: each is a request a case, and takes processor time from the platform."""


@pytest.fixture
def quick_departments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Departments that decide at once."""
    monkeypatch.setenv("ONEDOOR_SANDBOX_AT_ONCE", "true")
    monkeypatch.setenv("ONEDOOR_RELAY_AGE_S", "1")
    monkeypatch.setenv("ONEDOOR_POLL_INTERVAL_S", "0.2")


@pytest.mark.timeout(180)
@pytest.mark.usefixtures("quick_departments")
async def test_after_a_kill_and_a_restart_every_case_goes_on_at_the_same_addresses(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with OnedoorUp(folder) as up:
        await up.ready()
        addresses = [up.address(name) for name in ("intake", "kafka", "postgres")]
        modes = {str(path.relative_to(folder)): mode for path, mode in modes_in(folder)}
        secrets = ("addresses/importing-secret", "addresses/secret-key", "databases.json", "postgres/password")
        assert {*secrets, "logs/intake.log", "kafka/data/meta.properties", "postgres/data/PG_VERSION"} <= modes.keys()
        assert [name for name, mode in modes.items() if mode & 0o077] == [], "other accounts can read or enter"
        async with httpx2.AsyncClient(timeout=15) as client:
            for name in ("intake", "monitor", "monitor-2", "tax"):
                answer = await client.get(f"{up.operator_address(name)}/health/ready")
                assert answer.status_code == httpx2.codes.OK, answer.text
                assert (await client.get(f"{up.address(name)}/health")).status_code == httpx2.codes.OK
            alerts = f"{up.address('monitor')}/api/monitor/alerts"
            assert (await client.get(alerts)).status_code == httpx2.codes.UNAUTHORIZED, "also on this machine"
            secret = (folder / "addresses" / "importing-secret").read_text()
            login = ProgramLogin(up.address("identity").replace("127.0.0.1", "localhost"), "importing", secret)
            refused = await client.get(alerts, auth=login)
            assert refused.status_code == httpx2.codes.FORBIDDEN, refused.text
            assert "onedoor directory apply" in refused.json()["detail"]
            receipts = await asyncio.gather(*(apply(client, up, number) for number in range(FIRST_CASES)))

            before: dict[str, datetime] = {}

            async def some_decided() -> bool:
                return len(await decided(client, up, receipts, before)) >= MIN_DECIDED

            await eventually(some_decided, 40, "some cases are decided", SLOW_POLL_S)
            ports = [int(port) for port in re.findall(r":(\d+)\b", up.output)]
            family = up.family()
            receipts += await asyncio.gather(*(apply(client, up, number) for number in range(FIRST_CASES, CASES)))
            up.kill()
            killed_at = datetime.now(UTC)
    await all_end(family)
    assert len(family) > 15
    assert len(ports) > 8
    assert all(is_free(port) for port in ports)

    with OnedoorUp(folder) as up:
        await up.ready()
        assert [up.address(name) for name in ("intake", "kafka", "postgres")] == addresses
        async with httpx2.AsyncClient(timeout=15) as client:
            after: dict[str, datetime] = {}

            async def all_decided() -> bool:
                return len(await decided(client, up, receipts, after)) == CASES

            await eventually(all_decided, 60, "every case is decided", SLOW_POLL_S)
            assert max(after.values()) > killed_at, "all cases were decided before the kill"
            again = await asyncio.gather(*(apply(client, up, number) for number in range(CASES)))
            assert again == receipts
        await eventually(lambda: nothing_wrong(up, folder, receipts), 20, "the ledger checks find nothing")
        family = up.family()
        up.process.send_signal(signal.SIGTERM)
        assert up.process.wait(timeout=30) == 0
        await all_end(family)


def modes_in(folder: Path) -> Iterator[tuple[Path, int]]:
    """Everything in a folder that is used meanwhile, with its mode."""
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            yield path, path.lstat().st_mode


async def apply(client: httpx2.AsyncClient, up: OnedoorUp, number: int) -> Answer:
    application = list(applications(sample_catalogue(), CASES))[number]
    headers = {"Idempotency-Key": f"stop-{number}"}
    answer = await client.post(f"{up.address('intake')}/api/intake/cases", json=application, headers=headers)
    assert answer.status_code == httpx2.codes.CREATED, answer.text
    receipt: Answer = answer.json()
    return receipt


async def decided(
    client: httpx2.AsyncClient, up: OnedoorUp, receipts: list[Answer], known: dict[str, datetime]
) -> dict[str, datetime]:
    """When the cases that are decided were, as their applicants see them, added to those that are known to be."""
    for receipt in receipts:
        if receipt["number"] not in known:
            headers = {"Case-Secret": receipt["secret"]}
            case = (await client.get(f"{up.address('intake')}/api/intake{receipt['tracking']}", headers=headers)).json()
            if case["decided_at"]:
                known[receipt["number"]] = datetime.fromisoformat(case["decided_at"])
    return known


async def nothing_wrong(up: OnedoorUp, folder: Path, receipts: list[Answer]) -> bool:
    password = (folder / "postgres" / "password").read_text()

    def url(database: str) -> str:
        return f"postgresql://{USER}:{password}@{up.address('postgres')}/{database}"

    async with ledger_checks.opened(url) as tables:
        return not await ledger_checks.faults(tables, {receipt["number"] for receipt in receipts})


class Demo:
    """``onedoor demo`` with its own folder for temporary files."""

    def __init__(self, folder: Path) -> None:
        self._output = folder / "output.txt"
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [*COMMAND, "demo", "--plain", "--cases", "60"], stdout=output, stderr=subprocess.STDOUT
            )
        self.family: list[psutil.Process] = []

    @property
    def output(self) -> str:
        return self._output.read_text()

    async def prints(self, text: str) -> None:
        async def printed() -> bool:
            assert self.process.poll() is None, self.output
            return text in self.output

        await eventually(printed, 60, f"it prints {text!r}")
        self.family = psutil.Process(self.process.pid).children(recursive=True)


@pytest.fixture
def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Demo]:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nothing listens there: calls to this machine use no proxy
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name)
    demo = Demo(tmp_path)
    yield demo
    demo.process.kill()
    demo.process.wait()


def test_a_demo_whose_output_is_closed_ends_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    demo = subprocess.Popen([*COMMAND, "demo", "--plain"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert demo.stdout is not None and demo.stderr is not None
    assert b"starting Apache Kafka" in demo.stdout.readline()
    demo.stdout.close()  # as ``head -1`` does
    assert demo.wait(timeout=60) == 1
    assert demo.stderr.read() == b""
    assert left_in(tmp_path) == []


def left_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.mark.parametrize(
    ("text_before", "stop_signal", "min_processes"),
    [("the first case is decided", signal.SIGINT, 15), ("starting Apache Kafka /", signal.SIGTERM, 2)],
    ids=["Ctrl-C in the middle", "SIGTERM at the start"],
)
async def test_an_interrupted_demo_leaves_nothing_behind(
    demo: Demo, text_before: str, stop_signal: signal.Signals, min_processes: int, tmp_path: Path
) -> None:
    await demo.prints(text_before)
    assert len(demo.family) >= min_processes
    demo.process.send_signal(stop_signal)
    assert demo.process.wait(timeout=30) == 0
    await all_end(demo.family)
    assert left_in(tmp_path) == ["output.txt"]
