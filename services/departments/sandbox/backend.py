"""The backend of every sandbox, behind the interface of the department's own kind."""

from collections.abc import Iterable, Mapping

from services.departments.sandbox.behaviour import simulated_outcome
from services.departments.sandbox.ledger import LedgerEntry
from services.departments.sandbox.settings import SandboxSettings
from services.departments.sandbox.store import Ledger
from services.departments.sdk.adapter import Clock
from services.departments.sdk.tables import open_tables


class SandboxBackend:
    """Takes applications, decides them in its own time, and keeps a ledger."""

    def __init__(self, system: str, prefix: str, settings: SandboxSettings, clock: Clock) -> None:
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

    def rejects(self, item: str) -> bool:
        """Whether the system's checks reject an application for this item."""
        return item in self._behaviour.rejected_items

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
