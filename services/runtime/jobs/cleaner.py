"""Forgetting in the background: closed states and old messages, a bounded number at a time.

The memory of duplicates reaches as far as a case's state: ``closed_retention_days`` beyond its closing. Kafka
keeps records for less (``topic_retention_days``), so a record read again always finds the state that knows it.
"""

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from services.runtime import telemetry
from services.runtime.clock import Clock
from services.runtime.settings import Settings
from services.runtime.store import cases, outbox
from services.runtime.store.database import transaction

log = telemetry.logger(__name__)


class Cleaner:
    """Deletes what is kept no longer."""

    def __init__(self, database: AsyncEngine, clock: Clock, settings: Settings, ledger_read: str | None = None) -> None:
        self._database = database
        self._ledger_read = ledger_read
        self._clock = clock
        self._closed = timedelta(days=settings.closed_retention_days)
        self._said = timedelta(days=settings.outbox_retention_days)

    async def run_once(self, limit: int) -> bool:
        """Forget at most ``limit`` states and ``limit`` messages; whether there may be more."""
        async with transaction(self._database) as connection:
            closed = await cases.delete_closed(connection, self._clock.now() - self._closed, limit)
            said = await outbox.delete_published(connection, self._said, limit, self._ledger_read)
        if closed or said:
            log.info("forgotten", cases=closed, messages=said)
        return closed == limit or said == limit
