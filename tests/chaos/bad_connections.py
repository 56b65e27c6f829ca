"""Connections that hang, end in the middle of an answer or are answered too late; and a clock that steps."""

import asyncio
from datetime import timedelta

from tests.chaos.fault import Fault
from tests.chaos.proxies import Manner
from tests.chaos.testbed import Site

SPOILT = (Manner.HANGING, Manner.CUT, Manner.LATE)
STEP = timedelta(hours=1)


class Spoilt(Fault):
    """All connections to an engine or a department are spoilt in one manner."""

    kind = "connections"

    def __init__(self, link: str, manner: Manner, hold_s: float = 15.0) -> None:
        self.name = f"connections to {link}: {manner}, for {hold_s:g} s"
        self.hold_s = hold_s
        self._link = link
        self._manner = manner

    async def inject(self, site: Site) -> None:
        await site.links[self._link].behave(self._manner)

    async def heal(self, site: Site) -> None:
        await site.links[self._link].behave(Manner.WHOLE)


class ClockSteps(Fault):
    """The clock that the services read steps an hour forward, past the close of business, and back.

    Tax is away meanwhile, so that filings are open when they fall due: what is late must be said, once.
    """

    kind = "clock"
    name = "the clock steps an hour forward, and back"

    def __init__(self, hold_s: float = 8.0) -> None:
        self.hold_s = hold_s

    async def inject(self, site: Site) -> None:
        await site.links["tax"].behave(Manner.REFUSED)
        await asyncio.sleep(3)
        site.clock.set(site.clock.now() + STEP, 1.0)

    async def heal(self, site: Site) -> None:
        site.clock.set(site.clock.now() - STEP, 1.0)
        await site.links["tax"].behave(Manner.WHOLE)
