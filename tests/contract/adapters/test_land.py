"""Particulars of files over SFTP: access, visible folders, and files that are still being written."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import asyncssh
import pytest

from contracts.messages.plans import Outcome
from services.departments.conformance.suite import content_of, task
from services.departments.land.adapter import LandAdapter
from services.departments.land.outbox import Outbox
from services.departments.land.translate import Standing, file_of
from services.departments.sandbox.behaviour import Behaviour
from services.departments.sdk.core.messages import Decision, Posted, Receipt
from services.departments.sdk.ssh_keys import ensure_key
from services.runtime.clock import SystemClock
from services.runtime.external_system import InvalidNotification
from tests.support.adapter_sites import LandSite
from tests.support.sftp_server import Faults, faulty_server

TAKEN = file_of([Standing(ywh=task(1).task_id, slbh="受1号", slsj="20260302093000")])


@pytest.fixture
async def site(database_url: str, tmp_path: Path) -> AsyncIterator[LandSite]:
    async with LandSite(database_url, tmp_path) as site:
        yield site


@pytest.fixture
def outbox(site: LandSite) -> Path:
    return site.folder / "land" / "files" / "outbox"


@pytest.fixture
async def sftp(site: LandSite) -> AsyncIterator[asyncssh.SFTPClient]:
    settings = site.settings()
    host_key = asyncssh.read_public_key(settings.host_key)
    async with (
        asyncssh.connect(
            settings.host,
            settings.port,
            username=settings.user,
            client_keys=[str(settings.key)],
            known_hosts=([host_key], [], []),
            config=None,
        ) as connection,
        connection.start_sftp_client() as client,
    ):
        yield client


async def test_a_server_with_another_key_is_refused(site: LandSite) -> None:
    adapter = LandAdapter(site.settings(host_key=ensure_key(site.folder / "another")), site.clock)
    with pytest.raises(asyncssh.HostKeyNotVerifiable):
        await adapter.submit([task(1)])
    assert not await site.ledger()


async def test_another_client_key_is_refused(site: LandSite) -> None:
    ensure_key(site.folder / "another")
    adapter = LandAdapter(site.settings(key=site.folder / "another"), site.clock)
    with pytest.raises(asyncssh.PermissionDenied):
        await adapter.poll(1)


async def test_another_user_is_refused(site: LandSite) -> None:
    adapter = LandAdapter(site.settings(user="root"), site.clock)
    with pytest.raises(asyncssh.PermissionDenied):
        await adapter.poll(1)


async def test_the_user_sees_the_exchange_folder_alone(sftp: asyncssh.SFTPClient) -> None:
    folders = {"inbox", "outbox", "done"}
    assert set(await sftp.listdir("/")) - {".", ".."} == folders
    assert set(await sftp.listdir("/../..")) - {".", ".."} == folders
    assert not await sftp.exists("../host_key")
    with pytest.raises(asyncssh.SFTPPermissionDenied):
        await sftp.symlink("/../host_key", "inbox/way-out")


async def test_a_file_still_being_written_is_not_read(site: LandSite, outbox: Path) -> None:
    part = outbox / "1.jsonl.part"
    part.write_bytes(TAKEN[:10])
    assert not await site.adapter.poll(10)
    part.write_bytes(TAKEN)
    part.rename(outbox / "1.jsonl")
    (one,) = await site.adapter.poll(10)
    assert isinstance(content_of(one), Receipt)


async def test_a_file_moves_away_once_it_is_acknowledged_completely(site: LandSite, outbox: Path) -> None:
    file = outbox / "1.jsonl"
    file.write_bytes(TAKEN + b"nonsense\n" + TAKEN)
    first, second, third = await site.adapter.poll(10)
    assert isinstance(second, InvalidNotification)
    assert second.error.raw == b"nonsense"
    await site.adapter.acknowledge([first.ack_token, third.ack_token])
    assert await site.adapter.poll(10) == [second]
    assert file.exists()
    await site.adapter.acknowledge([second.ack_token])
    assert not file.exists()
    assert (outbox.parent / "done" / "1.jsonl").exists()


async def test_a_large_file_is_reported_in_parts(site: LandSite, outbox: Path, sftp: asyncssh.SFTPClient) -> None:
    (outbox / "1.jsonl").write_bytes(TAKEN * 5)
    (outbox / "2.jsonl").write_bytes(b"")
    count = 0
    while lines := await site.adapter.poll(2):
        count += len(lines)
        await site.adapter.acknowledge([line.ack_token for line in lines])
    assert count == 5
    assert not [name for name in await sftp.listdir("outbox") if name.endswith(".jsonl")]


async def test_of_contradicting_lines_in_an_answer_the_second_is_reported(
    site: LandSite, outbox: Path, sftp: asyncssh.SFTPClient
) -> None:
    line = {"ywh": task(1).task_id, "slbh": "N1", "slsj": "20260302100000", "bjsj": "20260303100000"}
    lines = [line | {"bjjg": outcome} for outcome in ("准予", "准予", "不予")]
    (outbox / "answers.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    files = Outbox(site.settings())
    answers = await files.answers(sftp, b"answers.jsonl")
    assert answers is not None
    first, (second,) = answers[task(1).task_id], await files.unread(sftp, 10, ())
    assert isinstance(first, Decision) and first.outcome is Outcome.APPROVED
    content = content_of(second)
    assert isinstance(content, Decision) and content.outcome is Outcome.REFUSED


async def test_a_lost_connection_is_replaced(site: LandSite) -> None:
    await site.adapter.submit([task(1)])
    await site.stop()
    with pytest.raises((OSError, asyncssh.Error)):
        await site.adapter.submit([task(1)])
    await site.start()
    (answer,) = await site.adapter.submit([task(1)])
    assert isinstance(answer, Receipt)


async def test_a_sandbox_that_seldom_polls_is_notified_of_new_files(site: LandSite) -> None:
    site.poll_s = 60.0
    await site.set_behaviour(Behaviour(at_once=True))
    adapter = LandAdapter(site.settings(wait_s=30.0), site.clock)
    (answer,) = await adapter.submit([task(1)])
    await adapter.close()
    assert isinstance(answer, Decision)


async def test_a_server_without_replacing_renames_is_handed_tasks(tmp_path: Path) -> None:
    async with faulty_server(tmp_path, Faults(renames_over=False)) as settings:
        adapter = LandAdapter(settings, SystemClock())
        assert await adapter.submit([task(1)]) == [Posted()]
        await adapter.close()
    (file,) = (tmp_path / "files" / "inbox").iterdir()
    assert file.suffix == ".jsonl"


async def test_a_failed_delivery_leaves_nothing(tmp_path: Path) -> None:
    async with faulty_server(tmp_path, Faults(renames=False)) as settings:
        adapter = LandAdapter(settings, SystemClock())
        for _ in range(3):
            with pytest.raises(asyncssh.SFTPFailure):
                await adapter.submit([task(1)])
        await adapter.close()
    assert not list((tmp_path / "files" / "inbox").iterdir())


async def test_what_a_crash_left_is_removed_an_hour_later(site: LandSite) -> None:
    inbox = site.folder / "land" / "files" / "inbox"
    digits = "0123456789abcdef" * 2
    old, new = f"20260302010000-{digits}.jsonl.part", f"20260302013000-{digits}.jsonl.part"
    for name in (old, new, "20200101000000.jsonl.part"):
        (inbox / name).write_bytes(b"{")
    site.set_clock(datetime(2026, 3, 2, 2, 10, tzinfo=UTC))
    await site.adapter.poll(1)
    assert sorted(file.name for file in inbox.iterdir()) == ["20200101000000.jsonl.part", new]


async def test_a_bad_entry_of_the_inbox_stops_no_sandbox(site: LandSite) -> None:
    (site.folder / "land" / "files" / "inbox" / "0.jsonl").mkdir()
    (answer,) = await site.adapter.submit([task(1)])
    assert isinstance(answer, Receipt)
