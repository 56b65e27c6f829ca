"""Keeps the record of access of a process without messages: chains it, and deletes what is over the retention time."""

from datetime import timedelta

from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from services.runtime.clock_check import ClockCheck
from services.runtime.journal.access import record_writer
from services.runtime.journal.blocks import day_of, signing_key
from services.runtime.store import access_record
from services.runtime.store.database import clock_of, transaction

CHAIN_S = 5.0
"""Machine seconds between two runs of the writer that chains the record."""

RETENTION_S = 60.0
"""Machine seconds between two looks at what is over the retention time."""


class RecordKeeping:
    """The record of a process. Call its methods periodically; each returns whether there may be more to do."""

    def __init__(self, database: AsyncEngine, name: str, secret: SecretStr, retention_days: int) -> None:
        self._database = database
        self._clocks = ClockCheck()
        self._kept = timedelta(days=retention_days)
        self.chain = record_writer(database, name, signing_key(secret.get_secret_value())).run_once

    async def delete_ended(self) -> bool:
        """Delete the oldest day that is over the retention time. Its signed root is kept."""
        async with transaction(self._database) as connection:
            now = await clock_of(connection)
            self._clocks.check(now)
            return await access_record.delete_day(connection, day_of(now - self._kept)) > 0
