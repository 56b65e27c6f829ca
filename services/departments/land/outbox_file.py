"""One file of the outbox: reading it within the limits of the settings, and the notifications in it."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from typing import NamedTuple

import asyncssh
import structlog

from contracts.bilingual import BilingualError
from services.departments.land.connection import TooLarge, read_whole, readable, shown
from services.departments.land.settings import LandSettings
from services.departments.land.translate import Standing, answer, lines_of
from services.departments.sdk.adapter import notification, read_reply, unparseable
from services.departments.sdk.core.messages import Decision, Receipt
from services.runtime.external_system import InvalidNotification, Notification, UnparseableReply
from services.runtime.files.encoding import InvalidFile, read_text

log = structlog.get_logger(__name__)

OUTBOX = b"outbox"

ABOUT_FILE, ABOUT_CHANGE = -1, -2
"""The numbers of a `Line` that stands for its file as a whole, and for a change of it."""

PARSED_TOGETHER = 1000
"""Lines that are parsed before other work of the process gets its turn."""

_KINDS = {
    asyncssh.FILEXFER_TYPE_DIRECTORY: ("a folder", "文件夹"),
    asyncssh.FILEXFER_TYPE_SYMLINK: ("a symbolic link", "符号链接"),
}
_READ = {asyncssh.FILEXFER_TYPE_REGULAR, asyncssh.FILEXFER_TYPE_UNKNOWN}

PUT_BACK = "and put it into outbox/ again: it moves to done/, with the ending .refused"
PUT_BACK_ZH = "再放回 outbox/：文件已移到 done/，名称以 .refused 结尾"

Notifications = dict[int, Notification | InvalidNotification]
"""By the number of the line."""

Answered = tuple[int, str, Receipt | Decision]
"""The number of a line, the task it is about, and the answer in it."""


class Line(NamedTuple):
    """A line of a file: the ack token of its notification."""

    file: bytes
    number: int


class Version(NamedTuple):
    """A change of size or time means that the content has changed. None: not known."""

    size: int | None
    changed_at: int | None

    def same(self, other: "Version") -> bool:
        return all(None in pair or pair[0] == pair[1] for pair in zip(self, other, strict=True))


class Entry(NamedTuple):
    """A file as the folder lists it. ``kind`` is a constant of asyncssh, ``FILEXFER_TYPE_*``."""

    name: bytes
    version: Version
    kind: int


class Unusable(BilingualError):
    """A file cannot be taken. The text says why, and what to do."""


def about(name: bytes, fault: Unusable, number: int = ABOUT_FILE) -> InvalidNotification:
    """The notification that something is wrong with a file as a whole. It keeps the name."""
    raw = f"{OUTBOX.decode()}/{readable(name)}".encode()
    return InvalidNotification(_reply(name, fault.en, fault.zh, raw), Line(name, number))


def _reply(name: bytes, en: str, zh: str, raw: bytes) -> UnparseableReply:
    return UnparseableReply(f"outbox/{shown(name)} {en}", f"outbox/{shown(name)} {zh}", raw)


async def content_of(sftp: asyncssh.SFTPClient, name: bytes, settings: LandSettings) -> bytes:
    """The content of a file. Raises `Unusable` if it is too large, and `asyncssh.SFTPError`."""
    try:
        return await read_whole(sftp, OUTBOX + b"/" + name, settings.file_bytes)
    except TooLarge:
        raise _too_large(settings) from None


async def notifications_of(
    sftp: asyncssh.SFTPClient, entry: Entry, settings: LandSettings
) -> tuple[Notifications, bytes]:
    """The notifications in a file, and the digest of its content.

    Raises `Unusable`, `asyncssh.SFTPError`, and `TimeoutError` if it takes too long.
    """
    name, version, kind = entry
    if kind not in _READ:
        en, zh = _KINDS.get(kind, ("no file", "非普通文件"))
        raise Unusable(f"is {en}, which is not read. Put a file in its place", f"是{zh}，不予读取。请换成文件")
    if version.size is not None and version.size > settings.file_bytes:
        raise _too_large(settings)
    async with asyncio.timeout(settings.file_timeout_s):
        content = await content_of(sftp, name, settings)
    valid, found = await parsed(name, content, settings)
    found |= {one[0]: notification_of(name, one) for one in valid}
    return dict(sorted(found.items())), digest_of(content)


def digest_of(content: bytes) -> bytes:
    """Equal for equal contents alone."""
    return sha256(content).digest()


def notification_of(name: bytes, answered: Answered) -> Notification | InvalidNotification:
    """The notification of a valid line."""
    number, task_id, one = answered
    try:
        return notification(task_id, one, Line(name, number))
    except ValueError as error:
        return InvalidNotification(unparseable(error, one.model_dump_json().encode()), Line(name, number))


async def parsed(name: bytes, content: bytes, settings: LandSettings) -> tuple[Sequence[Answered], Notifications]:
    """The answers in the valid lines, and a notification of each other line.

    A file of several lines without a valid one is one notification. Raises `Unusable` if there are too many lines.
    """
    if content.count(b"\n") > settings.file_lines:
        raise Unusable(
            f"has more than {settings.file_lines} lines. Divide it or set ONEDOOR_LAND_FILE_LINES, {PUT_BACK}",
            f"超过 {settings.file_lines} 行。请拆分或设置 ONEDOOR_LAND_FILE_LINES，{PUT_BACK_ZH}",
        )
    with suppress(InvalidFile):  # its lines are judged one by one
        if note := read_text(content).note:
            log.warning("a file of land's outbox is not in UTF-8", file=shown(name), note=note)
    valid: list[Answered] = []
    invalid: Notifications = {}
    first: ValueError | None = None
    for number, line in enumerate(lines_of(content)):
        try:
            standing = read_reply(Standing, line)
            valid.append((number, standing.ywh, answer(standing)))
        except ValueError as error:
            first = first or error
            invalid[number] = InvalidNotification(unparseable(error, line), Line(name, number))
        if number % PARSED_TOGETHER == PARSED_TOGETHER - 1:
            await asyncio.sleep(0)
    if first is not None and not valid and len(invalid) > 1:
        of_first = unparseable(first, b"")
        en = f"has {len(invalid)} lines, and none is valid. The first: {of_first.en}"
        reply = _reply(name, en, f"有 {len(invalid)} 行，没有一行有效。第一行：{of_first.zh}", content)
        return (), {ABOUT_FILE: InvalidNotification(reply, Line(name, ABOUT_FILE))}
    return valid, invalid


def _too_large(settings: LandSettings) -> Unusable:
    return Unusable(
        f"has more than {settings.file_mb} MB. Divide it or set ONEDOOR_LAND_FILE_MB, {PUT_BACK}",
        f"超过 {settings.file_mb} MB。请拆分或设置 ONEDOOR_LAND_FILE_MB，{PUT_BACK_ZH}",
    )
