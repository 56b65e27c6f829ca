"""The base class of all faults, and the measurements taken while a fault lasts."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from tests.chaos.applicants import Applicants, RequestOutcome
from tests.chaos.progress import Progress
from tests.chaos.testbed import Testbed


@dataclass(frozen=True, slots=True)
class FaultPeriod:
    """The time of a fault, in machine time, with the throughput just before it."""

    began: float
    ended: float
    applicants: Applicants
    progress: Progress
    rates_before: dict[str, float]
    """Cases a second that each service closed before the fault; ``accepted``: applications accepted a second."""

    def share(self, service: str, settling_s: float = 3.0) -> float:
        """The throughput of a service during the fault, as a share of the throughput before it."""
        since, until = self.began + settling_s, self.ended
        if service == "accepted":
            now = sum(since < at <= until for at, _ in self.applicants.accepted) / max(until - since, 0.001)
        else:
            now = self.progress.rate(service, since, until)
        return now / max(self.rates_before[service], 0.001)

    @property
    def requests(self) -> list[RequestOutcome]:
        """The requests that ended during the fault."""
        return [one for one in self.applicants.requests if self.began < one.at <= self.ended]


class Fault(ABC):
    """Something that is broken for a while. An instance is used once."""

    kind: ClassVar[str]
    """Groups faults that have the same cause. Every run has each kind at least once."""
    name: str
    """Describes the fault in the report."""
    hold_s: float
    """Seconds between ``inject`` and ``heal``."""
    keeps_messages: ClassVar[bool] = True
    """Whether messages that Kafka has acknowledged must reach their consumers in spite of this fault."""

    @property
    def seconds(self) -> float:
        """Estimated duration including recovery and checks, for the schedule."""
        return self.hold_s + 22.0

    def skip_reason(self, testbed: Testbed) -> str | None:
        """The reason why this fault cannot be injected on this machine, or None."""
        del testbed
        return None

    @abstractmethod
    async def inject(self, testbed: Testbed) -> None:
        """Break it."""

    async def heal(self, testbed: Testbed) -> None:
        """Remove the cause and do nothing else: the platform must recover by itself. Keepers restart killed processes,
        so nothing is left to do then."""
        del testbed

    def violations(self, period: FaultPeriod) -> Iterator[str]:
        """Promises about the time of the fault that were not kept."""
        del period
        yield from ()


def random_seconds(random: Random, low: float, high: float) -> float:
    """A random number of seconds between these."""
    return round(random.uniform(low, high), 2)
