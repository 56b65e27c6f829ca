"""Deletes closed cases, old messages and settled dead letters in the background, a bounded number at a time, and the
record of access by whole sealed days.

A case recognises duplicates until it is deleted, ``closed_retention_days`` after it was closed. Kafka keeps records for
a shorter time (``topic_retention_days``), so a record that is read again always meets the case that has processed it.
"""

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from services.runtime import telemetry
from services.runtime.clock import Clock
from services.runtime.clock_check import ClockCheck
from services.runtime.journal.blocks import day_of
from services.runtime.settings import Settings
from services.runtime.store import access_record, cases, dead_letters, outbox
from services.runtime.store.database import clock_of, transaction

log = telemetry.logger(__name__)


class Cleaner:
    """Deletes closed cases, published messages and settled dead letters when their retention times are over."""

    def __init__(
        self,
        database: AsyncEngine,
        clock: Clock,
        settings: Settings,
        outbox_read_until: str | None = None,
        clocks: ClockCheck | None = None,
    ) -> None:
        self._database = database
        self._clocks = clocks or ClockCheck()
        self._outbox_read_until = outbox_read_until
        self._clock = clock
        self._case_age = timedelta(days=settings.closed_retention_days)
        self._message_age = timedelta(days=settings.outbox_retention_days)
        self._record_age = timedelta(days=settings.record_retention_days)
        self._letter_age = timedelta(days=settings.settled_letters_retention_days)

    async def run_once(self, limit: int) -> bool:
        """Delete at most ``limit`` cases, messages and dead letters each. Returns whether there may be more.

        Raises `services.runtime.clock_check.ClockInDoubt`.
        """
        async with transaction(self._database) as connection:
            now = await clock_of(connection)
            self._clocks.check(now)
            deleted_cases = await cases.delete_closed(connection, self._clock.now() - self._case_age, limit)
            deleted_messages = await outbox.delete_published(
                connection, self._message_age, limit, self._outbox_read_until
            )
            deleted_letters = await dead_letters.delete_settled(connection, self._letter_age, limit)
            recorded = await access_record.delete_day(connection, day_of(now - self._record_age))
        deleted = (deleted_cases, deleted_messages, deleted_letters)
        if any(deleted) or recorded:
            log.info(
                "deleted after retention",
                cases=deleted_cases,
                messages=deleted_messages,
                letters=deleted_letters,
                access=recorded,
            )
        return limit in deleted or recorded > 0
