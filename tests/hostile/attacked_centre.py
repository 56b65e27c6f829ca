"""A service centre for attacks, and checks that an attack harms nobody else."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx2
import psutil

from deploy.local.engines import Engines
from deploy.local.platform import Platform
from deploy.local.wiring import Options
from onedoor.applicants import applications
from services.intake.catalogue.load import sample_catalogue
from services.registry import default_systems
from services.runtime.clock import FileClock
from tests.support.centre import BEGINS, Centre
from tests.support.shared_engines import platform_on
from tests.support.staff import STAFF, with_staff
from tests.support.waiting import eventually

SYSTEMS = default_systems()

SPEED = 60
"""A minute of the clock passes in a second: nothing falls due during a test."""

HEAD_S, TRANSFER_S = 4.0, 6.0
"""Seconds that clients have: fewer than by default, since a test of slow ones waits for all of them."""

TRACKING_A_MINUTE = 6000
"""More than a client asks that waits for its case, and few enough to be reached by a flood."""

POLL_S = 0.1
ENOUGH_APPLICATIONS = 3
MIB = 1024 * 1024


@asynccontextmanager
async def attacked_centre(folder: Path, engines: Engines) -> AsyncIterator[Centre]:
    """A centre without a limit of dead letters, whose departments decide at once. Its client has the token of staff."""
    clock = FileClock.create(folder / "clock", BEGINS, speed=0)
    async with platform_on(engines, folder, with_staff(_options(folder / "clock"))) as platform:
        clock.set(BEGINS, SPEED)
        async with httpx2.AsyncClient(timeout=15, headers=STAFF) as client:
            yield Centre(platform, client)


def _options(clock: Path) -> Options:
    sandbox = {"ONEDOOR_SANDBOX_AT_ONCE": "true", "ONEDOOR_SANDBOX_REFUSED_SHARE": "0.05"}
    extra: dict[str, Mapping[str, str]] = {
        "*": {
            "ONEDOOR_HTTP_HEAD_S": str(HEAD_S),
            "ONEDOOR_HTTP_TRANSFER_S": str(TRANSFER_S),
            "ONEDOOR_DEAD_LETTERS_A_MINUTE": "1000000",
            "ONEDOOR_DEAD_LETTER_SHARE": "1",
            "ONEDOOR_RELAY_AGE_S": "1",
            "ONEDOOR_CLOSED_RETENTION_DAYS": "3650",
            "ONEDOOR_APPLICATIONS_A_MINUTE": "0",
            "ONEDOOR_TRACKING_A_MINUTE": str(TRACKING_A_MINUTE),
        }
    }
    for system in SYSTEMS:
        extra[f"sandbox-{system}"] = {**sandbox, "ONEDOOR_SANDBOX_SEED": system}
        extra[system] = {"ONEDOOR_POLL_INTERVAL_S": "0.1"}
    return Options(clock=str(clock), extra=extra)


def processes(platform: Platform) -> dict[str, tuple[int | None, int]]:
    """The id and the restarts of every process: unchanged by an attack, unless a process has died."""
    return {name: (process.pid, process.restarts) for name, process in platform.processes.items()}


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of the values does not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


@dataclass
class RegularApplicant:
    """An applicant who applies all the time during an attack, over a new connection each time."""

    centre: Centre
    latencies_s: list[float] = field(default_factory=list)
    """Seconds from the first byte sent to the answer."""
    refused: list[str] = field(default_factory=list)
    peak_bytes: int = 0
    """The largest memory of intake that was observed."""
    before_bytes: int = 0
    _applications: Iterator[dict[str, Any]] = field(
        default_factory=lambda: applications(sample_catalogue(), 100_000, seed=23)
    )

    async def apply(self) -> None:
        """Apply until cancelled."""
        process = psutil.Process(self.centre.platform.processes["intake"].pid)
        self.before_bytes = process.memory_info().rss
        for number in count():
            began = time.monotonic()
            try:
                async with httpx2.AsyncClient(timeout=15) as client:
                    answer = await client.post(
                        f"{self.centre.platform.api('intake')}/cases",
                        json=next(self._applications),
                        headers={"Idempotency-Key": f"regular-{id(self)}-{number}"},
                    )
                if answer.status_code != httpx2.codes.CREATED:
                    self.refused.append(f"{answer.status_code} {answer.text[:100]}")
            except httpx2.TransportError as error:
                self.refused.append(repr(error))
            self.latencies_s.append(time.monotonic() - began)
            self.peak_bytes = max(self.peak_bytes, process.memory_info().rss)
            await asyncio.sleep(POLL_S)

    async def has_applied(self) -> bool:
        """Whether there are enough measurements, or a refusal."""
        return len(self.latencies_s) >= ENOUGH_APPLICATIONS or bool(self.refused)

    @property
    def latency_p95_s(self) -> float:
        """95th percentile of the latency in seconds: the slowest answers may be due to other load of the machine."""
        return percentile(self.latencies_s, 0.95)

    @property
    def longest_s(self) -> float:
        """The longest latency in seconds: how long requests have waited in the busiest moment."""
        return max(self.latencies_s)

    @property
    def growth_mib(self) -> float:
        """Growth of the memory of intake, at its largest, in MiB."""
        return (self.peak_bytes - self.before_bytes) / MIB


@asynccontextmanager
async def regular_applicant(centre: Centre) -> AsyncIterator[RegularApplicant]:
    """Apply regularly while the body runs. At the end no process has died and every application was accepted."""
    before = processes(centre.platform)
    one = RegularApplicant(centre)
    applying = asyncio.create_task(one.apply())
    try:
        yield one
        await eventually(one.has_applied, 10, "the regular applicant has applied a few times")
    finally:
        applying.cancel()
        (end,) = await asyncio.gather(applying, return_exceptions=True)
    assert isinstance(end, asyncio.CancelledError), end
    assert one.refused == []
    assert processes(centre.platform) == before
