"""The site: a folder of this machine with its lock, and the ports, secrets and keys kept there across restarts."""

import contextlib
import fcntl
import os
import random
import secrets
import socket
from collections.abc import Callable
from pathlib import Path

from deploy.local.failure import PlatformFailed
from services.files import PASSABLE_FOLDER, PRIVATE, complete_file, private_folder

HOST = "127.0.0.1"
"""Everything that is started here listens on this machine only."""


class FolderInUse(PlatformFailed):
    """Another onedoor runs in this folder. Stop it, or choose another folder."""

    def __init__(self, folder: Path, pid: str) -> None:
        super().__init__(
            f"{folder} is in use by process {pid or '(unknown)'}: stop it, or choose another --folder",
            f"{folder} 正被进程 {pid or '（未知）'} 使用：请停止该进程，或另选 --folder",
        )


class FolderLock:
    """Locks a folder for one process. The operating system releases the lock when the process ends, in any way."""

    def __init__(self, folder: Path) -> None:
        if not folder.exists():
            folder.mkdir(parents=True)
            # Where root cannot step down by a namespace, PostgreSQL runs as another account: it passes this folder.
            folder.chmod(PASSABLE_FOLDER)
        self._file = (folder / "lock").open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.seek(0)
            pid = self._file.read().strip()
            self._file.close()
            raise FolderInUse(folder, pid) from None
        self._file.truncate(0)
        self._file.write(f"{os.getpid()}\n")
        self._file.flush()

    def release(self) -> None:
        """Release the folder."""
        self._file.close()


class Site:
    """Implements `LocalSite` in one folder. ``database_url`` gives the address of the database of a name."""

    host = HOST

    def __init__(self, folder: Path, database_url: Callable[[str], str]) -> None:
        self._folder = private_folder(folder)
        self._ports: dict[str, int] = {}
        self.database_url = database_url

    def port(self, name: str) -> int:
        if name not in self._ports:
            self._ports[name] = kept_port(self._folder / f"{name}.port")
        return self._ports[name]

    def secret(self, name: str) -> str:
        return kept_secret(self._folder / name)

    def ssh_key(self, name: str) -> Path:
        key = self._folder / name
        if not key.exists():
            from services.departments.sdk.ssh_keys import ensure_key  # imports asyncssh: half a second, once

            ensure_key(key)
        return key

    def folder(self, name: str) -> Path:
        folder = self._folder / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def kept_secret(file: Path) -> str:
    """The secret in the file, which only its owner can read: 43 random characters, drawn at the first call."""
    if not file.exists():
        with complete_file(file, PRIVATE) as output:
            output.write(secrets.token_urlsafe(32))
    return file.read_text()


def kept_port(file: Path) -> int:
    """The port in the file while it is free, else a new one, written there: addresses survive a restart."""
    with contextlib.suppress(OSError, ValueError):
        port = int(file.read_text())
        if is_free(port):
            return port
    port = free_port()
    file.write_text(f"{port}\n")
    return port


def free_port() -> int:
    """A free port below those of outgoing connections, which could take it while the server restarts.

    A port that this process was given before is not free, although no server may listen there yet.
    """
    last = _first_ephemeral_port() - 1
    while (port := random.randint(10_000, last)) in _GIVEN or not is_free(port):
        pass
    _GIVEN.add(port)
    return port


_GIVEN: set[int] = set()
"""The ports that this process was given."""


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def _first_ephemeral_port() -> int:
    with contextlib.suppress(OSError, ValueError):
        first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
        if first > 12_000:
            return first
    return 32_768
