"""Which message goes to which topic. The key of every record is the case id.

Topics are per message family and, where departments are concerned, per system: a department's adapter can
be given the right to read and write its own two topics and nothing else.
"""

from collections.abc import Iterable
from typing import NamedTuple

from contracts.envelope import Message
from contracts.messages.alerts import (
    AlertAcknowledged,
    AlertAppealed,
    AlertClosed,
    AlertRaised,
    AlertWithdrawn,
    AppealDecided,
    CardSpared,
    OperationsAlerted,
)
from contracts.messages.cases import CaseAccepted, CaseExtended, CaseRestarted, CaseSuspended
from contracts.messages.commitments import CaseAsked, CaseHeld, CommitmentsMoved, CommitmentsOpened
from contracts.messages.plans import CaseDecided, CaseReported
from contracts.messages.side_timers import ClocksAsked, ClocksReported
from contracts.messages.tasks import TaskDelivered, TaskDone, TaskRequested, TaskSuspended
from contracts.retired import AlertRaisedV1, AlertWithdrawnV1

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


class Flow(NamedTuple):
    """``hearers`` may be empty: some messages are for whoever is interested."""

    sayer: str
    hearers: tuple[str, ...]


FLOWS: dict[type[Message], Flow] = {
    CaseAccepted: Flow("intake", ("monitor", "routing")),
    CaseSuspended: Flow("intake", ("monitor",)),
    CaseExtended: Flow("intake", ("monitor",)),
    CaseRestarted: Flow("intake", ("monitor",)),
    ClocksReported: Flow("intake", ("monitor",)),
    TaskRequested: Flow("routing", ("departments",)),
    TaskDelivered: Flow("departments", ("intake", "monitor", "routing")),
    TaskSuspended: Flow("departments", ("monitor",)),
    TaskDone: Flow("departments", ("intake", "monitor", "routing")),
    CaseReported: Flow("routing", ("intake", "monitor")),
    CaseDecided: Flow("routing", ("intake", "monitor")),
    CaseAsked: Flow("monitor", ("routing",)),
    ClocksAsked: Flow("monitor", ("intake",)),
    CommitmentsOpened: Flow("monitor", ("intake",)),
    CommitmentsMoved: Flow("monitor", ("intake",)),
    CaseHeld: Flow("monitor", ()),
    AlertRaised: Flow("monitor", ()),
    AlertWithdrawn: Flow("monitor", ()),
    AlertClosed: Flow("monitor", ()),
    CardSpared: Flow("monitor", ()),
    AlertAcknowledged: Flow("monitor", ()),
    AlertAppealed: Flow("monitor", ()),
    AppealDecided: Flow("monitor", ()),
    AlertRaisedV1: Flow("monitor", ()),
    AlertWithdrawnV1: Flow("monitor", ()),
    OperationsAlerted: Flow("monitor", ()),
}
