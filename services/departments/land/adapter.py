"""The land department's files over SFTP: one file a lot to ask, one file a lot to hear.

A file appears under its name in one step: it is written as ``.part`` and then renamed, on both sides. What
has been read moves to ``done/`` once it is acknowledged. A task delivered again, in another file, is answered
again with the present truth.

    inbox/<lot>.jsonl     what we ask
    outbox/<lot>.jsonl    the answer to that lot
    outbox/*.jsonl        what the department says by itself
    done/                 what we have read
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple
from uuid import uuid4

import asyncssh

from contracts.messages.tasks import TaskRequested
from services.departments.land.settings import LandSettings
from services.departments.land.translate import Standing, answer, application, file_of, lines_of
from services.departments.sdk.adapter import Clock, notification, unparseable
from services.departments.sdk.core.messages import Answer, Decision, Posted, Receipt
from services.departments.sdk.polling import pauses
from services.runtime.external_system import InvalidNotification, Notification

INBOX, OUTBOX, DONE = "inbox", "outbox", "done"
SUFFIX, PART = ".jsonl", ".part"

PIECE = 32 * 1024
"""Bytes asked for in one request, where the server does not say that it gives more."""

CIPHERS = "^aes256-gcm@openssh.com,aes128-gcm@openssh.com"
"""Preferred where the server has them: on a processor with AES they cost half as much as the usual first choice."""


class Line(NamedTuple):
    """A line of a file in the outbox: what `LandAdapter.acknowledge` ticks off."""

    file: str
    number: int


class LandAdapter:
    """Speaks to the land department. See `services.departments.sdk.adapter.Adapter` for the promises."""

    batch_size = 500

    def __init__(self, settings: LandSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._connection: asyncssh.SSHClientConnection | None = None
        self._sftp: asyncssh.SFTPClient | None = None
        self._connecting = asyncio.Lock()
        self._awaited: set[str] = set()
        """Files in the outbox that a `submit` is waiting for, and `listen` leaves alone."""
        self._unread: dict[str, dict[int, Notification | InvalidNotification]] = {}
        """Files read, with the lines that have not been acknowledged yet."""

    async def open(self) -> None:
        """Nothing to do: the connection is made when it is needed."""

    async def close(self) -> None:
        await self._drop()

    async def submit(self, tasks: Sequence[TaskRequested]) -> Sequence[Answer | Exception]:
        stamp = self._clock.now().strftime("%Y%m%d%H%M%S")
        name = f"{stamp}-{uuid4().hex}{SUFFIX}"
        content = file_of(application(task) for task in tasks)
        self._awaited.add(name)
        try:
            async with self._session() as sftp:
                await _put(sftp, f"{INBOX}/{name}", content)
                answered = await self._await(sftp, name)
        finally:
            self._awaited.discard(name)
        return [answered.get(task.task_id, Posted()) for task in tasks]

    async def poll(self, limit: int) -> Sequence[Notification | InvalidNotification]:
        async with self._session() as sftp:
            for name in sorted(await sftp.listdir(OUTBOX)):
                if sum(map(len, self._unread.values())) >= limit:
                    break
                if name.endswith(SUFFIX) and name not in self._unread and name not in self._awaited:
                    content = enumerate(await _lines(sftp, name) or ())
                    self._unread[name] = {number: _heard(line, Line(name, number)) for number, line in content}
                    await self._clear(sftp, name)
        lines = [line for lines in self._unread.values() for line in lines.values()]
        return lines[:limit]

    async def acknowledge(self, receipts: Sequence[Any]) -> None:
        async with self._session() as sftp:
            for line in receipts:
                self._unread.get(line.file, {}).pop(line.number, None)
            for name in {line.file for line in receipts}:
                await self._clear(sftp, name)

    async def _await(self, sftp: asyncssh.SFTPClient, name: str) -> dict[str, Answer]:
        """The answer to a lot, by task; nothing of what has not come in time: `listen` will hear that.

        The file counts as read here: should the answer be lost, the question is put again anyway.
        """
        for pause in pauses(self._settings.wait_s):
            await asyncio.sleep(pause)
            if (lines := await _lines(sftp, name)) is not None:
                return await self._answers(sftp, name, lines)
        return {}

    async def _answers(self, sftp: asyncssh.SFTPClient, name: str, lines: Sequence[bytes]) -> dict[str, Answer]:
        known: dict[str, Answer] = {}
        unread = self._unread[name] = {}
        for number, line in enumerate(lines):
            try:
                task_id, said = _said(line)
            except ValueError:
                unread[number] = _heard(line, Line(name, number))  # for `listen` to report
            else:
                known[task_id] = said
        await self._clear(sftp, name)
        return known

    async def _clear(self, sftp: asyncssh.SFTPClient, name: str) -> None:
        """Move a file away once nothing in it is left to acknowledge."""
        if name in self._unread and not self._unread[name]:
            del self._unread[name]
            with suppress(asyncssh.SFTPNoSuchFile):  # another replica has read it too
                await sftp.posix_rename(f"{OUTBOX}/{name}", f"{DONE}/{name}")

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[asyncssh.SFTPClient]:
        """The open connection, made anew if it was lost. One that failed in use is not used again."""
        try:
            async with asyncio.timeout(self._settings.timeout_s + self._settings.wait_s):
                yield await self._connected()
        except (OSError, asyncssh.Error):
            await self._drop()
            raise

    async def _connected(self) -> asyncssh.SFTPClient:
        async with self._connecting:
            if self._sftp is None:
                self._connection = await asyncssh.connect(
                    self._settings.host,
                    self._settings.port,
                    username=self._settings.user,
                    client_keys=[str(self._settings.key)],
                    known_hosts=([asyncssh.read_public_key(self._settings.host_key)], [], []),
                    config=None,
                    agent_path=None,
                    encryption_algs=CIPHERS,
                    compression_algs=None,
                    connect_timeout=self._settings.timeout_s,
                    keepalive_interval=self._settings.timeout_s,
                )
                self._sftp = await self._connection.start_sftp_client()
                self._unread.clear()  # another server may be answering by now: read what is there
            return self._sftp

    async def _drop(self) -> None:
        connection, self._connection, self._sftp = self._connection, None, None
        if connection is not None:
            connection.abort()
            await connection.wait_closed()


async def _put(sftp: asyncssh.SFTPClient, path: str, content: bytes) -> None:
    # One piece after the other: sending several at a time costs more than sending the one that there usually is.
    async with sftp.open(path + PART, "wb", block_size=0) as file:
        piece = sftp.limits.max_write_len or PIECE
        for start in range(0, len(content), piece):
            await file.write(content[start : start + piece])
    await sftp.posix_rename(path + PART, path)


async def _lines(sftp: asyncssh.SFTPClient, name: str) -> Sequence[bytes] | None:
    """The lines of a file in the outbox; None if it is not there, or another replica has moved it away meanwhile."""
    pieces: list[bytes] = []
    piece = sftp.limits.max_read_len or PIECE
    try:
        async with sftp.open(f"{OUTBOX}/{name}", "rb", block_size=0) as file:
            more: bytes = await file.read(piece)
            while more:
                pieces.append(more)
                more = await file.read(piece)
    except asyncssh.SFTPNoSuchFile:
        return None
    return lines_of(b"".join(pieces))


def _said(line: bytes) -> tuple[str, Receipt | Decision]:
    """The task a line speaks of and what it says. Raises `ValueError` when it cannot be understood."""
    standing = Standing.model_validate_json(line)
    return standing.ywh, answer(standing)


def _heard(line: bytes, mark: Line) -> Notification | InvalidNotification:
    try:
        return notification(*_said(line), mark)
    except ValueError as error:
        return InvalidNotification(unparseable(error, line), mark)
