"""The connection to the land department's SFTP server, and the operations on its files that need more than one request.

Only the base protocol is needed (draft-ietf-secsh-filexfer-02). Extensions are used where the server has them.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from typing import cast

import asyncssh

from services.departments.land.settings import LandSettings

CHUNK = 32 * 1024
"""Bytes of one SFTP request, where the server does not allow more."""

CIPHERS = "^aes256-gcm@openssh.com,aes128-gcm@openssh.com"
"""Preferred where the server has them: with AES in the processor they cost half as much as asyncssh's default."""

CONNECTION_ERRORS = (asyncssh.SFTPNoConnection, asyncssh.SFTPConnectionLost, asyncssh.SFTPBadMessage)
"""Errors of SFTP after which the connection is of no use. All others are about one file or folder."""

REMOVE_S = 1.0
"""Seconds in which the rest of a failed delivery is removed."""

_PLAIN_NAME = re.compile(rb"(?!.*\d{15})[A-Za-z0-9._-]{1,120}")


class TooLarge(Exception):
    """A file is larger than the limit."""


class Connection:
    """One connection for all requests; a new one when it was lost. ``connected`` is called for each new one."""

    def __init__(self, settings: LandSettings, connected: Callable[[], None]) -> None:
        self._settings = settings
        self._connected = connected
        self._connection: asyncssh.SSHClientConnection | None = None
        self._sftp: asyncssh.SFTPClient | None = None
        self._connecting = asyncio.Lock()

    async def close(self) -> None:
        await self._drop()

    @asynccontextmanager
    async def session(self, seconds: float) -> AsyncIterator[asyncssh.SFTPClient]:
        """The open connection, for so many seconds. One that fails or does not answer in time is dropped."""
        try:
            async with asyncio.timeout(seconds):
                yield await self._open()
        except (OSError, asyncssh.Error) as error:
            if not isinstance(error, asyncssh.SFTPError) or isinstance(error, CONNECTION_ERRORS):
                await self._drop()
            raise

    async def _open(self) -> asyncssh.SFTPClient:
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
                self._connected()
            return self._sftp

    async def _drop(self) -> None:
        connection, self._connection, self._sftp = self._connection, None, None
        if connection is not None:
            connection.abort()
            await connection.wait_closed()


async def write_whole(sftp: asyncssh.SFTPClient, path: bytes, part: bytes, content: bytes) -> None:
    """Write a file as ``part`` and rename it. Of a failed attempt nothing is left, as far as the server can be reached.

    The name must be new: without the extension ``posix-rename`` a file is never replaced.
    """
    try:
        # One chunk after the other: concurrent requests cost more, and most files are one chunk.
        async with sftp.open(part, "wb", block_size=0) as file:
            chunk = sftp.limits.max_write_len or CHUNK
            for start in range(0, len(content), chunk):
                await file.write(content[start : start + chunk])
        await _rename(sftp, part, path)
    except BaseException:
        with suppress(OSError, asyncssh.Error):
            async with asyncio.timeout(REMOVE_S):
                await sftp.remove(part)
        raise


async def _rename(sftp: asyncssh.SFTPClient, source: bytes, target: bytes) -> None:
    try:
        await sftp.posix_rename(source, target)
    except asyncssh.SFTPOpUnsupported:
        await sftp.rename(source, target)


async def read_whole(sftp: asyncssh.SFTPClient, path: bytes, most_bytes: int) -> bytes:
    """The content of a file. Raises `TooLarge` for more than ``most_bytes``, of which no more is read."""
    chunks: list[bytes] = []
    size, chunk = 0, sftp.limits.max_read_len or CHUNK
    async with sftp.open(path, "rb", block_size=0) as file:
        while more := await file.read(chunk):
            chunks.append(cast(bytes, more))
            size += len(more)
            if size > most_bytes:
                raise TooLarge
    return b"".join(chunks)


async def entries(sftp: asyncssh.SFTPClient, folder: bytes) -> AsyncGenerator[tuple[bytes, asyncssh.SFTPAttrs], None]:
    """Name and attributes of the entries of a folder, in no order. Close it where it is not read to its end."""
    async with aclosing(cast(AsyncGenerator[asyncssh.SFTPName, None], sftp.scandir(folder))) as found:
        async for one in found:
            yield cast(bytes, one.filename), one.attrs


def shown(name: bytes) -> str:
    """A file name for logs and errors. One that might name a person is not shown."""
    return name.decode() if _PLAIN_NAME.fullmatch(name) else "(a name with other characters)"


def readable(name: bytes) -> str:
    """A file name in the encoding in which it was probably written."""
    for encoding in ("utf-8", "gb18030"):
        with suppress(UnicodeDecodeError):
            return name.decode(encoding)
    return name.decode("ascii", "backslashreplace")
