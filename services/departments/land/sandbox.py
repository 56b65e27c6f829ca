"""The sandbox of the land department's system: an SFTP server, and a worker on its folders.

Its one user logs in by key and sees the three folders of the exchange and nothing else.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncssh
import structlog
from pydantic import Field

from contracts.messages.plans import Outcome
from services.departments.land.translate import DENIED, GRANTED, Application, Standing, digits, file_of, lines_of
from services.departments.sandbox.backend import SandboxBackend
from services.departments.sandbox.behaviour import Mistake
from services.departments.sandbox.ledger import LedgerEntry
from services.departments.sandbox.loop import working
from services.departments.sandbox.settings import SandboxSettings
from services.departments.sdk.adapter import Clock
from services.departments.sdk.ssh_keys import ensure_key

BATCH_SIZE = 1000
"""The most decisions in one file."""

NONSENSE = "乱码\n".encode("gb18030")

log = structlog.get_logger(__name__)


class LandSandboxSettings(SandboxSettings):
    """Settings of the sandbox."""

    host: str = Field("127.0.0.1", description="Address the SFTP server listens on.")
    port: int = Field(2222, ge=0, le=65535, description="Port of the SFTP server; 0 for any that is free.")
    user: str = Field("onedoor", min_length=1, description="The one user that it accepts.")
    authorized_key: Path = Field(description="File with that user's public key.")
    folder: Path = Field(description="Folder of its own, with the host key; the user sees files/ in it.")


class ExchangeSftpServer(asyncssh.SFTPServer):
    """Serves the exchange folder alone: no links, which could lead out. Sets ``arrived`` when a file is delivered."""

    def __init__(self, channel: asyncssh.SSHServerChannel[bytes], folder: Path, arrived: asyncio.Event) -> None:
        super().__init__(channel, chroot=str(folder).encode())
        self._arrived = arrived

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        super().posix_rename(oldpath, newpath)
        self._note(newpath)

    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        super().rename(oldpath, newpath)
        self._note(newpath)

    def _note(self, path: bytes) -> None:
        if b"inbox/" in path:
            self._arrived.set()

    def symlink(self, oldpath: bytes, newpath: bytes) -> None:
        raise asyncssh.SFTPPermissionDenied("no links here")

    def link(self, oldpath: bytes, newpath: bytes) -> None:
        raise asyncssh.SFTPPermissionDenied("no links here")


class ExchangeSshServer(asyncssh.SSHServer):
    """Accepts one user, by key, for SFTP only; drops every connection while the system is out of order."""

    def __init__(
        self, settings: LandSandboxSettings, backend: SandboxBackend, connections: set[asyncssh.SSHServerConnection]
    ) -> None:
        self._settings = settings
        self._backend = backend
        self._connections = connections

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._connections.add(conn)
        if self._backend.away:
            conn.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self._connection)

    def begin_auth(self, username: str) -> bool:
        if username == self._settings.user:
            self._connection.set_authorized_keys(str(self._settings.authorized_key))
        return True  # authentication is required: a user without an authorized key is refused


class LandSandbox:
    """Processes the files of the exchange folder."""

    def __init__(self, backend: SandboxBackend, folder: Path) -> None:
        self._backend = backend
        self._inbox = folder / "inbox"
        self._outbox = folder / "outbox"
        self._unreadable: set[Path] = set()
        for one in (self._inbox, self._outbox, folder / "done"):
            one.mkdir(parents=True, exist_ok=True)

    async def work_once(self) -> bool:
        """Answer new files and write one of new decisions. Returns whether there was anything to do."""
        if self._backend.away:
            return False
        files = [file for file in sorted(self._inbox.glob("*.jsonl")) if file not in self._unreadable]
        for file in files:
            try:
                content = file.read_bytes()
            except OSError as error:
                self._unreadable.add(file)
                log.warning("an entry of inbox/ cannot be read, and is left alone", error=type(error).__name__)
            else:
                await self._answer(file, content)
        reported = await self._report()
        return bool(files) or reported

    async def _answer(self, file: Path, content: bytes) -> None:
        taken = {one.ywh: one.sxbm for one in _applications(content) if not self._backend.rejects(one.sxbm)}
        entries = await self._backend.take(taken)
        now = self._backend.clock.now()
        self._write(file.name, (self._receipt_line(entry, decided=entry.decided(now)) for entry in entries.values()))
        # Last, so that after a crash the file is answered again.
        _remove(file)

    def _receipt_line(self, entry: LedgerEntry, *, decided: bool) -> bytes:
        if entry.makes(Mistake.NO_ANSWER):
            return b""
        if entry.makes(Mistake.GARBLED_RECEIPT):
            return NONSENSE
        return file_of([standing(entry, decided=decided)])

    async def _report(self) -> bool:
        entries = await self._backend.unreported(BATCH_SIZE)
        if not entries:
            return False
        self._write(f"decided-{entries[0].number}-{entries[-1].number}.jsonl", map(self._decision_lines, entries))
        await self._backend.mark_reported(entry.task_id for entry in entries)
        return True

    def _decision_lines(self, entry: LedgerEntry) -> bytes:
        if entry.makes(Mistake.GARBLED_DECISION):
            return NONSENSE
        return file_of(standing(reported, decided=True) for reported in entry.reported)

    def _write(self, name: str, lines: Iterable[bytes]) -> None:
        """Put a whole file into the outbox: readers never see a part."""
        part = self._outbox / f"{name}.part"
        part.write_bytes(b"".join(lines))
        part.rename(self._outbox / name)


def _applications(content: bytes) -> Iterator[Application]:
    for line in lines_of(content):
        try:
            yield Application.model_validate_json(line)
        except ValueError:
            log.warning("an invalid application")


def _remove(file: Path) -> None:
    file.unlink()


def standing(entry: LedgerEntry, *, decided: bool) -> Standing:
    """A ledger entry as the files show it. A mistake must reach the adapter as it is, so it is not validated."""
    received_at = digits(entry.by_its_clock(entry.received_at))
    if not decided:
        return Standing.model_construct(ywh=entry.task_id, slbh=entry.receipt_number, slsj=received_at)
    return Standing.model_construct(
        ywh=entry.task_id,
        slbh=entry.number,
        slsj=received_at,
        bjjg=GRANTED if entry.outcome is Outcome.APPROVED else DENIED,
        bjsj=digits(entry.by_its_clock(entry.decide_at)),
        zsbh=entry.certificate,
        bjyj=entry.opinion,
    )


@asynccontextmanager
async def running(settings: LandSandboxSettings, clock: Clock) -> AsyncIterator[int]:
    """The sandbox, answering at the port that is given. Its public key is ``host_key.pub`` in its folder."""
    backend = SandboxBackend("land", "地受", settings, clock)
    await backend.open()
    folder = settings.folder / "files"
    sandbox = LandSandbox(backend, folder)
    host_key = settings.folder / "host_key"
    ensure_key(host_key)
    connections: set[asyncssh.SSHServerConnection] = set()
    arrived = asyncio.Event()
    server = await asyncssh.listen(
        settings.host,
        settings.port,
        server_factory=lambda: ExchangeSshServer(settings, backend, connections),
        server_host_keys=[str(host_key)],
        password_auth=False,
        kbdint_auth=False,
        config=None,
        sftp_factory=lambda channel: ExchangeSftpServer(channel, folder, arrived),
        agent_forwarding=False,
        allow_pty=False,
    )
    try:
        async with working(sandbox.work_once, settings.poll_s, arrived):
            yield server.get_port()
    finally:
        server.close()
        for connection in tuple(connections):
            connection.abort()
        await server.wait_closed()
        await backend.close()
