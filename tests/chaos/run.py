"""A run: a steady load, one fault after another, and a check after each that the platform has recovered."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.chaos.applicants import Applicants
from tests.chaos.checks.check import BEGINNING, CheckRequest, find_violations
from tests.chaos.faults.fault import Fault, FaultPeriod
from tests.chaos.progress import SERVICES, Progress
from tests.chaos.testbed import Testbed

RECOVERED_SHARE = 0.9
"""The share of its earlier throughput that the platform must reach again."""

RECOVERY_S = 60.0
"""Seconds within which it must reach it."""

WINDOW_S = 5.0
"""Seconds over which throughput is measured."""

DRAIN_S = 180.0
"""Seconds within which every accepted case must be finished once no new one arrives. After five minutes without Kafka
it takes two minutes."""

ARRIVAL_S = 20.0
"""Seconds for messages that are still under way after that."""


@dataclass
class Outcome:
    """The effect of one fault. Times are machine time; None for an event that did not happen."""

    fault: Fault
    began: float
    healed: float = 0.0
    rate_before: float = 0.0
    """Whole cases a second before the fault."""
    lowest_rate: float = 0.0
    recovered_s: float | None = None
    drained_s: float | None = None
    violations: list[str] = field(default_factory=list)
    """Broken promises: about the time of the fault, and in the data after it."""
    skipped: str | None = None

    @property
    def passed(self) -> bool:
        """Whether the platform has recovered and kept all promises."""
        return self.skipped is not None or (
            self.recovered_s is not None and self.drained_s is not None and not self.violations
        )


@dataclass
class Run:
    """Injects these faults, one after another."""

    testbed: Testbed
    faults: Sequence[Fault]
    rate: float
    seed: int
    log: Callable[[str], None]
    outcomes: list[Outcome] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.applicants = Applicants(lambda: self.testbed.intake_addresses, self.rate, self.seed)
        self.progress = Progress(lambda name: self.testbed.url(name), self.applicants.accepted)
        self._checked_until = BEGINNING
        self._all_kept = True

    async def run(self) -> None:
        """Inject all faults. Outcomes hold the failures of the platform; an exception is a failure of the run."""
        async with asyncio.TaskGroup() as group:
            background = [group.create_task(self.applicants.run()), group.create_task(self.progress.run())]
            for number, fault in enumerate(self.faults, 1):
                self.log(f"{number} of {len(self.faults)}: {fault.name}")
                outcome = await self._run_fault(fault, last=number == len(self.faults))
                self.outcomes.append(outcome)
                self.log(f"    {describe(outcome)}")
            for task in background:
                task.cancel()

    @property
    def passed(self) -> bool:
        """Whether the platform has recovered from every fault and kept all promises."""
        return bool(self.outcomes) and all(one.passed for one in self.outcomes) and not self.applicants.unexpected

    async def _run_fault(self, fault: Fault, *, last: bool) -> Outcome:
        outcome = Outcome(fault, time.monotonic(), skipped=fault.skip_reason(self.testbed))
        if outcome.skipped:
            return outcome
        self.applicants.paused = False
        if not await self._reaches(self.rate * RECOVERED_SHARE, RECOVERY_S):
            outcome.violations.append(
                f"the platform did not reach {RECOVERED_SHARE:.0%} of {self.rate:g} cases a second before the fault"
            )
        outcome.began = time.monotonic()
        rates_before = self._throughput(outcome.began)
        outcome.rate_before = rates_before["intake"]
        await fault.inject(self.testbed)
        await asyncio.sleep(fault.hold_s)
        period = FaultPeriod(outcome.began, time.monotonic(), self.applicants, self.progress, rates_before)
        await fault.heal(self.testbed)
        outcome.healed = time.monotonic()
        if await self._reaches(min(outcome.rate_before, self.rate) * RECOVERED_SHARE, RECOVERY_S):
            outcome.recovered_s = time.monotonic() - outcome.healed
        outcome.violations += fault.violations(period)
        await self._drain(outcome)
        await self._check(outcome, last)
        outcome.lowest_rate = self._lowest_rate(outcome)
        return outcome

    async def _drain(self, outcome: Outcome) -> None:
        """Stop the load and wait until every case is finished."""
        self.applicants.paused = True
        began = time.monotonic()
        answered = await self.applicants.all_answered(DRAIN_S)
        await self.progress.all_polled()
        if not answered:
            outcome.violations.append(f"{self.applicants.waiting} applicants had no answer within {DRAIN_S:g} s")
        while time.monotonic() < began + DRAIN_S:
            if answered and self.progress.idle:
                outcome.drained_s = time.monotonic() - began
                return
            await asyncio.sleep(0.2)
        open_cases = {name: len(cases) for name, cases in self.progress.open_cases.items() if cases}
        example = next((min(cases) for cases in self.progress.open_cases.values() if cases), "")
        unpublished = {name: batches for name, batches in self.progress.unpublished.items() if batches}
        outcome.violations.append(
            f"not finished after {DRAIN_S:g} s: cases {open_cases}, such as {example};"
            f" unpublished batches {unpublished}"
        )

    async def _check(self, outcome: Outcome, last: bool) -> None:
        """Search the data for violations, again until none is left or `ARRIVAL_S` have passed."""
        self._all_kept = self._all_kept and outcome.fault.keeps_messages
        request = CheckRequest(
            urls={},
            numbers=[number for _, number in self.applicants.accepted],
            since=self._checked_until,
            all_kept=self._all_kept,
            last=last,
        )
        began = time.monotonic()
        while True:
            result = await find_violations(self.testbed, request)
            if not result.violations or time.monotonic() > began + ARRIVAL_S:
                break
            await asyncio.sleep(1)
        outcome.violations += result.violations
        self._checked_until, self._all_kept = result.until, True

    async def _reaches(self, rate: float, seconds: float) -> bool:
        """Whether throughput reaches so many whole cases a second within so many seconds from now."""
        began = time.monotonic()
        while (now := time.monotonic()) < began + seconds + WINDOW_S:
            if now - began >= WINDOW_S and self.progress.rate("intake", now - WINDOW_S, now) >= rate:
                return True
            await asyncio.sleep(0.25)
        return False

    def _throughput(self, now: float) -> dict[str, float]:
        since = now - WINDOW_S
        accepted = sum(since < at <= now for at, _ in self.applicants.accepted[-5000:]) / WINDOW_S
        return {"accepted": accepted, **{name: self.progress.rate(name, since, now) for name in SERVICES}}

    def _lowest_rate(self, outcome: Outcome) -> float:
        """The lowest throughput over two seconds, from the beginning of the fault to the recovery."""
        until = outcome.healed + (outcome.recovered_s if outcome.recovered_s is not None else RECOVERY_S)
        starts = [outcome.began + second for second in range(int(until - outcome.began))]
        return min((self.progress.rate("intake", start - 1, start + 1) for start in starts), default=0)


def describe(outcome: Outcome) -> str:
    """An outcome in one line."""
    if outcome.skipped:
        return f"skipped: {outcome.skipped}"
    parts = [f"{outcome.rate_before:.0f} cases/s before, {outcome.lowest_rate:.0f} at the lowest"]
    parts.append("not recovered" if outcome.recovered_s is None else f"recovered after {outcome.recovered_s:.0f} s")
    parts.append("not drained" if outcome.drained_s is None else f"drained in {outcome.drained_s:.1f} s")
    return "; ".join((*parts, *(f"BROKEN: {one}" for one in outcome.violations)))
