"""The registry of messages: the topic, the producer and the consumers of each.

Each family of messages has a topic. Messages to and from departments have one topic per department system, so that the
adapter of a department needs rights on its own two topics only. The rights of every service on Kafka follow from this
table, and the AsyncAPI document is generated from it.
"""

from collections.abc import Iterable
from typing import NamedTuple

from contracts.envelope import Document, Message, Report
from contracts.messages.alerts import (
    AlertAcknowledged,
    AlertAppealed,
    AlertClosed,
    AlertRaised,
    AlertReopened,
    AlertWithdrawn,
    AppealDecided,
    CardNotIssued,
    OperationsAlerted,
    TimeDoubted,
)
from contracts.messages.cases import (
    CaseAccepted,
    CaseDecided,
    CaseExtended,
    CaseHeld,
    CaseReported,
    CaseRestarted,
    CaseStateRequested,
    CaseSuspended,
)
from contracts.messages.commitments import CommitmentsMoved, CommitmentsOpened
from contracts.messages.documents import AlmanacPublished, NamesPublished, PostsPublished
from contracts.messages.processes import ProcessReported
from contracts.messages.side_timers import SideTimersReported, SideTimersRequested
from contracts.messages.tasks import TaskCorrected, TaskDelivered, TaskDone, TaskRequested, TaskSuspended, TimeSettled


class Route(NamedTuple):
    """The topic, producer and consumers of a message. ``departments`` stands for every department's service, and
    ``processes`` for every process of any service.

    ``{system}`` in the topic stands for the department system that the message names. ``consumers`` is empty for
    messages that only systems outside of onedoor consume.
    """

    topic: str
    producer: str
    consumers: tuple[str, ...]


REGISTRY: dict[type[Message], Route] = {
    CaseAccepted: Route("onedoor.cases", "intake", ("monitor", "routing")),
    CaseSuspended: Route("onedoor.cases", "intake", ("monitor",)),
    CaseExtended: Route("onedoor.cases", "intake", ("monitor",)),
    CaseRestarted: Route("onedoor.cases", "intake", ("monitor",)),
    SideTimersReported: Route("onedoor.cases", "intake", ("monitor",)),
    TaskRequested: Route("onedoor.tasks.{system}", "routing", ("departments",)),
    TimeSettled: Route("onedoor.tasks.{system}", "monitor", ("departments",)),
    TaskCorrected: Route("onedoor.tasks.{system}", "departments", ("departments",)),
    TaskDelivered: Route("onedoor.answers.{system}", "departments", ("intake", "monitor", "routing")),
    TaskSuspended: Route("onedoor.answers.{system}", "departments", ("monitor",)),
    TaskDone: Route("onedoor.answers.{system}", "departments", ("intake", "monitor", "routing")),
    CaseReported: Route("onedoor.decisions", "routing", ("intake", "monitor")),
    CaseDecided: Route("onedoor.decisions", "routing", ("intake", "monitor")),
    CaseStateRequested: Route("onedoor.requests", "monitor", ("routing",)),
    SideTimersRequested: Route("onedoor.requests", "monitor", ("intake",)),
    CommitmentsOpened: Route("onedoor.commitments", "monitor", ("intake",)),
    CommitmentsMoved: Route("onedoor.commitments", "monitor", ("intake",)),
    CaseHeld: Route("onedoor.commitments", "monitor", ()),
    AlertRaised: Route("onedoor.alerts", "monitor", ()),
    AlertWithdrawn: Route("onedoor.alerts", "monitor", ()),
    AlertClosed: Route("onedoor.alerts", "monitor", ()),
    AlertReopened: Route("onedoor.alerts", "monitor", ()),
    CardNotIssued: Route("onedoor.alerts", "monitor", ()),
    AlertAcknowledged: Route("onedoor.alerts", "monitor", ()),
    AlertAppealed: Route("onedoor.alerts", "monitor", ()),
    AppealDecided: Route("onedoor.alerts", "monitor", ()),
    OperationsAlerted: Route("onedoor.alerts", "monitor", ()),
    TimeDoubted: Route("onedoor.alerts", "monitor", ()),
    PostsPublished: Route("onedoor.documents", "monitor", ("departments", "intake", "monitor", "routing")),
    AlmanacPublished: Route("onedoor.documents", "monitor", ("departments", "intake", "monitor", "routing")),
    NamesPublished: Route("onedoor.documents", "intake", ("departments", "intake", "monitor", "routing")),
    ProcessReported: Route("onedoor.state", "processes", ("monitor",)),
}
"""All messages on Kafka. The key of every record is the case id, that of a document its kind, that of a report the
process."""

DOCUMENTS = frozenset(route.topic for message, route in REGISTRY.items() if issubclass(message, Document))
"""The topics of documents: Kafka keeps the newest record of each key, with one partition."""

REPORTS = frozenset(route.topic for message, route in REGISTRY.items() if issubclass(message, Report))
"""The topics of reports: Kafka keeps the newest record of each key, for a day, with one partition."""

CASE_MESSAGES = tuple(message for message in REGISTRY if not issubclass(message, Document | Report))
"""All messages about cases."""

MAX_RECORD_BYTES = 256 * 1024
"""The largest record about a case. A larger one becomes a dead letter."""

MAX_DOCUMENT_BYTES = 16 * 1024 * 1024
"""The largest document: the posts of a province are some megabytes."""


def topic_of(message: Message) -> str:
    """The topic on which this message is published."""
    template = REGISTRY[type(message)].topic
    return template.format(system=message.system) if "{" in template else template  # type: ignore[attr-defined]


def topics_for(types: Iterable[type[Message]], systems: Iterable[str]) -> tuple[str, ...]:
    """The topics of these messages for the given department systems, sorted."""
    templates = {REGISTRY[message].topic for message in types}
    systems = tuple(systems)
    return tuple(sorted({t.format(system=s) for t in templates for s in (systems if "{" in t else ("",))}))
