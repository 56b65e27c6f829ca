"""Capability: a doubtful time of a department is on record until a supervisor settles it or it is corrected. Pure.

The department's service checks times and decides what counts meanwhile (`TaskReport.doubtful`); it also applies the
settlement and reports the task again. Until then the settlement is published again and again.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar

from contracts.core import Rejected, backoff
from contracts.envelope import Code, Instant, Message
from contracts.messages.alerts import TimeDoubted
from contracts.messages.commitments import CASE, step_key
from contracts.messages.fields import PersonId, Reason
from contracts.messages.tasks import TaskDelivered, TaskDone, TaskSuspended, TimeField, TimeSettled, task_id
from contracts.moves import Moves
from services.monitor.core.facts import procedure_id
from services.monitor.core.state import DepartmentReport, DoubtRecord, MonitoredCase

FIRST_RETRY, LONGEST_RETRY = timedelta(seconds=30), timedelta(hours=1)
"""Machine time before a settlement without an answer is published again: the first wait, and the longest."""


class SettleTime(Message):
    """Command: this moment counts in place of a doubtful time."""

    type: ClassVar[str] = "onedoor.monitor.settle-time.v1"

    step: Code
    procedure: Code | None = None
    field: TimeField
    counts_at: Instant
    by: PersonId
    on_behalf_of: PersonId | None = None
    reason: Reason
    clock_tolerance: timedelta = timedelta()
    """A moment that lies outside of what is possible by no more counts as the nearest possible one."""


class DoubtState(StrEnum):
    """How far the clarification of a doubtful time has come."""

    DOUBTED = "doubted"
    SETTLED = "settled"
    """A supervisor has decided, and the department's service has not yet reported the time again."""
    RESOLVED = "resolved"


MOVES: Moves[DoubtState] = {
    (None, TimeDoubted): DoubtState.DOUBTED,
    (DoubtState.DOUBTED, SettleTime): DoubtState.SETTLED,
    # The department corrects the time itself, or reports it as settled.
    (DoubtState.DOUBTED, TaskDone): DoubtState.RESOLVED,
    (DoubtState.SETTLED, TaskDone): DoubtState.RESOLVED,
}


class NoDoubt(Rejected):
    """There is no such doubtful time."""

    def __init__(self) -> None:
        super().__init__("no such time of this step is doubtful", "该环节没有此项存疑时间")


class AfterArrival(Rejected):
    """A time of the past cannot lie after the moment at which its report arrived."""

    def __init__(self) -> None:
        super().__init__("that lies after the moment at which the report arrived", "该时间晚于收到报告的时间")


class BeforeRequest(Rejected):
    """A department cannot have acted before it was requested to."""

    def __init__(self) -> None:
        super().__init__("that lies before the step was requested", "该时间早于该环节的交办时间")


class EndBeforeBeginning(Rejected):
    """A special procedure cannot end before it begins."""

    def __init__(self) -> None:
        super().__init__(
            "the special procedure would end before it begins. Settle the other of its two times first",
            "特别程序的结束将早于其开始，请先认定其另一项时间",
        )


class SettledAlready(Rejected):
    """A doubtful time is settled once."""

    def __init__(self) -> None:
        super().__init__("this time is settled already", "此项时间已认定")


def state_of(doubt: DoubtRecord) -> DoubtState:
    """The state of a doubtful time that is on record."""
    return DoubtState.DOUBTED if doubt.settlement is None else DoubtState.SETTLED


def record(case: MonitoredCase, report: DepartmentReport, at: datetime) -> tuple[MonitoredCase, list[Message]]:
    """The case with the doubtful times of this report, and the messages about those that it resolves.

    The latest report of a step or a procedure replaces what was doubtful before.
    """
    if not report.doubtful and not case.doubts:
        return case, []
    procedure = report.procedure if isinstance(report, TaskSuspended) else None
    concerned = [doubt for doubt in case.doubts if _concerns(report, procedure, doubt)]
    known = {doubt.field: doubt for doubt in concerned}
    reported = [_doubt(report, procedure, one.field, one.claimed, at) for one in report.doubtful]
    kept = [_same(known.get(new.field), new) for new in reported]
    others = [doubt for doubt in case.doubts if doubt not in concerned]
    resolved = [doubt for doubt in concerned if doubt.published and doubt not in kept]
    doubts = tuple(sorted([*others, *kept], key=lambda one: (one.step, one.procedure or "", one.field)))
    out: list[Message] = [_message(case, doubt, resolved_at=at) for doubt in resolved]
    return case.replace(doubts=doubts), out


def publish(case: MonitoredCase) -> tuple[MonitoredCase, list[Message]]:
    """The case with all doubts published, and the messages about those that were not. Needs the acceptance."""
    if all(doubt.published for doubt in case.doubts) or case.matter is None or case.region is None:
        return case, []
    out: list[Message] = [_message(case, doubt) for doubt in case.doubts if not doubt.published]
    return case.replace(doubts=tuple(doubt.replace(published=True) for doubt in case.doubts)), out


def settle(
    case: MonitoredCase, case_id: str, command: SettleTime, now: datetime
) -> tuple[MonitoredCase, list[Message]]:
    """The case with this settlement, and the messages about it. A repeated command changes nothing.

    Raises `NoDoubt`, `SettledAlready`, `AfterArrival`, `BeforeRequest` or `EndBeforeBeginning`.
    """
    place = command.step, command.procedure, command.field
    for doubt in case.doubts:
        if (doubt.step, doubt.procedure, doubt.field) == place:
            break
    else:
        raise NoDoubt
    system = dict(case.step_systems).get(command.step)
    if system is None or case.region is None:
        raise NoDoubt
    step = case.commitment(step_key(command.step)) or case.commitment(CASE)
    opened_at = step.opened_at if step is not None else None
    command = command.replace(counts_at=_possible(command, opened_at, doubt.counts_at))
    if doubt.settlement is not None:
        if doubt.settlement.counts_at != command.counts_at:
            raise SettledAlready
        return case, []
    if command.procedure is not None and _ends_before_it_begins(case, system, command.procedure, command):
        raise EndBeforeBeginning
    if doubt.counts_at is not None and command.counts_at > doubt.counts_at:
        raise AfterArrival
    if opened_at is not None and command.counts_at < opened_at:
        raise BeforeRequest
    settlement = TimeSettled(
        task_id=task_id(case_id, command.step),
        step=command.step,
        system=system,
        procedure=command.procedure,
        field=command.field,
        claimed=doubt.claimed,
        counts_at=command.counts_at,
        by=command.by,
        on_behalf_of=command.on_behalf_of,
        reason=command.reason,
        settled_at=now,
        region=case.region,
    )
    settled = doubt.replace(settlement=settlement, attempts=1)
    case = case.replace(doubts=tuple(settled if one is doubt else one for one in case.doubts))
    return case, [settlement, _message(case, settled)]


def publish_again(case: MonitoredCase) -> tuple[MonitoredCase, list[Message]]:
    """The settlements that the departments' services have not answered, once more."""
    out: list[Message] = [doubt.settlement for doubt in case.doubts if doubt.settlement is not None]
    if not out:
        return case, []
    doubts = tuple(
        doubt.replace(attempts=doubt.attempts + 1) if doubt.settlement is not None else doubt for doubt in case.doubts
    )
    return case.replace(doubts=doubts), out


def retry_after(case: MonitoredCase) -> timedelta | None:
    """How long to wait for an answer to a settlement; None if none is awaited."""
    attempts = [doubt.attempts for doubt in case.doubts if doubt.settlement is not None]
    return backoff(min(attempts), FIRST_RETRY, LONGEST_RETRY) if attempts else None


def _possible(command: SettleTime, earliest: datetime | None, latest: datetime | None) -> datetime:
    """The moment that counts. People write minutes, and read them from clocks that differ."""
    wanted, tolerance = command.counts_at, command.clock_tolerance
    if latest is not None and latest < wanted <= latest + tolerance:
        return latest
    if earliest is not None and earliest - tolerance <= wanted < earliest:
        return earliest
    return wanted


def _ends_before_it_begins(case: MonitoredCase, system: Code, procedure: Code, command: SettleTime) -> bool:
    """Whether the special procedure, with this time settled, would end before it begins."""
    name = procedure_id(system, command.step, procedure)
    times: dict[TimeField, datetime | None] = {}
    for record in case.suspensions:
        if record.suspension == name:
            times = {TimeField.SINCE: record.since, TimeField.UNTIL: record.until}
    times[command.field] = command.counts_at
    since, until = times.get(TimeField.SINCE), times.get(TimeField.UNTIL)
    return since is not None and until is not None and until < since


def _concerns(report: DepartmentReport, procedure: Code | None, doubt: DoubtRecord) -> bool:
    """Whether the report has the time that is in doubt: a receipt has that of the delivery alone."""
    if (doubt.step, doubt.procedure) != (report.step, procedure):
        return False
    return not isinstance(report, TaskDelivered) or doubt.field is TimeField.DELIVERED_AT


def _doubt(
    report: DepartmentReport, procedure: Code | None, field: TimeField, claimed: datetime, at: datetime
) -> DoubtRecord:
    return DoubtRecord(
        step=report.step,
        procedure=procedure,
        field=field,
        claimed=claimed,
        counts_at=getattr(report, field),
        owner=report.department,
        doubted_at=at,
    )


def _same(known: DoubtRecord | None, new: DoubtRecord) -> DoubtRecord:
    """The known record of the same claim, with what is known of it already; else the new one."""
    return known if known is not None and known.claimed == new.claimed else new


def _message(case: MonitoredCase, doubt: DoubtRecord, resolved_at: datetime | None = None) -> TimeDoubted:
    assert case.matter is not None and case.region is not None, "doubts are published after the acceptance"
    settlement = doubt.settlement
    return TimeDoubted(
        step=doubt.step,
        procedure=doubt.procedure,
        field=doubt.field,
        claimed=doubt.claimed,
        counts_at=settlement.counts_at if settlement is not None else doubt.counts_at,
        owner=doubt.owner,
        matter=case.matter,
        region=case.region,
        doubted_at=doubt.doubted_at,
        settled_at=settlement and settlement.settled_at,
        settled_by=settlement and settlement.by,
        reason=settlement and settlement.reason,
        resolved_at=resolved_at,
    )
