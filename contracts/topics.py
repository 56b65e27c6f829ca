"""Which message goes to which topic. The key of every record is the case id.

Topics are per message family and, where departments are concerned, per system: a department's adapter can
be given the right to read and write its own two topics and nothing else.
"""

from collections.abc import Iterable

from contracts.cases import CaseAccepted, CaseExtended, CaseRestarted, CaseSuspended
from contracts.clocks import ClocksAsked, ClocksReported
from contracts.commitments import (
    AlertAcknowledged,
    AlertAppealed,
    AlertClosed,
    AlertRaised,
    AlertWithdrawn,
    AppealDecided,
    CardSpared,
    CaseAsked,
    CaseHeld,
    CommitmentsMoved,
    CommitmentsOpened,
    OperationsAlerted,
)
from contracts.envelope import Message
from contracts.plans import CaseDecided, CaseReported
from contracts.retired import AlertRaisedV1, AlertWithdrawnV1
from contracts.tasks import TaskDelivered, TaskDone, TaskRequested, TaskSuspended

TOPICS: dict[type[Message], str] = {
    CaseAccepted: "onedoor.cases",
    CaseSuspended: "onedoor.cases",
    CaseExtended: "onedoor.cases",
    CaseRestarted: "onedoor.cases",
    ClocksReported: "onedoor.cases",
    TaskRequested: "onedoor.tasks.{system}",
    TaskDelivered: "onedoor.answers.{system}",
    TaskSuspended: "onedoor.answers.{system}",
    TaskDone: "onedoor.answers.{system}",
    CaseReported: "onedoor.decisions",
    CaseDecided: "onedoor.decisions",
    CaseAsked: "onedoor.questions",
    ClocksAsked: "onedoor.questions",
    CommitmentsOpened: "onedoor.commitments",
    CommitmentsMoved: "onedoor.commitments",
    CaseHeld: "onedoor.commitments",
    AlertRaised: "onedoor.alerts",
    AlertWithdrawn: "onedoor.alerts",
    AlertClosed: "onedoor.alerts",
    CardSpared: "onedoor.alerts",
    AlertAcknowledged: "onedoor.alerts",
    AlertAppealed: "onedoor.alerts",
    AppealDecided: "onedoor.alerts",
    AlertRaisedV1: "onedoor.alerts",
    AlertWithdrawnV1: "onedoor.alerts",
    OperationsAlerted: "onedoor.alerts",
}
"""Message type -> topic; ``{system}`` stands for the department system that the message names."""

MAX_RECORD_BYTES = 256 * 1024
"""A record larger than this is a dead letter."""


def topic_of(message: Message) -> str:
    """The topic a message is said on."""
    template = TOPICS[type(message)]
    return template.format(system=message.system) if "{" in template else template  # type: ignore[attr-defined]


def topics_for(types: Iterable[type[Message]], systems: Iterable[str]) -> tuple[str, ...]:
    """The topics that carry these messages when the given department systems are in use, sorted."""
    templates = {TOPICS[message] for message in types}
    systems = tuple(systems)
    return tuple(sorted({t.format(system=s) for t in templates for s in (systems if "{" in t else ("",))}))
