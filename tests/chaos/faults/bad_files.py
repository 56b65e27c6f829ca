"""Files of a wrong name, kind, size or content in land's outbox. All others must be read as usual."""

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg

from services.registry import default_systems
from tests.chaos.faults.fault import Fault, FaultPeriod
from tests.chaos.testbed import Testbed

MIN_SHARE = 0.8
"""The share of its usual throughput that every service must keep."""

REPORTED_WITHIN_S = 20.0

GBK_NAME = "说明".encode("gbk")
"""It is no UTF-8."""

LARGE_BYTES = 300_000_000

# The platform reports what it cannot read by name, and a file without a valid line by its first lines.
_SETTLE = """
    WITH dropped AS (
        UPDATE dead_letters SET status = 'dropped', settled_at = clock_timestamp()
        WHERE status = 'parked' AND topic = 'external' AND reason LIKE '%outbox/%'
        RETURNING number
    )
    SELECT count(*) FROM dropped
"""


class BadFiles(Fault):
    """Land's outbox has entries that cannot be read, listed before all others."""

    kind = "bad file"

    def __init__(self, hold_s: float) -> None:
        self.name = f"bad files in land's outbox for {hold_s:g} s"
        self.hold_s = hold_s
        self._expected = 0
        self._reported = 0

    async def inject(self, testbed: Testbed) -> None:
        outbox = testbed.platform.folder / "addresses" / "sandbox-land" / "files" / "outbox"
        self._expected = await asyncio.to_thread(_put, outbox)

    async def heal(self, testbed: Testbed) -> None:
        """Drop the letters, as an operator does. No file is removed: the platform has set each bad one aside."""
        for _ in range(round(REPORTED_WITHIN_S)):
            self._reported += await _value(testbed, _SETTLE)
            if self._reported >= self._expected:
                break
            await asyncio.sleep(1)

    def violations(self, period: FaultPeriod) -> Iterator[str]:
        if self._reported < self._expected:
            yield f"of {self._expected} bad files in land's outbox {self._reported} were reported"
        for name in ("accepted", *default_systems()):
            if (share := period.share(name)) < MIN_SHARE:
                yield f"{name}: {share:.0%} of the usual rate while bad files lay in land's outbox"


def _put(outbox: Path) -> int:
    """Make the bad entries. Returns how many of them must be reported."""
    first = outbox / f"0-{time.monotonic_ns()}"  # another name each time, since one name is one dead letter
    (outbox / os.fsdecode(GBK_NAME + b".txt")).write_bytes(b"x")
    (outbox / "note.txt").write_text("for a person", encoding="utf-8")
    Path(f"{first}-unfinished.jsonl.part").write_bytes(b"{")
    Path(f"{first}-empty.jsonl").write_bytes(b"")
    Path(f"{first}-folder.jsonl").mkdir()
    Path(f"{first}-link.jsonl").symlink_to("/etc/hostname")
    os.mkfifo(f"{first}-pipe.jsonl")
    with Path(f"{first}-large.jsonl").open("wb") as file:
        file.truncate(LARGE_BYTES)
    Path(f"{first}-picture.jsonl").write_bytes(first.name.encode() + bytes(range(256)) * 1000)
    content = f"{first.name} 系统繁忙\n请稍后\n".encode("gbk")
    Path(os.fsdecode(os.fsencode(first) + GBK_NAME + b".jsonl")).write_bytes(content)
    return 6


async def _value(testbed: Testbed, query: str) -> int:
    connection = await asyncpg.connect(testbed.url("onedoor_land"), timeout=5)
    try:
        return int(await connection.fetchval(query))
    finally:
        await connection.close()
