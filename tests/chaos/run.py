"""A run: a steady load, one fault after another, and after each the questions whether all is well again."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.chaos.applicants import Applicants
from tests.chaos.check import FIRST, Question, broken
from tests.chaos.fault import Fault, Lasted
from tests.chaos.progress import SERVICES, Gauge
from tests.chaos.testbed import Site

RECOVERED = 0.9
"""The share of its earlier throughput that the platform must reach again."""

RECOVERY_S = 60.0
"""Seconds it has for that."""

WINDOW_S = 5.0
"""Seconds over which throughput is measured."""

DRAIN_S = 180.0
"""Seconds in which every case that was accepted must be finished once nothing new comes in: those of five minutes
without Kafka take two."""

SETTLE_S = 20.0
"""Seconds in which what is merely on its way arrives after that."""


@dataclass
class Outcome:
    """What a fault has led to. Times are machine time; None for what did not happen."""

    fault: Fault
    began: float
    healed: float = 0.0
    earlier: float = 0.0
    """Whole cases a second before it."""
    lowest: float = 0.0
    recovered_s: float | None = None
    drained_s: float | None = None
    wrong: list[str] = field(default_factory=list)
    """What must not have happened meanwhile, and what is broken since."""
    skipped: str | None = None

    @property
    def well(self) -> bool:
        """Whether the platform has borne it."""
        return self.skipped is not None or (
            self.recovered_s is not None and self.drained_s is not None and not self.wrong
        )


@dataclass
class Run:
    """A run over these faults."""

    site: Site
    faults: Sequence[Fault]
    rate: float
    seed: int
    say: Callable[[str], None]
    outcomes: list[Outcome] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.applicants = Applicants(lambda: self.site.doors, self.rate, self.seed)
        self.gauge = Gauge(lambda name: self.site.url(name), self.applicants.accepted)
        self._checked = FIRST
        self._said_are_heard = True

    async def go(self) -> None:
        """Do it all. What goes wrong with the platform is in the outcomes; what is raised is a fault of the run."""
        async with asyncio.TaskGroup() as group:
            work = [group.create_task(self.applicants.run()), group.create_task(self.gauge.run())]
            for number, fault in enumerate(self.faults, 1):
                self.say(f"{number} of {len(self.faults)}: {fault.name}")
                outcome = await self._bear(fault, last=number == len(self.faults))
                self.outcomes.append(outcome)
                self.say(f"    {described(outcome)}")
            for task in work:
                task.cancel()

    @property
    def well(self) -> bool:
        """Whether the platform has borne everything."""
        return bool(self.outcomes) and all(one.well for one in self.outcomes) and not self.applicants.wrong

    async def _bear(self, fault: Fault, *, last: bool) -> Outcome:
        outcome = Outcome(fault, time.monotonic(), skipped=fault.possible(self.site))
        if outcome.skipped:
            return outcome
        self.applicants.paused = False
        if not await self._reached(self.rate * RECOVERED, RECOVERY_S):
            outcome.wrong.append(f"before it, not even {RECOVERED:.0%} of {self.rate:g} cases a second were reached")
        outcome.began = time.monotonic()
        earlier = self._throughput(outcome.began)
        outcome.earlier = earlier["intake"]
        await fault.inject(self.site)
        await asyncio.sleep(fault.hold_s)
        lasted = Lasted(outcome.began, time.monotonic(), self.applicants, self.gauge, earlier)
        await fault.heal(self.site)
        outcome.healed = time.monotonic()
        if await self._reached(min(outcome.earlier, self.rate) * RECOVERED, RECOVERY_S):
            outcome.recovered_s = time.monotonic() - outcome.healed
        outcome.wrong += fault.claims(lasted)
        await self._settle(outcome, last)
        outcome.lowest = self._lowest(outcome)
        return outcome

    async def _settle(self, outcome: Outcome, last: bool) -> None:
        """Let everything come to rest, and check it."""
        self.applicants.paused = True
        began = time.monotonic()
        answered = await self.applicants.all_answered(DRAIN_S)
        await self.gauge.looked()
        if not answered:
            outcome.wrong.append(f"{self.applicants.waiting} applicants were not answered within {DRAIN_S:g} s")
        while time.monotonic() < began + DRAIN_S:
            if answered and self.gauge.at_rest:
                outcome.drained_s = time.monotonic() - began
                break
            await asyncio.sleep(0.2)
        if outcome.drained_s is None:
            left = {name: len(cases) for name, cases in self.gauge.left.items() if cases}
            waiting = {name: batches for name, batches in self.gauge.unpublished.items() if batches}
            outcome.wrong.append(
                f"not at rest after {DRAIN_S:g} s: cases {left}, such as {self._some_left()}; batches {waiting}"
            )
        self._said_are_heard = self._said_are_heard and outcome.fault.said_are_heard
        question = Question(
            urls={},
            numbers=[number for _, number in self.applicants.accepted],
            since=self._checked,
            said_are_heard=self._said_are_heard,
            last=last,
        )
        began = time.monotonic()
        while True:
            answer = await broken(self.site, question)
            if not answer.faults or time.monotonic() > began + SETTLE_S:
                break
            await asyncio.sleep(1)
        outcome.wrong += answer.faults
        self._checked, self._said_are_heard = answer.until, True

    def _some_left(self) -> str:
        return next((min(cases) for cases in self.gauge.left.values() if cases), "")

    async def _reached(self, rate: float, seconds: float) -> bool:
        """Whether so many whole cases a second are reached, over a window that begins now, in so many seconds."""
        began = time.monotonic()
        while (now := time.monotonic()) < began + seconds + WINDOW_S:
            if now - began >= WINDOW_S and self.gauge.rate("intake", now - WINDOW_S, now) >= rate:
                return True
            await asyncio.sleep(0.25)
        return False

    def _throughput(self, now: float) -> dict[str, float]:
        since = now - WINDOW_S
        accepted = sum(since < at <= now for at, _ in self.applicants.accepted[-5000:]) / WINDOW_S
        return {"accepted": accepted, **{name: self.gauge.rate(name, since, now) for name in SERVICES}}

    def _lowest(self, outcome: Outcome) -> float:
        """The least throughput over two seconds, from the beginning of the fault until it was recovered from."""
        until = outcome.healed + (outcome.recovered_s if outcome.recovered_s is not None else RECOVERY_S)
        starts = range(int(until - outcome.began))
        return min((self.gauge.rate("intake", outcome.began + s - 1, outcome.began + s + 1) for s in starts), default=0)


def described(outcome: Outcome) -> str:
    """An outcome in a line."""
    if outcome.skipped:
        return f"left out: {outcome.skipped}"
    words = [f"{outcome.earlier:.0f} cases/s before, {outcome.lowest:.0f} at the lowest"]
    words.append("not recovered" if outcome.recovered_s is None else f"recovered {outcome.recovered_s:.0f} s after")
    words.append("not drained" if outcome.drained_s is None else f"drained in {outcome.drained_s:.1f} s")
    return "; ".join((*words, *(f"BROKEN: {one}" for one in outcome.wrong)))
