"""The land department's files over SFTP: one file for a batch of tasks, one file for its answers.

Both sides write a file as ``.part`` and then rename it, so that a reader sees whole files only. A file that has been
read moves to ``done/`` once all its lines are acknowledged. A task that is delivered again, in another file, is
answered again with the present state.

    inbox/<batch>.jsonl     tasks
    outbox/<batch>.jsonl    the answers to that batch
    outbox/*.jsonl          notifications of the department
    done/                   files that have been read
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
from services.departments.sdk.adapter import Clock, notification, read_reply, unparseable
from services.departments.sdk.core.messages import Answer, Decision, Posted, Receipt
from services.departments.sdk.polling import pauses
from services.runtime.external_system import InvalidNotification, Notification

INBOX, OUTBOX, DONE = "inbox", "outbox", "done"
SUFFIX, PART = ".jsonl", ".part"

CHUNK = 32 * 1024
"""Bytes of one SFTP request, where the server does not allow more."""

CIPHERS = "^aes256-gcm@openssh.com,aes128-gcm@openssh.com"
"""Preferred where the server has them: with AES in the processor they cost half as much as asyncssh's default."""


class Line(NamedTuple):
    """A line of a file in the outbox, for `LandAdapter.acknowledge`."""

    file: str
    number: int


class LandAdapter:
    """Implements `services.departments.sdk.adapter.Adapter`."""

    batch_size = 500

    def __init__(self, settings: LandSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._connection: asyncssh.SSHClientConnection | None = None
        self._sftp: asyncssh.SFTPClient | None = None
        self._connecting = asyncio.Lock()
        self._awaited: set[str] = set()
        """Files in the outbox that a `submit` is waiting for. `poll` leaves them alone."""
        self._unread: dict[str, dict[int, Notification | InvalidNotification]] = {}
        """Files that have been read, with the lines that are not acknowledged yet."""

    async def open(self) -> None:
        """The connection is made when it is needed."""

    async def close(self) -> None:
        await self._drop()

    async def submit(self, tasks: Sequence[TaskRequested]) -> Sequence[Answer | Exception]:
        stamp = self._clock.now().strftime("%Y%m%d%H%M%S")
        name = f"{stamp}-{uuid4().hex}{SUFFIX}"
        content = file_of(application(task) for task in tasks)
        self._awaited.add(name)
        try:
            async with self._session() as sftp:
                await _write(sftp, f"{INBOX}/{name}", content)
                answers = await self._wait_for(sftp, name)
        finally:
            self._awaited.discard(name)
        return [answers.get(task.task_id, Posted()) for task in tasks]

    async def poll(self, limit: int) -> Sequence[Notification | InvalidNotification]:
        async with self._session() as sftp:
            for name in sorted(await sftp.listdir(OUTBOX)):
                if sum(map(len, self._unread.values())) >= limit:
                    break
                if name.endswith(SUFFIX) and name not in self._unread and name not in self._awaited:
                    content = enumerate(await _lines(sftp, name) or ())
                    self._unread[name] = {number: _notification(line, Line(name, number)) for number, line in content}
                    await self._clear(sftp, name)
        lines = [line for lines in self._unread.values() for line in lines.values()]
        return lines[:limit]

    async def acknowledge(self, ack_tokens: Sequence[Any]) -> None:
        async with self._session() as sftp:
            for line in ack_tokens:
                self._unread.get(line.file, {}).pop(line.number, None)
            for name in {line.file for line in ack_tokens}:
                await self._clear(sftp, name)

    async def _wait_for(self, sftp: asyncssh.SFTPClient, name: str) -> dict[str, Answer]:
        """The answers to a batch by task id; empty if they do not come in time, since `poll` reads them later.

        The file counts as read: should this answer be lost, the tasks are submitted again anyway.
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
                task_id, found = _answer(line)
            except ValueError:
                unread[number] = _notification(line, Line(name, number))  # reported by `poll`
            else:
                known[task_id] = found
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
        """The open connection; a new one if it was lost. A connection that fails in use is dropped."""
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
                self._unread.clear()  # another server may answer now: read its files again
            return self._sftp

    async def _drop(self) -> None:
        connection, self._connection, self._sftp = self._connection, None, None
        if connection is not None:
            connection.abort()
            await connection.wait_closed()


async def _write(sftp: asyncssh.SFTPClient, path: str, content: bytes) -> None:
    # One chunk after the other: concurrent requests cost more, and most files are one chunk.
    async with sftp.open(path + PART, "wb", block_size=0) as file:
        chunk = sftp.limits.max_write_len or CHUNK
        for start in range(0, len(content), chunk):
            await file.write(content[start : start + chunk])
    await sftp.posix_rename(path + PART, path)


async def _lines(sftp: asyncssh.SFTPClient, name: str) -> Sequence[bytes] | None:
    """The lines of a file in the outbox; None if it does not exist, or another replica has moved it meanwhile."""
    chunks: list[bytes] = []
    chunk = sftp.limits.max_read_len or CHUNK
    try:
        async with sftp.open(f"{OUTBOX}/{name}", "rb", block_size=0) as file:
            more: bytes = await file.read(chunk)
            while more:
                chunks.append(more)
                more = await file.read(chunk)
    except asyncssh.SFTPNoSuchFile:
        return None
    return lines_of(b"".join(chunks))


def _answer(line: bytes) -> tuple[str, Receipt | Decision]:
    """The task id of a line and the answer in it. Raises `ValueError` for an invalid line."""
    standing = read_reply(Standing, line)
    return standing.ywh, answer(standing)


def _notification(line: bytes, mark: Line) -> Notification | InvalidNotification:
    try:
        return notification(*_answer(line), mark)
    except ValueError as error:
        return InvalidNotification(unparseable(error, line), mark)
