"""One bad entry of the outbox costs no other file anything, and is reported with what to do."""

import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from services.departments.conformance.suite import content_of, task
from services.departments.land import outbox as module
from services.departments.land.adapter import LandAdapter
from services.departments.land.translate import Standing, file_of
from services.departments.sdk.core.messages import Posted, Receipt
from services.runtime.clock import SystemClock
from services.runtime.external_system import KEPT_BYTES, InvalidNotification, Notification
from tests.support.sftp_server import Faults, faulty_server
from tests.support.waiting import eventually

GBK_NAME = "说明".encode("gbk")
"""It is no UTF-8."""

Found = Sequence[Notification | InvalidNotification]


class Site:
    """An adapter, and the folders of the server that it reads."""

    def __init__(self, adapter: LandAdapter, folder: Path) -> None:
        self.adapter = adapter
        self.inbox, self.outbox, self.done = (folder / name for name in ("inbox", "outbox", "done"))

    async def poll(self) -> Found:
        """What is new, acknowledged."""
        found = await self.adapter.poll(100)
        await self.adapter.acknowledge([one.ack_token for one in found])
        return found

    def put(self, name: bytes | str, content: bytes) -> Path:
        file = self.outbox / os.fsdecode(name)
        file.write_bytes(content)
        return file


@asynccontextmanager
async def opened(folder: Path, faults: Faults | None = None, **settings: object) -> AsyncIterator[Site]:
    async with faulty_server(folder, faults or Faults(), **settings) as values:
        adapter = LandAdapter(values, SystemClock())
        yield Site(adapter, folder / "files")
        await adapter.close()


def receipt(number: int) -> bytes:
    return file_of([Standing(ywh=task(number).task_id, slbh=f"受{number}号", slsj="20260302093000")])


def received(found: Found) -> list[str]:
    """The numbers in the receipts."""
    return [content.reference for one in found if isinstance(content := content_of(one), Receipt)]


def faults_of(found: Found) -> list[str]:
    return [str(one.error) for one in found if isinstance(one, InvalidNotification)]


def folder(outbox: Path) -> None:
    (outbox / "bad.jsonl").mkdir()


def folder_with_content(outbox: Path) -> None:
    (outbox / "bad.jsonl").mkdir()
    (outbox / "bad.jsonl" / "1.jsonl").write_bytes(receipt(3))


def link(outbox: Path) -> None:
    (outbox.parent / "inbox" / "real.jsonl").write_bytes(receipt(3))
    (outbox / "bad.jsonl").symlink_to(outbox.parent / "inbox" / "real.jsonl")


def dangling_link(outbox: Path) -> None:
    (outbox / "bad.jsonl").symlink_to("/nowhere")


def pipe(outbox: Path) -> None:
    os.mkfifo(outbox / "bad.jsonl")


def large_file(outbox: Path) -> None:
    with (outbox / "bad.jsonl").open("wb") as file:
        file.truncate(300_000_000)


def many_lines(outbox: Path) -> None:
    (outbox / "bad.jsonl").write_bytes(receipt(3) * 6)


def no_text(outbox: Path) -> None:
    (outbox / "bad.jsonl").write_bytes(bytes(range(256)) * 4)


@pytest.mark.parametrize(
    ("bad", "fault"),
    [
        (folder, "is a folder"),
        (folder_with_content, "is a folder"),
        (link, "is a symbolic link"),
        (dangling_link, "is a symbolic link"),
        (pipe, "is no file"),
        (large_file, "more than 1 MB"),
        (many_lines, "more than 5 lines"),
        (no_text, "none is valid"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_a_bad_entry_is_one_notification(tmp_path: Path, bad: Callable[[Path], None], fault: str) -> None:
    async with opened(tmp_path, file_mb=1, file_lines=5) as site:
        site.put("a.jsonl", receipt(1))
        bad(site.outbox)
        site.put("z.jsonl", receipt(2))
        found = await site.poll()
        assert received(found) == ["受1号", "受2号"]
        (reason,) = faults_of(found)
        assert "bad.jsonl" in reason
        assert fault in reason
        assert not await site.poll(), "an acknowledged fault is reported again"
        assert not list(site.outbox.iterdir())
        site.put("b.jsonl", receipt(4))
        assert received(await site.poll()) == ["受4号"]


async def test_the_expected_key_counts_whatever_other_keys_the_server_has(tmp_path: Path) -> None:
    async with opened(tmp_path, Faults(other_host_keys=("ssh-rsa", "ecdsa-sha2-nistp256"))) as site:
        site.put("1.jsonl", receipt(1))
        assert received(await site.poll()) == ["受1号"]


@pytest.mark.parametrize("faults", [Faults(modes=0o777), Faults(modes=0), Faults(lists_attributes=False)])
async def test_a_server_that_does_not_list_the_kinds_of_entries_is_read(tmp_path: Path, faults: Faults) -> None:
    async with opened(tmp_path, faults) as site:
        site.put("1.jsonl", receipt(1))
        folder(site.outbox)
        site.put("2.jsonl", receipt(2))
        assert received(await site.poll()) == ["受1号", "受2号"]
        reported: list[str] = []
        for _ in range(module.ATTEMPTS):
            reported += faults_of(await site.poll())
        assert len(reported) == 1 and "bad.jsonl" in reported[0]
        assert not list(site.outbox.iterdir())


async def test_the_beginning_of_a_file_without_a_valid_line_is_kept(tmp_path: Path) -> None:
    async with opened(tmp_path) as site:
        site.put("bad.jsonl", b"nonsense\n" * 20_000)
        (one,) = await site.poll()
        assert isinstance(one, InvalidNotification)
        assert one.error.raw == (b"nonsense\n" * 20_000)[:KEPT_BYTES]


async def test_a_name_in_another_encoding_is_read_as_any_other(tmp_path: Path) -> None:
    async with opened(tmp_path) as site:
        site.put(GBK_NAME + b".jsonl", receipt(1))
        site.put("z.jsonl", receipt(2))
        assert sorted(received(await site.poll())) == ["受1号", "受2号"]
        assert {os.fsencode(file.name) for file in site.done.iterdir()} == {GBK_NAME + b".jsonl", b"z.jsonl"}


async def test_entries_of_other_kinds_are_left_alone_and_logged_once(tmp_path: Path) -> None:
    async with opened(tmp_path) as site:
        site.put(GBK_NAME + b".txt", b"x")
        (site.outbox / "archive").mkdir()
        site.put("1.jsonl.part", receipt(1)[:10])
        site.put("a.jsonl", receipt(1))
        with capture_logs() as logs:
            assert received(await site.poll()) == ["受1号"]
            passing = site.put("2.tmp", b"")
            await site.poll()
            passing.unlink()
            for _ in range(3):
                await site.poll()
        (entry,) = [one for one in logs if "not read" in one["event"]]
        assert (entry["log_level"], entry["entries"]) == ("warning", 2)
        assert entry["first"] == ["archive", "(a name with other characters)"]
        assert len(list(site.outbox.iterdir())) == 3


async def test_a_name_that_may_be_personal_is_kept_and_not_told(tmp_path: Path) -> None:
    async with opened(tmp_path) as site:
        for name in ("张三.jsonl", "11010519491231002X.jsonl"):
            (site.outbox / name).mkdir()
        found = await site.poll()
        assert all("张三" not in reason and "1101" not in reason for reason in faults_of(found))
        kept = sorted(one.error.raw.decode() for one in found if isinstance(one, InvalidNotification))
        assert kept == ["outbox/11010519491231002X.jsonl", "outbox/张三.jsonl"]


async def test_an_unreadable_file_is_one_notification(tmp_path: Path) -> None:
    async with opened(tmp_path, Faults(unreadable={b"a.jsonl"})) as site:
        site.put("a.jsonl", receipt(1))
        site.put("b.jsonl", receipt(2))
        found = await site.poll()
        assert received(found) == ["受2号"]
        assert ["SFTPPermissionDenied" in reason for reason in faults_of(found)] == [True]
        assert (site.done / "a.jsonl.refused").exists()


async def test_a_slow_file_holds_back_no_other(tmp_path: Path) -> None:
    async with opened(tmp_path, Faults(slow={b"a.jsonl"}), file_timeout_s=0.2) as site:
        site.put("a.jsonl", receipt(1) * 1000)
        site.put("b.jsonl", receipt(2))
        found = await site.poll()
        assert received(found) == ["受2号"]
        assert ["within 0.2 s" in reason for reason in faults_of(found)] == [True]
        assert not await site.poll()


async def test_a_file_that_hangs_the_server_is_given_up(tmp_path: Path) -> None:
    """It looks like a connection that hangs, so that it is tried again on another."""
    async with opened(tmp_path, Faults(hanging={b"a.jsonl"}), file_timeout_s=0.2, timeout_s=0.5) as site:
        site.put("a.jsonl", receipt(1))
        site.put("b.jsonl", receipt(2))
        found: list[Notification | InvalidNotification] = []

        async def both() -> bool:
            with suppress(TimeoutError):
                found.extend(await site.poll())
            return len(found) == 2

        await eventually(both)
        assert received(found) == ["受2号"]
        assert ["ONEDOOR_LAND_FILE_TIMEOUT_S" in reason for reason in faults_of(found)] == [True]


async def test_files_that_cannot_be_moved_are_read_once(tmp_path: Path) -> None:
    async with opened(tmp_path) as site:
        site.done.rmdir()
        site.put("a.jsonl", receipt(1))
        (site.outbox / "b.jsonl").mkdir()
        found = [one for _ in range(4) for one in await site.poll()]
        assert received(found) == ["受1号"]
        kept = [one.error.raw for one in found if isinstance(one, InvalidNotification)]
        assert kept == [b"outbox/b.jsonl", b"outbox", b"outbox"], "the same fault twice is one dead letter"
        assert "done/" in faults_of(found)[1]


async def test_a_name_that_is_used_again_replaces_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as site:
        for number in (1, 2, 3):
            site.put("result.jsonl", receipt(number))
            assert received(await site.poll()) == [f"受{number}号"]
        assert sorted(file.read_bytes() for file in site.done.iterdir()) == sorted(map(receipt, (1, 2, 3)))


async def test_more_files_than_are_listed_come_in_portions(tmp_path: Path) -> None:
    async with opened(tmp_path, listed_files=2) as site:
        for number in range(5):
            site.put(f"{number}.jsonl", receipt(number))
            site.put(f"{number}.txt", b"x")
        portions = [received(await site.poll()) for _ in range(3)]
        assert [len(portion) for portion in portions] == [2, 2, 1]
        assert sorted(number for portion in portions for number in portion) == [f"受{number}号" for number in range(5)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
async def test_the_usual_encodings_are_read_and_others_than_utf_8_are_logged(tmp_path: Path, encoding: str) -> None:
    async with opened(tmp_path) as site:
        site.put("a.jsonl", (receipt(1) + receipt(2)).decode().encode(encoding))
        with capture_logs() as logs:
            assert received(await site.poll()) == ["受1号", "受2号"]
        notes = [entry["note"].split(" / ")[0] for entry in logs if "is not in UTF-8" in entry["event"]]
        assert notes == ([] if encoding.startswith("utf-8") else [f"read as {encoding.upper()}"])


async def test_a_file_that_grows_in_done_is_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SETTLE_S", 0.0)
    async with opened(tmp_path) as site:
        with (site.outbox / "a.jsonl").open("wb", buffering=0) as file:
            file.write(receipt(1))
            assert received(await site.poll()) == ["受1号"]
            file.write(receipt(2))
            found = await site.poll()
        assert received(found) == ["受1号", "受2号"]
        (reason,) = faults_of(found)
        assert "written in place" in reason
        assert "ONEDOOR_LAND_SETTLE_S" in reason
        assert not await site.poll()
        assert (site.done / "a.jsonl").read_bytes() == receipt(1) + receipt(2)


@pytest.mark.parametrize("same_second", [False, True])
async def test_a_file_that_is_replaced_while_it_is_processed_is_read_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, same_second: bool
) -> None:
    monkeypatch.setattr(module, "SETTLE_S", 0.0)
    async with opened(tmp_path) as site:
        file = site.put("decided.jsonl", receipt(1))
        if not same_second:
            os.utime(file, (1_000_000, 1_000_000))
        changed_at = file.stat().st_mtime_ns
        first = await site.adapter.poll(100)
        other = site.put("decided.jsonl.part", receipt(2))  # of the same length
        if same_second:
            os.utime(other, ns=(changed_at, changed_at))
        other.rename(file)
        await site.adapter.acknowledge([one.ack_token for one in first])
        found = await site.poll()
        assert (received(first), received(found)) == (["受1号"], ["受2号"])
        (reason,) = faults_of(found)
        assert "a new name" in reason
        assert not await site.poll()


async def test_a_file_that_changed_is_left_alone_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SETTLE_S", 0.3)
    async with opened(tmp_path) as site:
        file = site.put("a.jsonl", receipt(1))
        assert received(await site.adapter.poll(100)) == ["受1号"]  # and is not acknowledged
        file.write_bytes(receipt(1) + receipt(2))
        assert len(faults_of(await site.poll())) == 1
        assert not await site.poll()
        assert file.exists(), "it is not done"
        found: list[str] = []

        async def both() -> bool:
            found.extend(received(await site.poll()))
            return len(found) == 2

        await eventually(both)
        assert not file.exists()


async def test_a_file_that_must_settle_is_read_once_it_is_whole(tmp_path: Path) -> None:
    async with opened(tmp_path, settle_s=0.3, wait_s=10) as site:
        assert await site.adapter.submit([task(3)]) == [Posted()], "it did not wait for an answer"
        with (site.outbox / "a.jsonl").open("wb", buffering=0) as file:
            for number in (1, 2):
                file.write(receipt(number))
                assert not await site.poll()
        found: list[Notification | InvalidNotification] = []

        async def both() -> bool:
            found.extend(await site.poll())
            return len(found) == 2

        await eventually(both)
        assert received(found) == ["受1号", "受2号"]
