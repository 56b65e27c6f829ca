"""The common part of the simulators of departments' systems: settings, ledger, work loop."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import fields
from typing import Annotated

import structlog
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from contracts.envelope import Instant
from services.departments.sandbox.behaviour import Behaviour, Mistake, simulated_outcome
from services.departments.sandbox.ledger import Ledger, LedgerEntry
from services.departments.sdk.adapter import Clock
from services.departments.sdk.tables import open_tables
from services.runtime.batch.pacing import FIRST_INTERVAL_S
from services.runtime.store.database import DATABASE_ERRORS

RETRY_S = 1.0
"""Seconds that a simulator waits after a fault of its database."""

log = structlog.get_logger(__name__)

Share = Annotated[float, Field(ge=0, le=1)]
Days = Annotated[float, Field(gt=0, le=3650)]


class SimulatorSettings(BaseSettings):
    """How a simulator works. Prefix ``ONEDOOR_SANDBOX_``: each sandbox is a process with an environment of its own."""

    model_config = SettingsConfigDict(env_prefix="ONEDOOR_SANDBOX_", extra="ignore", frozen=True)

    database: SecretStr = Field(description="Database of the ledger: postgresql+asyncpg://user@host/name.")
    clock: str = Field("system", description="'system', or the path of a clock file that can be set and sped up.")
    mean_days: Days = Field(3.0, description="Office days until a decision, on average.")
    item_days: dict[str, Days] = Field({}, description="The same for single items: a JSON object by item code.")
    spread: Share = Field(0.3, description="Standard deviation of that time, as a share of the mean.")
    late_share: Share = Field(0.0, description="Share of cases decided only after late_days.")
    late_days: Days = Field(60.0, description="Office days the late cases take.")
    refused_share: Share = Field(0.0, description="Share of cases refused.")
    mistake_share: Share = Field(0.0, description="Share of cases with one of the mistakes.")
    mistakes: tuple[Mistake, ...] = Field(
        tuple(Mistake), description="The mistakes it makes, as a JSON list: " + ", ".join(Mistake) + "."
    )
    at_once: bool = Field(False, description="Decide on receipt: the decision is in the answer to the application.")
    seed: str = Field("sandbox", description="Seed of all random choices.")
    away_from: Instant | None = Field(None, description="From this moment of the clock on the system does not answer.")
    away_until: Instant | None = Field(None, description="Until this moment; without it, to the end.")
    poll_s: float = Field(0.05, gt=0, le=60, description="Seconds between two looks for new applications.")

    def behaviour(self) -> Behaviour:
        return Behaviour(**{field.name: getattr(self, field.name) for field in fields(Behaviour)})


class Simulator:
    """Takes applications, decides them in its own time, and keeps a ledger."""

    def __init__(self, system: str, prefix: str, settings: SimulatorSettings, clock: Clock) -> None:
        self._settings = settings
        self._behaviour = settings.behaviour()
        self._database = open_tables(settings.database.get_secret_value(), f"sandbox {system}", 4)
        self.clock = clock
        self.ledger = Ledger(self._database, system, prefix)

    async def open(self) -> None:
        await self.ledger.open()

    async def close(self) -> None:
        await self._database.dispose()

    @property
    def away(self) -> bool:
        """Whether the system is out of order at this moment of the clock."""
        since, until = self._settings.away_from, self._settings.away_until
        now = self.clock.now()
        return since is not None and since <= now and (until is None or now < until)

    async def take(self, items: Mapping[str, str]) -> dict[str, LedgerEntry]:
        """Take applications (task id -> item) together. Returns their entries by task id, for the answer.

        The decision on an application that is decided by now is in the answer, and not reported later.
        """
        now = self.clock.now()
        outcomes = {task_id: simulated_outcome(self._behaviour, task_id, item, now) for task_id, item in items.items()}
        return await self.ledger.take(outcomes, now)

    async def unreported(self, limit: int) -> list[LedgerEntry]:
        """Decisions to report: the same again until `mark_reported`."""
        return await self.ledger.unreported(self.clock.now(), limit)

    async def mark_reported(self, task_ids: Iterable[str]) -> None:
        """Note that the decisions on these tasks have been reported."""
        await self.ledger.mark_reported(list(task_ids), self.clock.now())


@asynccontextmanager
async def working(
    work_once: Callable[[], Awaitable[bool]], poll_s: float, arrived: asyncio.Event | None = None
) -> AsyncIterator[None]:
    """Call ``work_once`` beside the body: every ``poll_s`` seconds, sooner while it returns True or after ``arrived``.

    A round costs the same for one application as for many, so rounds are at least `FIRST_INTERVAL_S` apart.
    """
    task = asyncio.create_task(_work(work_once, poll_s, arrived or asyncio.Event()))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _work(work_once: Callable[[], Awaitable[bool]], poll_s: float, arrived: asyncio.Event) -> None:
    while True:
        started = time.monotonic()
        arrived.clear()
        try:
            busy = await work_once()
        except DATABASE_ERRORS as error:
            log.warning("the simulator cannot work; trying again", error=type(error).__name__)
            await asyncio.sleep(RETRY_S)
            continue
        if not busy:
            with suppress(TimeoutError):
                async with asyncio.timeout(poll_s):
                    await arrived.wait()
        elif (rest := started + min(poll_s, FIRST_INTERVAL_S) - time.monotonic()) > 0:
            await asyncio.sleep(rest)
