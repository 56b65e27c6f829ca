"""Who says each message and who hears it, by the role a service plays.

The rights of each role on Kafka follow from this table, and the AsyncAPI document is drawn from it.
"""

from typing import NamedTuple

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
