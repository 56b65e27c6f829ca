"""A stand-in for the land department's own system: an SFTP server, and an office that works on its folders.

Its one user is let in by key and sees nothing but the three folders of the letter box.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncssh
import structlog

from contracts.messages.plans import Outcome
from services.departments.land.settings import LandSandboxSettings
from services.departments.land.translate import DENIED, GRANTED, Application, Standing, digits, file_of, lines_of
from services.departments.sandbox.behaviour import Mistake
from services.departments.sandbox.ledger import LedgerEntry
from services.departments.sandbox.simulator import Simulator, stopped, working
from services.departments.sdk.adapter import Clock
from services.departments.sdk.ssh_keys import ensure_key
from services.runtime.clock import open_clock

LOT = 1000
"""Most decisions in one file."""

NONSENSE = "乱码\n".encode("gb18030")

log = structlog.get_logger(__name__)


class Jail(asyncssh.SFTPServer):
    """The letter box and nothing beside it: no links, which could lead out. Whoever puts a file into it rings."""

    def __init__(self, channel: asyncssh.SSHServerChannel[bytes], box: Path, bell: asyncio.Event) -> None:
        super().__init__(channel, chroot=str(box).encode())
        self._bell = bell

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        super().posix_rename(oldpath, newpath)
        if b"inbox/" in newpath:
            self._bell.set()

    def symlink(self, oldpath: bytes, newpath: bytes) -> None:
        raise asyncssh.SFTPPermissionDenied("no links here")

    def link(self, oldpath: bytes, newpath: bytes) -> None:
        raise asyncssh.SFTPPermissionDenied("no links here")


class Doorkeeper(asyncssh.SSHServer):
    """Lets one user in, by key, for files alone; turns all away while the system is out of order."""

    def __init__(
        self, settings: LandSandboxSettings, office: Simulator, visitors: set[asyncssh.SSHServerConnection]
    ) -> None:
        self._settings = settings
        self._office = office
        self._visitors = visitors

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._visitor = conn
        self._visitors.add(conn)
        if self._office.away:
            conn.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._visitors.discard(self._visitor)

    def begin_auth(self, username: str) -> bool:
        if username == self._settings.user:
            self._visitor.set_authorized_keys(str(self._settings.authorized_key))
        return True  # whoever has no key here is not let in


class LandSandbox:
    """The office at its letter box."""

    def __init__(self, office: Simulator, box: Path) -> None:
        self._office = office
        self._inbox = box / "inbox"
        self._outbox = box / "outbox"
        for folder in (self._inbox, self._outbox, box / "done"):
            folder.mkdir(parents=True, exist_ok=True)

    async def work_once(self) -> bool:
        """Answer the files that have come in and leave one with what has been decided; whether there was anything."""
        if self._office.away:
            return False
        files = sorted(self._inbox.glob("*.jsonl"))
        for file in files:
            await self._answer(file)
        told = await self._tell()
        return bool(files) or told

    async def _answer(self, file: Path) -> None:
        entries = await self._office.take({one.ywh: one.sxbm for one in _applications(file)})
        now = self._office.clock.now()
        self._leave(file.name, (self._answered(entry, decided=entry.decided(now)) for entry in entries.values()))
        # Only now: killed in between, the office answers the file once more.
        _remove(file)

    def _answered(self, entry: LedgerEntry, *, decided: bool) -> bytes:
        if entry.errs(Mistake.SILENT):
            return b""
        if entry.errs(Mistake.GARBLED_RECEIPT):
            return NONSENSE
        return file_of([standing(entry, decided=decided)])

    async def _tell(self) -> bool:
        entries = await self._office.unreported(LOT)
        if not entries:
            return False
        self._leave(f"decided-{entries[0].number}-{entries[-1].number}.jsonl", map(self._decided, entries))
        await self._office.mark_reported(entry.task_id for entry in entries)
        return True

    def _decided(self, entry: LedgerEntry) -> bytes:
        if entry.errs(Mistake.GARBLED_DECISION):
            return NONSENSE
        return file_of([standing(entry, decided=True)] * (2 if entry.errs(Mistake.REPEATED) else 1))

    def _leave(self, name: str, lines: Iterable[bytes]) -> None:
        """Put a file into the outbox, in one step."""
        part = self._outbox / f"{name}.part"
        part.write_bytes(b"".join(lines))
        part.rename(self._outbox / name)


def _applications(file: Path) -> Iterator[Application]:
    for line in lines_of(file.read_bytes()):
        try:
            yield Application.model_validate_json(line)
        except ValueError:
            log.warning("a line that is no application", file=file.name)


def _remove(file: Path) -> None:
    file.unlink()


def standing(entry: LedgerEntry, *, decided: bool) -> Standing:
    """An entry of the books in the words of the files."""
    taken = {"ywh": entry.task_id, "slbh": entry.number, "slsj": digits(entry.received_at)}
    if not decided:
        return Standing(**taken)
    return Standing(
        **taken,
        bjjg=GRANTED if entry.outcome is Outcome.APPROVED else DENIED,
        bjsj=digits(entry.decide_at),
        zsbh=entry.certificate,
        bjyj=entry.opinion,
    )


@asynccontextmanager
async def running(settings: LandSandboxSettings, clock: Clock) -> AsyncIterator[int]:
    """The stand-in, answering at the port given; its public key is ``host_key.pub`` in its folder."""
    office = Simulator("land", "地受", settings, clock)
    await office.open()
    box = settings.folder / "files"
    sandbox = LandSandbox(office, box)
    host_key = settings.folder / "host_key"
    ensure_key(host_key)
    visitors: set[asyncssh.SSHServerConnection] = set()
    bell = asyncio.Event()
    server = await asyncssh.listen(
        settings.host,
        settings.port,
        server_factory=lambda: Doorkeeper(settings, office, visitors),
        server_host_keys=[str(host_key)],
        password_auth=False,
        kbdint_auth=False,
        config=None,
        sftp_factory=lambda channel: Jail(channel, box, bell),
        agent_forwarding=False,
        allow_pty=False,
    )
    try:
        async with working(sandbox.work_once, settings.poll_s, bell):
            yield server.get_port()
    finally:
        server.close()
        for visitor in tuple(visitors):
            visitor.abort()
        await server.wait_closed()
        await office.close()


async def serve(settings: LandSandboxSettings) -> None:
    """Stand in for the land department until the process is asked to stop."""
    async with running(settings, open_clock(settings.clock)):
        await stopped()
