"""The record of an alert in the state of a case: the rung, its acknowledgement, and the appeal against it. Pure."""

from collections.abc import Iterable

from contracts.envelope import Instant
from contracts.messages.alerts import Occurrence, Rung
from contracts.messages.fields import PersonId, Reason
from contracts.values import Value


class Acknowledgement(Value):
    """A person has acknowledged an alert, and takes charge of it (签收)."""

    by: PersonId
    reason: Reason
    acknowledged_at: Instant


class AppealAnswer(Value):
    """A supervisor's decision on an appeal."""

    by: PersonId
    upheld: bool
    reason: Reason
    decided_at: Instant


class Appeal(Value):
    """A department's complaint against a card (申诉)."""

    by: PersonId
    reason: Reason
    appealed_at: Instant
    answer: AppealAnswer | None = None


class RaisedRung(Value):
    """An alert: a rung that has fired. A withdrawn one stays on record: published alerts are not forgotten."""

    rung: Rung
    raised_at: Instant
    withdrawn: bool = False
    occurrence: Occurrence = 1
    acknowledgement: Acknowledgement | None = None
    appeal: Appeal | None = None

    @property
    def overturned(self) -> bool:
        """Whether an appeal against it was upheld. Such a rung is not raised again."""
        return self.appeal is not None and self.appeal.answer is not None and self.appeal.answer.upheld


def rungs_not_raised_again(raised: Iterable[RaisedRung]) -> frozenset[Rung]:
    """The rungs with an alert that is not withdrawn, or that was overturned on appeal."""
    return frozenset(alert.rung for alert in raised if not alert.withdrawn or alert.overturned)
