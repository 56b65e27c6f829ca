"""The report of each process about itself, for operators: it is no case, and the newest report of a process counts."""

from typing import Annotated, ClassVar

from pydantic import Field

from contracts.envelope import Code, Instant, Name, Report
from contracts.values import Value

Line = Annotated[str, Field(min_length=1, max_length=2000)]
"""A sentence for an operator, without personal data."""

Count = Annotated[int, Field(ge=0)]

Seconds = Annotated[float, Field(ge=0)]
"""An age, as of the report."""


class Reason(Value):
    """Why something does not work, and what to do."""

    en: Line
    zh: Line


class PausedTopic(Value):
    """A topic that the process does not read, by itself, until an operator resumes it."""

    topic: Name
    since: Instant
    reason: Reason


class Calls(Value):
    """The external calls of a process to its department's system."""

    under_way: Count
    held_back: bool
    """Whether the circuit breaker is open."""


class Rollout(Value):
    """How far the open cases of a service follow the newest version of the document that they follow."""

    kind: Code
    number: Count
    """The version."""
    visited: Count
    changed: Count
    """Of the cases visited, those in which something changed."""
    open_cases: Count
    """As the statistics of the database have it."""
    began_at: Instant | None = None
    done_at: Instant | None = None


class Journal(Value):
    """How far the journal of a service's decisions is signed."""

    chained_until: Instant | None = None
    """All decisions up to this moment are chained."""
    signed_day: Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")] | None = None
    """The last day whose end is signed."""


class Stored(Value):
    """The state of a service's database. All replicas of a service report the same."""

    unpublished: Count
    """Batches with messages that Kafka has not acknowledged."""
    oldest_unpublished_s: Seconds = 0.0
    """Of messages; a dead letter that is replayed counts from then on."""
    timers_due: Count
    """Timers that are due, by the shared clock; counted to 10,000."""
    latest_timer_s: Seconds = 0.0
    """How long the one has been due that is due for longest."""
    calls_due: Count
    """External calls that are due; counted to 10,000."""
    letters: Count
    """Dead letters that wait for an operator; counted to 10,000."""
    blocked_cases: Count
    """Cases whose later messages wait behind one of them."""
    bytes: Count
    """The size of the database."""
    free_bytes: Count | None = None
    """Free on the disk of the database, where the process sees that disk."""
    disk_bytes: Count | None = None
    rollout: Rollout | None = None
    journal: Journal | None = None


class ProcessReported(Report):
    """The state of one process of a service, every ten seconds."""

    type: ClassVar[str] = "onedoor.process.reported.v1"

    service: Code
    replica: Annotated[str, Field(min_length=1, max_length=100)]
    version: Annotated[str, Field(min_length=1, max_length=64)]
    """Of the program."""
    started_at: Instant
    """Machine time."""
    stopped: bool = False
    """The process has stopped in order: this is its last report."""
    faults: tuple[Reason, ...] = ()
    """Why it cannot do its work."""
    impairments: tuple[Reason, ...] = ()
    """Its parts that stand still while it does the rest."""
    lag: Count | None = None
    """Records of Kafka that it has not read yet; None while that is not known."""
    paused: tuple[PausedTopic, ...] = ()
    calls: Calls | None = None
    """None for a process without an external system."""
    stored: Stored | None = None
    """None while the database cannot be read."""

    @property
    def process(self) -> str:
        """The key of its records."""
        return f"{self.service}/{self.replica}"
