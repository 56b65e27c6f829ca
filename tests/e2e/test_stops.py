"""What happens to a run when the program that started it all is killed, or asked to stop."""

import asyncio
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psutil
import pytest

from deploy.local.postgres import USER
from deploy.local.processes import is_free
from onedoor.applicants import applications
from services.intake.catalogue.load import sample_catalogue
from tests.support import ledger_checks
from tests.support.centre import Answer
from tests.support.installation import COMMAND, OnedoorUp, all_end
from tests.support.waiting import eventually

CASES = 60
EARLY = 30
DECIDED_BEFORE = 15


@pytest.fixture
def quick_offices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Offices that decide at once."""
    monkeypatch.setenv("ONEDOOR_SANDBOX_AT_ONCE", "true")
    monkeypatch.setenv("ONEDOOR_RELAY_AGE_S", "1")
    monkeypatch.setenv("ONEDOOR_POLL_INTERVAL_S", "0.2")


@pytest.mark.timeout(180)
@pytest.mark.usefixtures("quick_offices")
async def test_killed_whole_and_started_again_every_case_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    up = OnedoorUp(folder)
    await up.ready()
    async with httpx2.AsyncClient(timeout=15) as client:
        receipts = await asyncio.gather(*(apply(client, up, number) for number in range(EARLY)))

        async def some_decided() -> bool:
            return await decided(client, up, receipts) >= DECIDED_BEFORE

        await eventually(some_decided, 40, "some cases are decided")
        ports = [int(port) for port in re.findall(r":(\d+)$", up.output, re.MULTILINE)]
        family = up.family()
        receipts += await asyncio.gather(*(apply(client, up, number) for number in range(EARLY, CASES - 1)))
        receipts.append(await apply(client, up, CASES - 1))
        assert await decided(client, up, receipts[-1:]) == 0, "all was over before the kill"
        up.process.kill()
        up.process.wait()
    await all_end(family)
    assert len(ports) > 8
    assert all(is_free(port) for port in ports)

    up = OnedoorUp(folder)
    await up.ready()
    async with httpx2.AsyncClient(timeout=15) as client:

        async def all_decided() -> bool:
            return await decided(client, up, receipts) == CASES

        await eventually(all_decided, 60, "every case is decided")
        again = await asyncio.gather(*(apply(client, up, number) for number in range(CASES)))
        assert again == receipts
    await eventually(lambda: in_order(up, folder, receipts), 20, "the books are in order")
    family = up.family()
    up.process.send_signal(signal.SIGTERM)
    assert up.process.wait(timeout=30) == 0
    await all_end(family)


async def apply(client: httpx2.AsyncClient, up: OnedoorUp, number: int) -> Answer:
    application = list(applications(sample_catalogue(), CASES))[number]
    headers = {"Idempotency-Key": f"stop-{number}"}
    answer = await client.post(f"{up.address('intake')}/cases", json=application, headers=headers)
    assert answer.status_code == httpx2.codes.CREATED, answer.text
    receipt: Answer = answer.json()
    return receipt


async def decided(client: httpx2.AsyncClient, up: OnedoorUp, receipts: list[Answer]) -> int:
    """How many of them are decided, as each applicant is shown."""
    shown = [
        await client.get(f"{up.address('intake')}{receipt['tracking']}", headers={"Case-Secret": receipt["secret"]})
        for receipt in receipts
    ]
    return sum(case.json()["state"] == "decided" for case in shown)


async def in_order(up: OnedoorUp, folder: Path, receipts: list[Answer]) -> bool:
    password = (folder / "postgres" / "password").read_text()

    def url(database: str) -> str:
        return f"postgresql://{USER}:{password}@{up.address('postgres')}/{database}"

    async with ledger_checks.opened(url) as tables:
        return not await ledger_checks.faults(tables, {receipt["number"] for receipt in receipts})


class Demo:
    """``onedoor demo`` in a folder for temporary files of its own."""

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

    async def says(self, words: str) -> None:
        async def so() -> bool:
            assert self.process.poll() is None, self.output
            return words in self.output

        await eventually(so, 60, f"it says {words!r}")
        self.family = psutil.Process(self.process.pid).children(recursive=True)


@pytest.fixture
def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Demo]:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    demo = Demo(tmp_path)
    yield demo
    demo.process.kill()
    demo.process.wait()


def left_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.mark.parametrize(
    ("moment", "asked", "least"),
    [("the first case is decided", signal.SIGINT, 15), ("starting Apache Kafka\n", signal.SIGTERM, 2)],
    ids=["Ctrl-C in the middle", "SIGTERM at the start"],
)
async def test_a_demo_that_is_broken_off_leaves_nothing(
    demo: Demo, moment: str, asked: signal.Signals, least: int, tmp_path: Path
) -> None:
    await demo.says(moment)
    assert len(demo.family) >= least
    demo.process.send_signal(asked)
    assert demo.process.wait(timeout=30) == 0
    await all_end(demo.family)
    assert left_in(tmp_path) == ["output.txt"]
