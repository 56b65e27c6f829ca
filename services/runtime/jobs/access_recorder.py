"""Writes the record of access: entries that come at the same time are written with one statement.

A request that waits for its entry waits for one commit. All other entries wait for at most `LONGEST_S`.
"""

import asyncio
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.bilingual import Bilingual
from services.runtime import telemetry
from services.runtime.failures import Failures
from services.runtime.security.access_record import AccessEntry, RecordUnavailable
from services.runtime.store import access_record
from services.runtime.store.database import DATABASE_ERRORS, transaction

LONGEST_S = 1.0
"""Machine seconds after which an entry is written for which no request waits."""

WRITE_S = 5.0
"""Machine seconds that a request waits for its entry. It is refused then, and its entry may yet be written."""

AT_ONCE = 500
"""Entries of one statement."""

MOST_WAITING = 10_000
"""Entries that wait for the database; with more of them, each request waits for its own."""

RETRY_S = 1.0
"""Machine seconds before the next attempt after a failure."""

WORK = "recording access"
"""The name of this work among the failures of the process."""

ADVICE = Bilingual(
    "the database is unavailable; what has to be on record is refused meanwhile with 503",
    "数据库不可用；必须留痕的操作暂以 503 拒绝",
)

_Waiting = tuple[AccessEntry, "asyncio.Future[None] | None"]


class AccessRecorder:
    """The record of a process."""

    def __init__(self, database: AsyncEngine, failures: Failures) -> None:
        self._database = database
        self._failures = failures
        self._waiting: list[_Waiting] = []
        self._writing: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def write(self, entry: AccessEntry) -> None:
        """Return when the entry is committed. Raises `RecordUnavailable`."""
        written = asyncio.get_running_loop().create_future()
        self._waiting.append((entry, written))
        self._start()
        try:
            async with asyncio.timeout(WRITE_S):
                await written
        except TimeoutError:
            telemetry.ACCESS_UNRECORDED.inc()
            raise RecordUnavailable from None

    async def note(self, entry: AccessEntry) -> None:
        """Have the entry written a moment later; at once where too many wait. Raises `RecordUnavailable` then."""
        if len(self._waiting) >= MOST_WAITING:
            await self.write(entry)
        else:
            self._waiting.append((entry, None))
            self._start_after(LONGEST_S)

    async def drain(self) -> None:
        """Write what waits, before the process ends. What cannot be written is lost, and logged."""
        self._start()
        await asyncio.gather(self._writing or asyncio.sleep(0))
        if self._timer is not None:
            self._timer.cancel()
        if self._waiting:
            log.error("entries of the record of access are lost", count=len(self._waiting))

    def _start(self) -> None:
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all(), name="record of access")

    def _start_after(self, wait_s: float) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        self._start()

    async def _write_all(self) -> None:
        while self._waiting:
            if not await self._write_some():
                self._start_after(RETRY_S)
                return

    async def _write_some(self) -> bool:
        """Write the first entries. Returns False if the database refuses."""
        waiting, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
        # A request that has been refused meanwhile has done nothing, so that it needs no entry.
        waiting = [one for one in waiting if one[1] is None or not one[1].done()]
        try:
            if waiting:
                async with transaction(self._database, WRITE_S) as connection:
                    await access_record.add(connection, together([entry for entry, _ in waiting]))
        except DATABASE_ERRORS as error:
            self._failures.failed(WORK, error, ADVICE)
            self._refuse(waiting)
            return False
        except BaseException:
            self._refuse(waiting)
            raise
        self._failures.succeeded(WORK)
        telemetry.ACCESS_RECORDED.inc(len(waiting))
        for _, written in waiting:
            if written is not None and not written.done():
                written.set_result(None)
        return True

    def _refuse(self, waiting: Sequence[_Waiting]) -> None:
        """Refuse the requests that wait, and keep the other entries."""
        self._waiting[:0] = [one for one in waiting if one[1] is None]
        for _, written in waiting:
            if written is not None and not written.done():
                telemetry.ACCESS_UNRECORDED.inc()
                written.set_exception(RecordUnavailable())


def together(entries: Sequence[AccessEntry]) -> list[AccessEntry]:
    """These entries, with those that differ by nothing but the request as one: a flood of refusals is a few rows."""
    found: dict[AccessEntry, AccessEntry] = {}
    for entry in entries:
        same = entry._replace(at=entries[0].at, request_id=None) if entry.outcome in _REFUSED else entry
        first = found.get(same)
        found[same] = entry if first is None else first._replace(times=first.times + entry.times)
    return list(found.values())


_REFUSED = ("not-logged-in", "no-right", "not-found", "foreign", "malformed")

log = telemetry.logger(__name__)
