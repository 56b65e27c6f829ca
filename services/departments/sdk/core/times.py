"""Checks the times that a department reports. Each is a claim: a clock may be wrong, and a record may lack the hour.

A task cannot be received before it was requested, nor decided before it was received, and nothing has happened after
the moment at which its report arrived. A time within a tolerance of these bounds comes from an honest clock and counts
as the nearest possible moment. Any other time is doubtful. The latest possible moment counts in its place, until the
department corrects the time or a supervisor settles it (`settled`).

A time at midnight is a day without a time: systems that keep only days have it so. It is possible if any moment of its
day is, and counts as the first of these moments. So a task that is requested and decided on one day is decided when it
is requested, and a decision on the last day of a limit is in time: nothing shows that it came after closing. The
moment does not depend on when the report arrives, so that a repeated report is the same.
"""

from datetime import date, datetime, time, timedelta
from typing import TypeVar

from contracts.core import InvalidMessage
from contracts.messages.tasks import DoubtfulTime, TimeField, TimeSettled
from contracts.zone import CHINA
from services.departments.sdk.core.messages import Answer, Decision, Posted, Procedure, Receipt
from services.departments.sdk.core.state import Task

LONGEST_ANNOUNCED = timedelta(days=366)
"""How far ahead a department may announce the beginning or the end of a special procedure."""

R = TypeVar("R", Receipt, Decision, Procedure)


def checked_answer(task: Task, answer: Answer, arrived_at: datetime, tolerance: timedelta) -> Answer:
    """The answer to this task with the moments that count, and the doubtful times beside them.

    ``arrived_at``: when the answer arrived, which a decision keeps.
    """
    match answer:
        case Receipt():
            return _receipt(answer, _Bounds(task, arrived_at, tolerance))
        case Decision():
            return _decision(answer, task.receipt, _Bounds(task, arrived_at, tolerance))
        case Posted():
            return answer


def checked_procedure(task: Task, procedure: Procedure, arrived_at: datetime, tolerance: timedelta) -> Procedure:
    """The report of a special procedure with the moments that count, and the doubtful times beside them.

    Its beginning and its end may be announced. A procedure whose end is doubtful lasts until another report.
    """
    bounds = _Bounds(task, arrived_at, tolerance)
    announced = bounds.latest + LONGEST_ANNOUNCED
    doubtful = []
    since, until = bounds.possible(procedure.since, bounds.earliest, announced), procedure.until
    if since is None:
        doubtful.append(DoubtfulTime(field=TimeField.SINCE, claimed=procedure.since))
        ended = until is not None and bounds.earliest <= until < bounds.latest
        since = until if ended and until is not None else bounds.latest
    if procedure.until is not None:
        until = bounds.possible(max(procedure.until, since), since, announced)
        if until is None:
            doubtful.append(DoubtfulTime(field=TimeField.UNTIL, claimed=procedure.until))
    reported_at = bounds.possible(procedure.reported_at, bounds.earliest, bounds.latest) or bounds.latest
    counting = (since, until, reported_at)
    if counting == (procedure.since, procedure.until, procedure.reported_at):
        return procedure
    return procedure.replace(since=since, until=until, reported_at=reported_at, doubtful=tuple(doubtful))


def settled(report: R, settlement: TimeSettled) -> R:
    """The report with the moment that a supervisor has settled. Raises `InvalidMessage` for an impossible moment."""
    doubt = DoubtfulTime(field=settlement.field, claimed=settlement.claimed)
    if doubt not in report.doubtful:
        return report
    if settlement.field is not TimeField.UNTIL and settlement.counts_at > vars(report)[settlement.field]:
        raise InvalidMessage(
            f"{settlement.field} cannot lie after the moment at which its report arrived",
            f"{settlement.field} 不能晚于收到其回报的时刻",
        )
    others = tuple(one for one in report.doubtful if one != doubt)
    changed = report.replace(**{settlement.field: settlement.counts_at}, doubtful=others)
    if isinstance(changed, Procedure):
        if changed.until is not None and changed.until < changed.since:
            raise InvalidMessage("a special procedure cannot end before it begins", "特别程序不能在开始之前结束")
        return changed.replace(reported_at=max(changed.reported_at, settlement.settled_at))
    return changed


class _Bounds:
    """The moments between which the times of one report lie."""

    def __init__(self, task: Task, arrived_at: datetime, tolerance: timedelta) -> None:
        self.earliest, self.latest = min(task.request.requested_at, arrived_at), arrived_at
        self._tolerance = tolerance

    def possible(self, claimed: datetime, earliest: datetime, latest: datetime) -> datetime | None:
        """The moment that counts for this time; None for a doubtful one."""
        if earliest <= claimed <= latest:
            return claimed
        ends_at = claimed + timedelta(days=1) if _is_day(claimed) else claimed
        if earliest - self._tolerance <= ends_at and claimed <= latest + self._tolerance:
            return earliest if claimed < earliest else latest
        return None


def _is_day(claimed: datetime) -> bool:
    """Whether it is a day without a time. The first and the last day of the calendar are none: no zone has them."""
    return date.min < claimed.date() < date.max and claimed.astimezone(CHINA).time() == time()


def _receipt(report: Receipt, bounds: _Bounds) -> Receipt:
    delivered_at = bounds.possible(report.delivered_at, bounds.earliest, bounds.latest)
    if delivered_at == report.delivered_at:
        return report
    if delivered_at is not None:
        return report.replace(delivered_at=delivered_at)
    doubt = DoubtfulTime(field=TimeField.DELIVERED_AT, claimed=report.delivered_at)
    return report.replace(delivered_at=bounds.latest, doubtful=(doubt,))


def _decision(report: Decision, receipt: Receipt | None, bounds: _Bounds) -> Decision:
    """A doubtful time of receipt is replaced by that of a receipt before, or else by that of the decision."""
    doubtful = []
    delivered_at = bounds.possible(report.delivered_at, bounds.earliest, bounds.latest)
    if delivered_at is None and receipt is not None and not receipt.doubtful:
        delivered_at = receipt.delivered_at
    if delivered_at is None:
        doubtful.append(DoubtfulTime(field=TimeField.DELIVERED_AT, claimed=report.delivered_at))
    earliest = delivered_at or bounds.earliest
    latest = max(bounds.latest, earliest)  # the receipt before is later if the platform's own clock was set back
    decided_at = bounds.possible(report.decided_at, earliest, latest)
    if decided_at is None:
        doubtful.append(DoubtfulTime(field=TimeField.DECIDED_AT, claimed=report.decided_at))
        decided_at = latest
    if delivered_at == report.delivered_at and decided_at == report.decided_at and not doubtful:
        return report.replace(arrived_at=latest)
    return report.replace(
        delivered_at=delivered_at or decided_at,
        decided_at=decided_at,
        arrived_at=latest,
        doubtful=tuple(doubtful),
    )
