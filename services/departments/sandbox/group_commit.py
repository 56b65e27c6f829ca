"""Group commit: applications that arrive one by one are entered into the ledger together."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

from services.departments.sandbox.ledger import LedgerEntry
from services.departments.sandbox.loop import INTERVAL_S


class GroupCommit:
    """Applications that arrive while a group is being entered make the next group."""

    def __init__(self, take: Callable[[Mapping[str, str]], Awaitable[Mapping[str, LedgerEntry]]]) -> None:
        self._take = take
        self._waiting: list[tuple[str, str, asyncio.Future[LedgerEntry]]] = []
        self._committing = asyncio.Lock()
        self._next = 0.0
        """Machine time before which no group is entered."""

    async def put(self, task_id: str, item: str) -> LedgerEntry:
        """Enter one application. Returns its entry after the commit, or raises what the commit raised."""
        future: asyncio.Future[LedgerEntry] = asyncio.get_running_loop().create_future()
        self._waiting.append((task_id, item, future))
        async with self._committing:
            if not future.done():
                await asyncio.sleep(max(0.0, self._next - time.monotonic()))
                self._next = time.monotonic() + INTERVAL_S
                await self._commit()
        return await future

    async def _commit(self) -> None:
        group, self._waiting = self._waiting, []
        try:
            entries = await self._take({task_id: item for task_id, item, _ in group})
        except Exception as error:
            for _, _, future in group:
                if not future.done():
                    future.set_exception(error)
            return
        for task_id, _, future in group:
            if not future.done():
                future.set_result(entries[task_id])
