"""Group commit for a stand-in: requests that arrive one by one are entered together."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from services.departments.sandbox.ledger import LedgerEntry
from services.runtime.batch.pacing import BatchPacer


class GroupCommit:
    """While one lot is being entered, those that arrive meanwhile make the next."""

    def __init__(self, take: Callable[[Mapping[str, str]], Awaitable[Mapping[str, LedgerEntry]]]) -> None:
        self._take = take
        self._waiting: list[tuple[str, str, asyncio.Future[LedgerEntry]]] = []
        self._at_work = asyncio.Lock()
        self._pace = BatchPacer()

    async def put(self, task_id: str, item: str) -> LedgerEntry:
        """Enter one application; its entry, once that is durable."""
        future: asyncio.Future[LedgerEntry] = asyncio.get_running_loop().create_future()
        self._waiting.append((task_id, item, future))
        async with self._at_work:
            if not future.done():
                await self._pace.wait()
                await self._enter()
        return await future

    async def _enter(self) -> None:
        lot, self._waiting = self._waiting, []
        try:
            entries = await self._take({task_id: item for task_id, item, _ in lot})
        except Exception as error:
            for _, _, future in lot:
                if not future.done():
                    future.set_exception(error)
            return
        for task_id, _, future in lot:
            if not future.done():
                future.set_result(entries[task_id])
