"""Kill -9 of any process, and processes that are stopped and go on as if nothing had happened."""

import asyncio
import os
import signal
from collections import Counter
from random import Random

from tests.chaos.fault import Fault, drawn
from tests.chaos.testbed import Site

IN_HAND_S = 0.3
"""Time in which the services read more than they can write."""


class Kills(Fault):
    """Kill -9 of any process at random moments; the keepers start them again."""

    kind = "kills"
    hold_s = 0.0

    def __init__(self, random: Random, count: int) -> None:
        self.name = f"kill -9 of {count} processes"
        self.killed: Counter[str] = Counter()
        self._random = random
        self._count = count

    @property
    def seconds(self) -> float:
        return self._count * 1.05 + 20.0

    async def inject(self, site: Site) -> None:
        while self.killed.total() < self._count:
            await asyncio.sleep(drawn(self._random, 0.1, 2.0))
            victim = self._random.choice(sorted(site.victims))
            if (pid := site.pid(victim)) is not None:  # else it is coming back just now: another one is drawn
                os.kill(pid, signal.SIGKILL)
                self.killed[victim] += 1
        self.name += f" ({', '.join(f'{name} {times}' for name, times in sorted(self.killed.items()))})"

    async def heal(self, site: Site) -> None:
        """The keepers do that."""


class PowerCut(Fault):
    """Kill -9 of everything: the database first, so that work is in hand when the services go."""

    kind = "power cut"
    name = "power cut: kill -9 of everything"
    hold_s = 0.0

    async def inject(self, site: Site) -> None:
        victims = sorted(site.victims, key=lambda name: name != "postgres")
        for victim in victims:
            if (pid := site.pid(victim)) is not None:
                os.kill(pid, signal.SIGKILL)
                if victim == "postgres":
                    await asyncio.sleep(IN_HAND_S)

    async def heal(self, site: Site) -> None:
        """The keepers do that."""


class Zombie(Fault):
    """A process is stopped for longer than its group's patience, and goes on in the belief that it is a member."""

    kind = "zombie"

    def __init__(self, service: str, hold_s: float = 14.0) -> None:
        self.name = f"SIGSTOP of one {service} for {hold_s:g} s"
        self.hold_s = hold_s
        self._service = service
        self._pid = 0

    async def inject(self, site: Site) -> None:
        pid = site.pid(self._service)
        if pid is None:
            raise RuntimeError(f"{self._service} does not run")
        self._pid = pid
        os.kill(pid, signal.SIGSTOP)

    async def heal(self, site: Site) -> None:
        os.kill(self._pid, signal.SIGCONT)


class Scaled(Fault):
    """One process of a service becomes four, and four one, under load."""

    kind = "replicas"

    def __init__(self, service: str, hold_s: float = 10.0) -> None:
        self.name = f"replicas of {service}: 1, 4, 1, 2"
        self.hold_s = hold_s
        self._service = service

    @property
    def seconds(self) -> float:
        return 3 * self.hold_s + 20.0

    async def inject(self, site: Site) -> None:
        for replicas in (1, 4, 1):
            await site.platform.scale(self._service, replicas)
            await asyncio.sleep(self.hold_s)

    async def heal(self, site: Site) -> None:
        await site.platform.scale(self._service, 2)
