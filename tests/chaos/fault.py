"""What a fault is, and what is known of the time in which it lasted."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from tests.chaos.applicants import Applicants, Try
from tests.chaos.progress import Gauge
from tests.chaos.testbed import Site


@dataclass(frozen=True, slots=True)
class Lasted:
    """The time of a fault, in machine time, beside the throughput just before it."""

    began: float
    ended: float
    applicants: Applicants
    gauge: Gauge
    earlier: dict[str, float]
    """Cases a second that each service closed before the fault; ``accepted`` of those handed in."""

    def share(self, service: str, settling_s: float = 3.0) -> float:
        """The throughput of a service while the fault lasted, as a share of what it was before."""
        since, until = self.began + settling_s, self.ended
        if service == "accepted":
            now = sum(since < at <= until for at, _ in self.applicants.accepted) / max(until - since, 0.001)
        else:
            now = self.gauge.rate(service, since, until)
        return now / max(self.earlier[service], 0.001)

    @property
    def tries(self) -> list[Try]:
        """The requests that were answered while the fault lasted."""
        return [one for one in self.applicants.tries if self.began < one.at <= self.ended]


class Fault(ABC):
    """Something that goes wrong, for a while. It may be used once."""

    kind: ClassVar[str]
    """What faults like this one have in common: each kind happens once at least."""
    name: str
    """What exactly goes wrong."""
    hold_s: float
    """How long it lasts, between ``inject`` and ``heal``."""
    said_are_heard: ClassVar[bool] = True
    """Whether messages that Kafka has acknowledged must reach their readers in spite of this fault."""

    @property
    def seconds(self) -> float:
        """About how long it takes with all that follows, for planning."""
        return self.hold_s + 22.0

    def possible(self, site: Site) -> str | None:
        """Why it cannot be tried here, or None."""
        del site
        return None

    @abstractmethod
    async def inject(self, site: Site) -> None:
        """Break it."""

    @abstractmethod
    async def heal(self, site: Site) -> None:
        """Take the cause away, and nothing else: the platform is to come back by itself."""

    def claims(self, lasted: Lasted) -> Iterator[str]:
        """What went on meanwhile and should not have, or the other way round."""
        del lasted
        yield from ()


def drawn(random: Random, low: float, high: float) -> float:
    """A number of seconds between these."""
    return round(random.uniform(low, high), 2)
