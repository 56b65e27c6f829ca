"""Processes that are killed with SIGKILL, stopped and continued, or started and stopped in numbers."""

import asyncio
import os
import signal
from collections import Counter
from random import Random

from tests.chaos.faults.fault import Fault, random_seconds
from tests.chaos.testbed import Testbed

PENDING_WORK_S = 0.3
"""Seconds in which services read more messages than they can commit without the database."""


class KillProcesses(Fault):
    """Random processes are killed at random moments; their keepers start them again."""

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

    async def inject(self, testbed: Testbed) -> None:
        while self.killed.total() < self._count:
            await asyncio.sleep(random_seconds(self._random, 0.1, 2.0))
            name = self._random.choice(sorted(testbed.process_names))
            if (pid := testbed.pid(name)) is not None:  # None: it is being restarted, so another one is drawn
                os.kill(pid, signal.SIGKILL)
                self.killed[name] += 1
        self.name += f" ({', '.join(f'{name} {times}' for name, times in sorted(self.killed.items()))})"


class PowerCut(Fault):
    """All processes are killed: the database first, so that services have uncommitted work when they are killed."""

    kind = "power cut"
    name = "power cut: kill -9 of everything"
    hold_s = 0.0

    async def inject(self, testbed: Testbed) -> None:
        for name in sorted(testbed.process_names, key=lambda name: name != "postgres"):
            if (pid := testbed.pid(name)) is not None:
                os.kill(pid, signal.SIGKILL)
                if name == "postgres":
                    await asyncio.sleep(PENDING_WORK_S)


class PausedProcess(Fault):
    """A process is stopped for longer than its consumer group waits, and continues as if it were still a member."""

    kind = "paused process"

    def __init__(self, service: str, hold_s: float = 14.0) -> None:
        self.name = f"SIGSTOP of one {service} for {hold_s:g} s"
        self.hold_s = hold_s
        self._service = service
        self._pid = 0

    async def inject(self, testbed: Testbed) -> None:
        pid = testbed.pid(self._service)
        if pid is None:
            raise RuntimeError(f"{self._service} does not run")
        self._pid = pid
        os.kill(pid, signal.SIGSTOP)

    async def heal(self, testbed: Testbed) -> None:
        os.kill(self._pid, signal.SIGCONT)


class ChangedReplicas(Fault):
    """One process of a service becomes four, and four become one, under load."""

    kind = "replicas"

    def __init__(self, service: str, hold_s: float = 10.0) -> None:
        self.name = f"replicas of {service}: 1, 4, 1, 2"
        self.hold_s = hold_s
        self._service = service

    @property
    def seconds(self) -> float:
        return 3 * self.hold_s + 20.0

    async def inject(self, testbed: Testbed) -> None:
        for replicas in (1, 4, 1):
            await testbed.platform.scale(self._service, replicas)
            await asyncio.sleep(self.hold_s)

    async def heal(self, testbed: Testbed) -> None:
        await testbed.platform.scale(self._service, 2)
