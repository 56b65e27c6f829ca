"""Group commit: messages that arrive one by one are handled together.

While one batch commits, those that arrive meanwhile wait and make the next. Nobody waits for a batch to fill.
"""

import asyncio
from collections.abc import Sequence

from sqlalchemy.exc import DBAPIError

from contracts.envelope import Value
from services.runtime import telemetry
from services.runtime.batch import Batches, Received
from services.runtime.loops import Pace

FULL = 10

log = telemetry.logger(__name__)


class Overloaded(Exception):
    """More is waiting than can be handled soon; come again later."""


class Unavailable(Exception):
    """The database is away; nothing has happened."""


class Funnel:
    """Gathers messages into batches and tells each sender what became of its own."""

    def __init__(self, batches: Batches, limit: int) -> None:  # type: ignore[type-arg]
        self._batches = batches
        self._limit = limit
        self._waiting: list[Received] = []
        self._arrived = asyncio.Event()
        self._pace = Pace()

    @property
    def full(self) -> bool:
        """Whether ten batches are waiting already. Who can be sent away is sent away then."""
        return len(self._waiting) >= FULL * self._limit

    async def put(self, received: Sequence[Received]) -> list[Value | BaseException]:
        """Handle these, in this order within a case; for each, the state that it led to or what went wrong."""
        loop = asyncio.get_running_loop()
        for one in received:
            one.answer = loop.create_future()
        self._waiting.extend(received)
        self._arrived.set()
        return await asyncio.gather(*(one.answer for one in received if one.answer), return_exceptions=True)

    async def run(self) -> None:
        """Handle what arrives, until cancelled."""
        while True:
            await self._arrived.wait()
            await self._pace.keep()
            batch, self._waiting = self._waiting[: self._limit], self._waiting[self._limit :]
            if not self._waiting:
                self._arrived.clear()
            try:
                await self._batches.run(batch)
            except Exception as error:
                log.exception("batch failed", messages=len(batch))
                away = isinstance(error, DBAPIError | OSError)
                for one in batch:
                    if one.answer is not None and not one.answer.done():
                        one.answer.set_exception(Unavailable("the database is away") if away else error)
            finally:
                for one in batch:
                    if one.answer is not None and not one.answer.done():
                        one.answer.cancel()
