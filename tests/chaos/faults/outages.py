"""Outages of an engine or of one department's system. Everything else must go on."""

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import AsyncExitStack
from statistics import quantiles

from services.registry import default_systems
from tests.chaos.faults.bad_connections import BadConnections
from tests.chaos.faults.fault import Fault, FaultPeriod
from tests.chaos.faults.proxies import ProxyMode
from tests.chaos.testbed import ENGINES, Testbed

MIN_SHARE = 0.8
"""The share of their usual throughput that the unaffected services must keep."""

REFUSED_WITHIN_S = 3.0
DEPARTMENTS = default_systems()
DEPENDENCIES = (*ENGINES, *DEPARTMENTS)


class EngineOutage(Fault):
    """Kafka or PostgreSQL is stopped, and started again after a while."""

    kind = "outage"

    def __init__(self, engine: str, hold_s: float) -> None:
        self.name = f"{engine} down for {hold_s:g} s"
        self.hold_s = hold_s
        self._engine = engine
        self._stack = AsyncExitStack()

    async def inject(self, testbed: Testbed) -> None:
        await self._stack.enter_async_context(testbed.platform.without(testbed.engine(self._engine)))

    async def heal(self, testbed: Testbed) -> None:
        await self._stack.aclose()

    def violations(self, period: FaultPeriod) -> Iterator[str]:
        if self._engine == "kafka":
            if (share := period.share("accepted")) < MIN_SHARE:
                yield f"applications were accepted at {share:.0%} of the usual rate while Kafka was down"
            return
        refused = [one for one in period.requests if one.at > period.began + 2]
        if not refused:
            yield "no applicant had an answer while PostgreSQL was down"
            return
        for status in sorted({one.status for one in refused} - {503, 429}):
            yield f"an applicant had the answer {status} while PostgreSQL was down, not 503"
        if len(refused) > 20 and (slow := quantiles((one.took_s for one in refused), n=20)[-1]) > REFUSED_WITHIN_S:
            yield f"503 took {slow:.1f} s (95th percentile) while PostgreSQL was down"


class DepartmentOutage(BadConnections):
    """One department's system cannot be reached; the cases of the other two go on as usual."""

    kind = "outage"

    def __init__(self, department: str, hold_s: float) -> None:
        super().__init__(department, ProxyMode.REFUSED, hold_s)
        self.name = f"{department} down for {hold_s:g} s"
        self._department = department

    def violations(self, period: FaultPeriod) -> Iterator[str]:
        others = [name for name in DEPARTMENTS if name != self._department]
        for name in ("accepted", *others):
            if (share := period.share(name)) < MIN_SHARE:
                yield f"{name}: {share:.0%} of the usual rate while {self._department} was down"


class WipedKafka(Fault):
    """Kafka loses its whole data folder and starts empty: other offsets, no consumer groups, no topics."""

    kind = "wipe"
    name = "Kafka loses its data folder"
    hold_s = 0.0
    keeps_messages = False

    @property
    def seconds(self) -> float:
        return 60.0

    async def inject(self, testbed: Testbed) -> None:
        broker = testbed.engine("kafka")
        async with testbed.platform.without(broker):
            await asyncio.to_thread(shutil.rmtree, broker.folder / "data")


class DiskFull(Fault):
    """The disk of an engine is full for a while."""

    kind = "disk"

    def __init__(self, engine: str, hold_s: float = 15.0) -> None:
        self.name = f"disk full under {engine} for {hold_s:g} s"
        self.hold_s = hold_s
        self._engine = engine

    def skip_reason(self, testbed: Testbed) -> str | None:
        return None if self._engine in testbed.disks else "this process may not mount a file system"

    async def inject(self, testbed: Testbed) -> None:
        testbed.disks[self._engine].fill()

    async def heal(self, testbed: Testbed) -> None:
        testbed.disks[self._engine].make_room()
