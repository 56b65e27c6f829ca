"""Group commit of sandboxes."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from contracts.messages.plans import Outcome
from services.departments.sandbox.group_commit import GroupCommit
from services.departments.sandbox.ledger import LedgerEntry

AT = datetime(2026, 3, 2, tzinfo=UTC)


class Ledger:
    """Commits groups when it is allowed to, and records them."""

    def __init__(self) -> None:
        self.groups: list[dict[str, str]] = []
        self.allowed = asyncio.Event()
        self.fails = False

    async def take(self, items: Mapping[str, str]) -> Mapping[str, LedgerEntry]:
        await self.allowed.wait()
        self.groups.append(dict(items))
        if self.fails:
            raise ConnectionError("the ledger is unreachable")
        return {
            task_id: LedgerEntry(task_id, f"number of {task_id}", AT, AT, Outcome.APPROVED, None, 1)
            for task_id in items
        }


async def test_applications_that_arrive_meanwhile_make_the_next_group() -> None:
    ledger = Ledger()
    gather = GroupCommit(ledger.take)
    puts = [asyncio.create_task(gather.put(name, "item")) for name in ("a", "b", "c", "b")]
    await asyncio.sleep(0)
    ledger.allowed.set()
    entries = await asyncio.gather(*puts)
    assert [entry.number for entry in entries] == [f"number of {name}" for name in ("a", "b", "c", "b")]
    assert ledger.groups == [dict.fromkeys(group, "item") for group in ("a", "bc")] or ledger.groups == [
        dict.fromkeys("abc", "item")
    ]


async def test_a_failed_group_fails_for_each_and_the_next_succeeds() -> None:
    ledger = Ledger()
    ledger.fails = True
    ledger.allowed.set()
    gather = GroupCommit(ledger.take)
    results = await asyncio.gather(*(gather.put(name, "item") for name in "ab"), return_exceptions=True)
    assert [type(result) for result in results] == [ConnectionError, ConnectionError]
    ledger.fails = False
    assert (await gather.put("c", "item")).number == "number of c"


async def test_a_cancelled_application_does_not_hold_the_others() -> None:
    ledger = Ledger()
    gather = GroupCommit(ledger.take)
    first, second = (asyncio.create_task(gather.put(name, "item")) for name in "ab")
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    ledger.allowed.set()
    assert (await second).number == "number of b"
