"""Something is away for long: an engine, or a department's system. The others go on."""

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import AsyncExitStack
from statistics import quantiles

from services.registry import default_systems
from tests.chaos.fault import Fault, Lasted
from tests.chaos.proxies import Manner
from tests.chaos.testbed import ENGINES, Site

GO_ON = 0.8
"""The share of their usual throughput that the others must keep."""

QUICKLY_S = 3.0
DEPARTMENTS = default_systems()


class EngineAway(Fault):
    """Kafka or PostgreSQL is stopped, and started again after a while."""

    kind = "absence"

    def __init__(self, engine: str, hold_s: float) -> None:
        self.name = f"{engine} away for {hold_s:g} s"
        self.hold_s = hold_s
        self._engine = engine
        self._stack = AsyncExitStack()

    async def inject(self, site: Site) -> None:
        await self._stack.enter_async_context(site.platform.without(site.engine(self._engine)))

    async def heal(self, site: Site) -> None:
        await self._stack.aclose()

    def claims(self, lasted: Lasted) -> Iterator[str]:
        if self._engine == "kafka":
            if (share := lasted.share("accepted")) < GO_ON:
                yield f"applications were accepted at {share:.0%} of the usual rate while Kafka was away"
            return
        refused = [one for one in lasted.tries if one.at > lasted.began + 2]
        if not refused:
            yield "nobody was answered while PostgreSQL was away"
            return
        for status in sorted({one.status for one in refused} - {503, 429}):
            yield f"an applicant was answered {status} while PostgreSQL was away, not 503"
        if len(refused) > 20 and (slow := quantiles((one.took_s for one in refused), n=20)[-1]) > QUICKLY_S:
            yield f"503 took {slow:.1f} s (95th percentile) while PostgreSQL was away"


class DepartmentAway(Fault):
    """One department's system cannot be reached; the other two are asked and answer as usual."""

    kind = "absence"

    def __init__(self, department: str, hold_s: float) -> None:
        self.name = f"{department} away for {hold_s:g} s"
        self.hold_s = hold_s
        self._department = department

    async def inject(self, site: Site) -> None:
        await site.links[self._department].behave(Manner.REFUSED)

    async def heal(self, site: Site) -> None:
        await site.links[self._department].behave(Manner.WHOLE)

    def claims(self, lasted: Lasted) -> Iterator[str]:
        others = [name for name in DEPARTMENTS if name != self._department]
        for name in ("accepted", *others):
            if (share := lasted.share(name)) < GO_ON:
                yield f"{name}: {share:.0%} of the usual rate while {self._department} was away"


class Wiped(Fault):
    """Kafka is stopped, its whole data folder deleted, and started empty: other offsets, no groups, no topics."""

    kind = "wipe"
    name = "Kafka loses its data folder"
    hold_s = 0.0
    said_are_heard = False

    @property
    def seconds(self) -> float:
        return 60.0

    async def inject(self, site: Site) -> None:
        broker = site.engine("kafka")
        async with site.platform.without(broker):
            await asyncio.to_thread(shutil.rmtree, broker.folder / "data")

    async def heal(self, site: Site) -> None:
        """The keeper starts it."""


class DiskFull(Fault):
    """There is no room left under an engine; then there is again."""

    kind = "disk"

    def __init__(self, engine: str, hold_s: float = 15.0) -> None:
        self.name = f"disk full under {engine} for {hold_s:g} s"
        self.hold_s = hold_s
        self._engine = engine

    def possible(self, site: Site) -> str | None:
        return None if self._engine in site.disks else "this process may not mount a file system"

    async def inject(self, site: Site) -> None:
        site.disks[self._engine].fill()

    async def heal(self, site: Site) -> None:
        site.disks[self._engine].make_room()


ABSENT = (*ENGINES, *DEPARTMENTS)
