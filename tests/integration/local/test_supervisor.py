"""The supervisor and its fork server, with small processes instead of services."""

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from deploy.local.processes import supervisor as supervising
from deploy.local.processes.supervisor import NotReady, Phase, Specification, Supervised, Supervisor
from deploy.local.site import free_port
from tests.support.waiting import eventually

ENVIRONMENT = {"PATH": os.environ["PATH"]}
DEADLINE = 20.0


def child(function: str, *arguments: str, port: int | None = None, name: str = "") -> Specification:
    """A process that answers operators on this port."""
    entry = f"tests.integration.local.children:{function}"
    return Specification(name or function, arguments, ENVIRONMENT, operator_port=port, entry=entry)


@pytest.fixture
def notices() -> list[str]:
    return []


@pytest.fixture
async def supervisor(tmp_path: Path, notices: list[str]) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(tmp_path, ["tests.integration.local.children"], notices.append)
    supervisor.start()
    yield supervisor
    await supervisor.stop()


async def restarted(process: Supervised) -> None:
    async def ready_again() -> bool:
        return process.restarts > 0 and process.phase is Phase.READY

    await eventually(ready_again, DEADLINE)


async def test_a_process_is_ready_when_its_health_endpoint_answers(supervisor: Supervisor) -> None:
    port = free_port()
    process = supervisor.keep(child("web", str(port), port=port))
    await supervisor.all_ready(DEADLINE)
    assert process.phase is Phase.READY
    assert (process.specification.address, process.specification.operator_address) == ("", f"http://127.0.0.1:{port}")


async def test_a_process_that_is_never_ready_is_named_with_its_log(supervisor: Supervisor) -> None:
    supervisor.keep(child("failing", port=free_port()))
    with pytest.raises(NotReady, match=r"not ready after 2 s: failing\.(.|\n)*no luck today"):
        await supervisor.all_ready(2)


async def test_a_killed_process_is_started_again(supervisor: Supervisor, notices: list[str]) -> None:
    process = supervisor.keep(child("obedient"))
    await supervisor.all_ready(DEADLINE)
    first = process.pid
    assert first
    os.kill(first, signal.SIGKILL)
    await restarted(process)
    assert process.pid not in (None, first)
    assert any("obedient ended (signal 9)" in line for line in notices)


async def test_pauses_grow(supervisor: Supervisor, notices: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervising, "FIRST_PAUSE_SECONDS", 0.1)
    monkeypatch.setattr(supervising, "LONGEST_PAUSE_SECONDS", 0.4)
    supervisor.keep(child("failing"))

    async def restarted_often() -> bool:
        return len(notices) >= 4

    await eventually(restarted_often, DEADLINE)
    pauses = [float(line.split("again in ")[1].split(" s")[0]) for line in notices]
    assert pauses[:4] == [0.1, 0.2, 0.4, 0.4]


async def test_with_the_fork_server_all_processes_end_and_are_started_again(supervisor: Supervisor) -> None:
    processes = [supervisor.keep(child("obedient", name=name)) for name in ("one", "two")]
    await supervisor.all_ready(DEADLINE)
    before = [process.pid for process in processes]
    fork_server = psutil.Process(before[0]).parent()
    assert fork_server is not None and fork_server.pid != os.getpid()
    fork_server.kill()
    for process in processes:
        await restarted(process)

    async def gone() -> bool:
        return not any(psutil.pid_exists(pid) for pid in before if pid)

    await eventually(gone, DEADLINE)


async def test_processes_that_ignore_sigterm_are_killed_after_the_grace_period(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervising, "STOP_SECONDS", 0.5)
    processes = [supervisor.keep(child("obedient")), supervisor.keep(child("stubborn"))]

    async def both_run() -> bool:
        return all(process.log.exists() and process.log.read_text() for process in processes)

    await eventually(both_run, DEADLINE)
    await supervisor.stop()
    assert [await process.forked.wait() for process in processes if process.forked] == [0, -signal.SIGKILL]
    assert all(process.phase is Phase.STOPPED for process in processes)


@pytest.mark.parametrize("function", ["obedient", "failing"])
async def test_a_dropped_process_is_not_started_again(supervisor: Supervisor, function: str) -> None:
    process = supervisor.keep(child(function))

    async def runs_or_pauses() -> bool:
        return process.phase in (Phase.READY, Phase.PAUSING)

    await eventually(runs_or_pauses, DEADLINE)
    await supervisor.drop(function)
    assert process.phase is Phase.STOPPED and process.pid is None and process.keeper.done()
    assert supervisor.processes == {}


async def test_a_failed_task_is_reported_with_its_log(supervisor: Supervisor) -> None:
    with pytest.raises(NotReady, match=r"failing failed \(exit status 1\)\.(.|\n)*no luck today"):
        await supervisor.run(child("failing"))


async def test_a_process_that_is_dropped_while_it_starts_does_not_run(supervisor: Supervisor, tmp_path: Path) -> None:
    started = [supervisor.keep(child("obedient", name=str(number))) for number in range(3)]
    await supervisor.drop(*(process.specification.name for process in started))
    again = supervisor.keep(child("obedient", name="0"))
    await supervisor.all_ready(DEADLINE)

    async def alone() -> bool:
        fork_server = psutil.Process(again.pid).parent()
        return fork_server is not None and [one.pid for one in fork_server.children()] == [again.pid]

    await eventually(alone, DEADLINE)


async def test_a_process_that_cannot_be_started_is_tried_again(
    supervisor: Supervisor, tmp_path: Path, notices: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervising, "FIRST_PAUSE_SECONDS", 0.1)
    log, moved = tmp_path / "obedient.log", tmp_path / "obedient.log.1"
    log.touch()
    os.truncate(log, 21 * 1024 * 1024)  # too long, so that it is moved before the start
    moved.mkdir()  # and cannot be
    process = supervisor.keep(child("obedient"))

    async def refused() -> bool:
        return any("obedient ended (it cannot be started: " in line for line in notices)

    await eventually(refused, DEADLINE)
    moved.rmdir()
    await restarted(process)
