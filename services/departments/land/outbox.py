"""The files of the outbox. Each is taken by itself: one that cannot be taken holds back no other.

A file is listed, taken (read whole, within the limits of the settings), and moved to ``done/`` once all its lines are
acknowledged. One that cannot be taken becomes one invalid notification, and moves to ``done/`` with the ending
`REFUSED`. One that cannot be moved stays, is reported, and is not taken again until it changes.
"""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from uuid import uuid4

import asyncssh
import structlog

from services.departments.land.connection import CONNECTION_ERRORS, TooLarge, entries, read_whole, shown
from services.departments.land.outbox_file import (
    ABOUT_CHANGE,
    ABOUT_FILE,
    OUTBOX,
    PUT_BACK,
    PUT_BACK_ZH,
    Entry,
    Line,
    Notifications,
    Unusable,
    Version,
    about,
    content_of,
    digest_of,
    notification_of,
    notifications_of,
    parsed,
)
from services.departments.land.settings import LandSettings
from services.departments.sdk.adapter import merge
from services.departments.sdk.core.messages import Decision, Receipt
from services.runtime.external_system import InvalidNotification, Notification, UnparseableReply

DONE = b"done"
SUFFIX, PART, REFUSED = b".jsonl", b".part", b".refused"

ATTEMPTS = 3
"""Attempts to read a file before it is refused, where the fault may be another one than the file's."""

CHANGE_CHECKS_S = (0.0, 60.0)
"""Machine seconds after which a file in ``done/`` is looked at again: one that has changed is not what was
read."""

SETTLE_S = 10.0
"""Machine seconds for which a file that has changed after it was read must be unchanged before it is read again."""

CHECKED_TOGETHER = 100
"""The most files that one poll looks at again."""

SHOWN_NAMES = 5

_WRITTEN_IN_PLACE = Unusable(
    "has changed after it was read, and is read again: it is written in place, or replaced by another. Have each file"
    " written as .part and then renamed to a new name, or set ONEDOOR_LAND_SETTLE_S to longer than the writer pauses",
    "读取后又有变化，已重新读取：文件是就地写入的，或被另一文件替换。请将每个文件先写为 .part 再改为新的文件名，"
    "或将 ONEDOOR_LAND_SETTLE_S 设得长于写入的停顿",
)

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _File:
    """A file that has been taken, or cannot be."""

    version: Version
    unread: Notifications
    """The notifications that are not acknowledged yet."""
    digest: bytes | None = None
    """Of the content, where the time of the file does not show that it is whole: it was read within the same second."""
    refused: bool = False
    stays: bool = False
    """Whether it could not be moved to ``done/``."""


@dataclass(slots=True)
class _Moved:
    """A file in ``done/`` that may be another than was read: it still grows, or another came under its name before it
    was moved. ``name`` is its name in ``outbox/``."""

    name: bytes
    version: Version
    digest: bytes | None
    at: float
    checks: int = 0


class Outbox:
    """The files of the outbox, as far as this process has to do with them."""

    def __init__(self, settings: LandSettings) -> None:
        self._settings = settings
        self._files: dict[bytes, _File] = {}
        self._listed_at: int | None = None
        """The second in which the folder had last changed when it was listed, by the server's clock."""
        self._unsettled: dict[bytes, tuple[Version, float]] = {}
        """Files that may still be written, and since when they have not changed."""
        self._changed: set[bytes] = set()
        """Files that have changed after they were read, and have not been read again."""
        self._breaches: dict[bytes, InvalidNotification] = {}
        """The notifications that files have changed, which are not acknowledged yet."""
        self._attempts: dict[bytes, int] = {}
        """How often the reading of a file has been begun without an end."""
        self._moved: dict[bytes, _Moved] = {}
        self._foreign: dict[bytes, bool] = {}
        """Entries that are not for onedoor, and whether that has been logged."""

    def connected(self) -> None:
        """Another server may answer now: take its files again."""
        self._files = {name: file for name, file in self._files.items() if file.refused or not file.unread}

    async def unread(
        self, sftp: asyncssh.SFTPClient, limit: int, awaited: Collection[bytes]
    ) -> Sequence[Notification | InvalidNotification]:
        """At most ``limit`` notifications that are not acknowledged. Files that are ``awaited`` are left alone."""
        ends = time.monotonic() + self._settings.timeout_s / 2
        await self._check_moved(sftp)
        if self._count() < limit:
            for entry in await self._new(sftp, awaited):
                await self._take(sftp, entry)
                if self._count() >= limit or time.monotonic() > ends:
                    break
        return [*self._breaches.values(), *(one for file in self._files.values() for one in file.unread.values())][
            :limit
        ]

    async def answers(self, sftp: asyncssh.SFTPClient, name: bytes) -> Mapping[str, Receipt | Decision] | None:
        """The answers in a file by task id; they count as acknowledged.

        Lines that are invalid, or contradict an earlier one, do not. None if the file does not exist, or cannot be
        taken. `unread` reports all of them.
        """
        try:
            content = await content_of(sftp, name, self._settings)
            valid, invalid = await parsed(name, content, self._settings)
        except CONNECTION_ERRORS:
            raise
        except (asyncssh.SFTPError, Unusable):
            return None
        known: dict[str, Receipt | Decision] = {}
        contradicting = [one for one in valid if not merge(known, one[1], one[2])]
        unread = invalid | {one[0]: notification_of(name, one) for one in contradicting}
        self._files[name] = _File(Version(len(content), None), unread)
        await self._clear(sftp, name)
        return known

    async def acknowledge(self, sftp: asyncssh.SFTPClient, lines: Sequence[Line]) -> None:
        """Note that these have been processed."""
        for line in lines:
            if line.number == ABOUT_CHANGE:
                self._breaches.pop(line.file, None)
            elif (file := self._files.get(line.file)) is not None:
                file.unread.pop(line.number, None)
        for name in {line.file for line in lines}:
            await self._clear(sftp, name)

    def _count(self) -> int:
        return sum(len(file.unread) for file in self._files.values())

    async def _new(self, sftp: asyncssh.SFTPClient, awaited: Collection[bytes]) -> Sequence[Entry]:
        """The files that can be taken now, in the order of their names."""
        new: list[Entry] = []
        listed: set[bytes] = set()
        foreign: set[bytes] = set()
        most = self._settings.listed_files
        self._listed_at = None
        async with aclosing(entries(sftp, OUTBOX)) as found:
            async for name, attributes in found:
                version = Version(attributes.size, attributes.mtime)
                if name == b".":
                    self._listed_at = attributes.mtime
                if not name.endswith(SUFFIX) or b"/" in name:
                    if name not in (b".", b"..") and not name.endswith(PART) and len(foreign) < most:
                        foreign.add(name)
                    continue
                if name not in awaited and not self._is_known(name, version) and self._is_settled(name, version):
                    new.append(Entry(name, version, attributes.type))
                if any(name in known for known in (self._files, self._unsettled, self._attempts, self._changed)):
                    listed.add(name)
                if len(new) == most:
                    break
            else:
                self._forget_all_but(listed)
        self._report_foreign(foreign)
        return sorted(new)

    def _is_known(self, name: bytes, version: Version) -> bool:
        file = self._files.get(name)
        if file is None or file.version.same(version):
            return file is not None
        if not file.refused:
            self._note_change(name)
        return False

    def _note_change(self, name: bytes) -> None:
        if name not in self._changed:
            self._changed.add(name)
            self._breaches[name] = about(name, _WRITTEN_IN_PLACE, ABOUT_CHANGE)

    def _is_settled(self, name: bytes, version: Version) -> bool:
        """Whether a file has not changed for long enough."""
        settle_s = max(self._settings.settle_s, SETTLE_S if name in self._changed else 0.0)
        if not settle_s:
            return True
        now = time.monotonic()
        known, since = self._unsettled.get(name, (None, now))
        if known != version:
            self._unsettled[name] = version, now
            return False
        return now - since >= settle_s

    def _forget_all_but(self, listed: Collection[bytes]) -> None:
        """Forget files that are no longer there, and of which nothing is left to acknowledge."""
        self._files = {name: file for name, file in self._files.items() if file.unread or name in listed}
        self._unsettled = {name: since for name, since in self._unsettled.items() if name in listed}
        self._attempts = {name: count for name, count in self._attempts.items() if name in listed}
        self._changed = {name for name in self._changed if name in listed}

    def _report_foreign(self, names: Collection[bytes]) -> None:
        """Log once that entries are not read, if they were there before, too: others are on their way."""
        new = sorted(name for name in names if self._foreign.get(name) is False)
        self._foreign = {name: name in self._foreign for name in names}
        if new:
            log.warning(
                "entries of outbox/ are not read, since their names do not end in .jsonl: remove them, or have them"
                " written under such a name",
                entries=len(new),
                first=[shown(name) for name in new[:SHOWN_NAMES]],
            )

    async def _take(self, sftp: asyncssh.SFTPClient, entry: Entry) -> None:
        name, version, _ = entry
        # Counted before it is read: where the server does not answer at all, the whole poll is cancelled.
        attempts = self._attempts[name] = self._attempts.get(name, 0) + 1
        limit = f"{self._settings.file_timeout_s:g}"
        too_slow = Unusable(
            f"is not read within {limit} s. Divide it or set ONEDOOR_LAND_FILE_TIMEOUT_S, {PUT_BACK}",
            f"{limit} 秒内未能读完。请拆分或设置 ONEDOOR_LAND_FILE_TIMEOUT_S，{PUT_BACK_ZH}",
        )
        try:
            if attempts > ATTEMPTS:
                raise too_slow
            found, digest = await notifications_of(sftp, entry, self._settings)
            self._files[name] = _File(version, found, digest if self._is_of_this_second(version) else None)
        except CONNECTION_ERRORS:
            raise
        except asyncssh.SFTPNoSuchFile:
            return  # another replica has moved it meanwhile
        except Unusable as fault:
            self._refuse(entry, fault)
        except asyncssh.SFTPError as error:
            if attempts < ATTEMPTS and not isinstance(error, asyncssh.SFTPPermissionDenied):
                return
            kind = type(error).__name__
            unreadable = Unusable(
                f"cannot be read ({kind}). Allow the platform's user to, {PUT_BACK}",
                f"无法读取（{kind}）。请授权平台的用户读取，{PUT_BACK_ZH}",
            )
            self._refuse(entry, unreadable)
        except TimeoutError:
            if not await self._is_alive(sftp):
                raise
            self._refuse(entry, too_slow)
        self._unsettled.pop(name, None)
        self._attempts.pop(name, None)
        self._changed.discard(name)
        await self._clear(sftp, name)

    def _is_of_this_second(self, version: Version) -> bool:
        """Whether another file that comes now may have the time of this one. Servers have whole seconds."""
        if version.changed_at is None or self._listed_at is None:
            return True
        return version.changed_at >= self._listed_at - 1

    def _refuse(self, entry: Entry, fault: Unusable) -> None:
        self._files[entry.name] = _File(entry.version, {ABOUT_FILE: about(entry.name, fault)}, refused=True)

    async def _is_alive(self, sftp: asyncssh.SFTPClient) -> bool:
        """Whether the server answers a simple request."""
        try:
            async with asyncio.timeout(self._settings.timeout_s / 4):
                await sftp.lstat(OUTBOX)
        except (OSError, asyncssh.Error):
            return False
        return True

    async def _clear(self, sftp: asyncssh.SFTPClient, name: bytes) -> None:
        """Move a file away once nothing in it is left to acknowledge."""
        file = self._files.get(name)
        if file is None or file.unread or name in self._changed:
            return
        source, ending = _in(OUTBOX, name), REFUSED if file.refused else b""
        for target in (name + ending, name + b"." + uuid4().hex.encode() + ending):  # the first may be taken already
            try:
                await sftp.rename(source, _in(DONE, target))
            except CONNECTION_ERRORS:
                raise
            except asyncssh.SFTPError as error:
                fault = type(error).__name__
            else:
                self._files.pop(name, None)
                if not file.refused and len(self._moved) < self._settings.listed_files:
                    self._moved[target] = _Moved(name, file.version, file.digest, time.monotonic())
                return
        if not await sftp.lexists(source):
            self._files.pop(name, None)  # another replica has moved it
        elif not file.stays:
            file.stays = True
            reply = UnparseableReply(
                f"files of outbox/ cannot be moved to done/ ({fault}). Allow the platform's user to write both folders",
                f"outbox/ 中的文件无法移到 done/（{fault}）。请授权平台的用户写入这两个文件夹",
                OUTBOX,
            )
            file.unread[ABOUT_FILE] = InvalidNotification(reply, Line(name, ABOUT_FILE))

    async def _check_moved(self, sftp: asyncssh.SFTPClient) -> None:
        """Put files back that have changed since they were read."""
        now = time.monotonic()
        due = [target for target, moved in self._moved.items() if moved.at + CHANGE_CHECKS_S[moved.checks] <= now]
        await asyncio.gather(*(self._check_change(sftp, target) for target in due[:CHECKED_TOGETHER]))

    async def _check_change(self, sftp: asyncssh.SFTPClient, target: bytes) -> None:
        moved = self._moved.pop(target)
        try:
            if not await self._is_same(sftp, _in(DONE, target), moved):
                await sftp.rename(_in(DONE, target), _in(OUTBOX, moved.name))
                self._note_change(moved.name)
                return
        except CONNECTION_ERRORS:
            raise
        except asyncssh.SFTPNoSuchFile:
            return
        except asyncssh.SFTPError as error:
            log.warning(
                "a file has changed after it was read, and cannot be put back into outbox/: do it by hand",
                file=f"done/{shown(target)}",
                error=type(error).__name__,
            )
            return
        moved.checks += 1
        if moved.checks < len(CHANGE_CHECKS_S):
            self._moved[target] = moved

    async def _is_same(self, sftp: asyncssh.SFTPClient, path: bytes, moved: _Moved) -> bool:
        """Whether a file is the one that was read: by its size and time, or once by its content if these may lie."""
        attributes = await sftp.lstat(path)
        if not moved.version.same(Version(attributes.size, attributes.mtime)):
            return False
        digest, moved.digest = moved.digest, None
        if digest is None:
            return True
        try:
            return digest_of(await read_whole(sftp, path, self._settings.file_bytes)) == digest
        except TooLarge:
            return False


def _in(folder: bytes, name: bytes) -> bytes:
    return folder + b"/" + name
