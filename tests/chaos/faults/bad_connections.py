"""Connections that hang, end in the middle of an answer or are answered too late; and a clock that steps."""

import asyncio
from datetime import timedelta

from tests.chaos.faults.fault import Fault
from tests.chaos.faults.proxies import ProxyMode
from tests.chaos.testbed import Testbed

BAD_MODES = (ProxyMode.HANGING, ProxyMode.CUT, ProxyMode.DELAYED)
STEP = timedelta(hours=1)


class BadConnections(Fault):
    """All connections to an engine or a department misbehave in one way."""

    kind = "connections"

    def __init__(self, dependency: str, mode: ProxyMode, hold_s: float = 15.0) -> None:
        self.name = f"connections to {dependency}: {mode}, for {hold_s:g} s"
        self.hold_s = hold_s
        self._dependency = dependency
        self._mode = mode

    async def inject(self, testbed: Testbed) -> None:
        await testbed.proxies[self._dependency].set_mode(self._mode)

    async def heal(self, testbed: Testbed) -> None:
        await testbed.proxies[self._dependency].set_mode(ProxyMode.NORMAL)


class ClockSteps(Fault):
    """The clock of all services steps an hour forward, past the close of business, and back.

    Tax cannot be reached meanwhile, so that filings are open when they fall due: each must be reported late, once.
    """

    kind = "clock"
    name = "the clock steps an hour forward, and back"

    def __init__(self, hold_s: float = 8.0) -> None:
        self.hold_s = hold_s

    async def inject(self, testbed: Testbed) -> None:
        await testbed.proxies["tax"].set_mode(ProxyMode.REFUSED)
        await asyncio.sleep(3)
        testbed.clock.set(testbed.clock.now() + STEP, 1.0)

    async def heal(self, testbed: Testbed) -> None:
        testbed.clock.set(testbed.clock.now() - STEP, 1.0)
        await testbed.proxies["tax"].set_mode(ProxyMode.NORMAL)
