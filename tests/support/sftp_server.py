"""An SFTP server under the test's control, without a department behind it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh

from services.departments.land.settings import LandSettings
from services.departments.sdk.ssh_keys import ensure_key


@dataclass
class Faults:
    """What the server does wrong. Names are those of files."""

    renames_over: bool = True
    """Whether it has the extension ``posix-rename``."""
    renames: bool = True
    unreadable: set[bytes] = field(default_factory=set)
    slow: set[bytes] = field(default_factory=set)
    """These are read byte by byte."""
    modes: int | None = None
    """The bits of permissions that it lists, of which the highest name the kind of an entry. None: all."""
    lists_attributes: bool = True
    other_host_keys: tuple[str, ...] = ()
    """The algorithms of further keys, which it offers before the one that is expected."""
    hanging: set[bytes] = field(default_factory=set)
    """After a request to read one of these the connection does not answer at all."""


class FaultyServer(asyncssh.SFTPServer):
    """Serves a folder, with faults."""

    def __init__(self, channel: asyncssh.SSHServerChannel[bytes], folder: Path, faults: Faults) -> None:
        super().__init__(channel, chroot=str(folder).encode())
        self._faults = faults
        self._hangs = False

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        name = path.rpartition(b"/")[2]
        if name in self._faults.unreadable:
            raise asyncssh.SFTPPermissionDenied("not yours")
        file = super().open(path, pflags, attrs)
        return (file, name)

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        async for one in super().scandir(path):
            if self._faults.modes is not None and one.attrs.permissions is not None:
                one.attrs.type = asyncssh.FILEXFER_TYPE_UNKNOWN
                one.attrs.permissions &= self._faults.modes
            yield one if self._faults.lists_attributes else asyncssh.SFTPName(one.filename)

    async def read(self, file_obj: Any, offset: int, size: int) -> bytes:
        file, name = file_obj
        self._hangs = self._hangs or name in self._faults.hanging
        await self._answering()
        return bytes(await _result(super().read(file, offset, 1 if name in self._faults.slow else size)))

    async def write(self, file_obj: Any, offset: int, data: bytes) -> int:
        return int(await _result(super().write(file_obj[0], offset, data)))

    async def close(self, file_obj: Any) -> None:
        await self._answering()
        await _result(super().close(file_obj[0]))

    async def lstat(self, path: bytes) -> Any:
        await self._answering()
        return await _result(super().lstat(path))

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        if not self._faults.renames_over:
            raise asyncssh.SFTPOpUnsupported("no such extension")
        self.rename(oldpath, newpath)

    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        if not self._faults.renames:
            raise asyncssh.SFTPFailure("no")
        super().rename(oldpath, newpath)

    async def _answering(self) -> None:
        if self._hangs:
            await asyncio.Event().wait()


class _OpenServer(asyncssh.SSHServer):
    def begin_auth(self, username: str) -> bool:
        return False


@asynccontextmanager
async def faulty_server(folder: Path, faults: Faults, **settings: Any) -> AsyncIterator[LandSettings]:
    """A server of ``folder/files`` with the three folders of the exchange. Gives the settings of an adapter for it."""
    for name in ("inbox", "outbox", "done"):
        (folder / "files" / name).mkdir(parents=True)
    key, host_key = folder / "key", folder / "host_key"
    public = ensure_key(host_key)
    ensure_key(key)
    connections: set[asyncssh.SSHServerConnection] = set()
    server = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_factory=_OpenServer,
        server_host_keys=[*map(asyncssh.generate_private_key, faults.other_host_keys), str(host_key)],
        config=None,
        acceptor=connections.add,
        sftp_factory=lambda channel: FaultyServer(channel, folder / "files", faults),
    )
    try:
        yield LandSettings(
            port=server.get_port(), key=key, host_key=public, **{"wait_s": 0, "timeout_s": 5, **settings}
        )
    finally:
        server.close()
        for connection in connections:
            connection.abort()
        await server.wait_closed()


async def _result(answer: Any) -> Any:
    return await answer if asyncio.iscoroutine(answer) else answer
