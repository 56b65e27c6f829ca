"""Group commit for stand-ins."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from contracts.messages.plans import Outcome
from services.departments.sandbox.group_commit import GroupCommit
from services.departments.sandbox.ledger import LedgerEntry

AT = datetime(2026, 3, 2, tzinfo=UTC)


class Ledger:
    """Takes lots when it is allowed to, and remembers them."""

    def __init__(self) -> None:
        self.lots: list[dict[str, str]] = []
        self.allowed = asyncio.Event()
        self.fails = False

    async def take(self, items: Mapping[str, str]) -> Mapping[str, LedgerEntry]:
        await self.allowed.wait()
        self.lots.append(dict(items))
        if self.fails:
            raise ConnectionError("the books are away")
        return {
            task_id: LedgerEntry(task_id, f"number of {task_id}", AT, AT, Outcome.APPROVED, None, 1)
            for task_id in items
        }


async def test_those_that_come_meanwhile_make_the_next_lot() -> None:
    ledger = Ledger()
    gather = GroupCommit(ledger.take)
    puts = [asyncio.create_task(gather.put(name, "item")) for name in ("a", "b", "c", "b")]
    await asyncio.sleep(0)
    ledger.allowed.set()
    entries = await asyncio.gather(*puts)
    assert [entry.number for entry in entries] == [f"number of {name}" for name in ("a", "b", "c", "b")]
    assert ledger.lots == [dict.fromkeys(lot, "item") for lot in ("a", "bc")] or ledger.lots == [
        dict.fromkeys("abc", "item")
    ]


async def test_a_lot_that_fails_fails_for_each_and_the_next_is_fine() -> None:
    ledger = Ledger()
    ledger.fails = True
    ledger.allowed.set()
    gather = GroupCommit(ledger.take)
    results = await asyncio.gather(*(gather.put(name, "item") for name in "ab"), return_exceptions=True)
    assert [type(result) for result in results] == [ConnectionError, ConnectionError]
    ledger.fails = False
    assert (await gather.put("c", "item")).number == "number of c"


async def test_whoever_stops_waiting_keeps_nobody_else() -> None:
    ledger = Ledger()
    gather = GroupCommit(ledger.take)
    first, second = (asyncio.create_task(gather.put(name, "item")) for name in "ab")
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    ledger.allowed.set()
    assert (await second).number == "number of b"
