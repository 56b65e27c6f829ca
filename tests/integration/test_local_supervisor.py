"""The supervisor and its fork server, with small processes in place of services."""

import os
import signal
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from deploy.local import supervisor as supervising
from deploy.local.processes import free_port
from deploy.local.supervisor import NotReady, Phase, Specification, Supervised, Supervisor
from tests.support.waiting import eventually

ENVIRONMENT = {"PATH": os.environ["PATH"]}
DEADLINE = 20.0


def child(function: str, *arguments: str, port: int | None = None, name: str = "") -> Specification:
    return Specification(name or function, arguments, ENVIRONMENT, port, f"tests.integration.children:{function}")


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
async def supervisor(tmp_path: Path, said: list[str]) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(tmp_path, ["tests.integration.children"], said.append)
    supervisor.start()
    yield supervisor
    await supervisor.stop()


async def restarted(process: Supervised, times: int = 1) -> None:
    async def so() -> bool:
        return process.restarts >= times and process.phase is Phase.READY

    await eventually(so, DEADLINE)


async def test_a_process_is_ready_when_it_says_so(supervisor: Supervisor) -> None:
    port = free_port()
    process = supervisor.keep(child("web", str(port), port=port))
    await supervisor.all_ready(DEADLINE)
    assert process.phase is Phase.READY
    assert process.specification.address == f"http://127.0.0.1:{port}"


async def test_what_is_never_ready_is_named_with_its_log(supervisor: Supervisor) -> None:
    supervisor.keep(child("failing", port=free_port()))
    with pytest.raises(NotReady, match=r"not ready after 2 s: failing\.(.|\n)*no luck today"):
        await supervisor.all_ready(2)


async def test_a_killed_process_comes_back(supervisor: Supervisor, said: list[str]) -> None:
    process = supervisor.keep(child("obedient"))
    await supervisor.all_ready(DEADLINE)
    first = process.pid
    assert first
    os.kill(first, signal.SIGKILL)
    await restarted(process)
    assert process.pid not in (None, first)
    assert any("obedient ended (signal 9)" in line for line in said)


async def test_pauses_grow(supervisor: Supervisor, said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervising, "FIRST_PAUSE_SECONDS", 0.1)
    monkeypatch.setattr(supervising, "LONGEST_PAUSE_SECONDS", 0.4)
    supervisor.keep(child("failing"))

    async def often() -> bool:
        return len(said) >= 4

    await eventually(often, DEADLINE)
    pauses = [float(line.split("again in ")[1].split(" s")[0]) for line in said]
    assert pauses[:4] == [0.1, 0.2, 0.4, 0.4]
    assert all(early <= late for early, late in pairwise(pauses))


async def test_with_the_fork_server_all_processes_end_and_are_started_again(supervisor: Supervisor) -> None:
    processes = [supervisor.keep(child("obedient", name=name)) for name in ("one", "two")]
    await supervisor.all_ready(DEADLINE)
    before = [process.pid for process in processes]
    supervisor.kill_fork_server()
    for process in processes:
        await restarted(process)

    async def gone() -> bool:
        return not any(psutil.pid_exists(pid) for pid in before if pid)

    await eventually(gone, DEADLINE)


async def test_stopping_is_asked_first_and_insisted_on_later(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervising, "STOP_SECONDS", 0.5)
    processes = [supervisor.keep(child("obedient")), supervisor.keep(child("stubborn"))]

    async def both_speak() -> bool:
        return all(process.log.exists() and process.log.read_text() for process in processes)

    await eventually(both_speak, DEADLINE)
    await supervisor.stop()
    assert [await process.forked.wait() for process in processes if process.forked] == [0, -signal.SIGKILL]
    assert all(process.phase is Phase.STOPPED for process in processes)


async def test_a_failed_task_is_told_with_its_log(supervisor: Supervisor) -> None:
    with pytest.raises(NotReady, match=r"failing failed \(exit status 1\)\.(.|\n)*no luck today"):
        await supervisor.run(child("failing"))
