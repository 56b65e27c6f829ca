"""Facts about steps and deadlines that other services report. They move no state of intake.

Reports merge so that order, repetition and delay do not matter.
"""

from datetime import datetime

from contracts.core import InvalidMessage
from contracts.envelope import CaseId
from contracts.messages.cases import StepReport, StepState
from contracts.messages.commitments import Commitment
from contracts.messages.tasks import TaskDelivered, TaskDone, is_assigned
from services.intake.core.state import Case, HeldCommitment, StepProgress

_PROGRESS = {state: place for place, state in enumerate(StepState)}
"""The later state prevails: a dropped step stays dropped, whatever report arrives late."""


def merge_delivery(case_id: CaseId, case: Case, delivered: TaskDelivered) -> Case:
    """The case with a department's receipt. Raises `InvalidMessage` if the step is not this department's."""
    _check_assigned(case_id, case, delivered)
    receipt = StepReport(
        step=delivered.step,
        state=StepState.DELIVERED,
        requested_at=delivered.requested_at,
        delivered_at=delivered.delivered_at,
    )
    return _merge(case, (receipt,), from_routing=False)


def merge_answer(case_id: CaseId, case: Case, done: TaskDone) -> Case:
    """The case with a department's answer. Raises `InvalidMessage` if the step is not this department's."""
    _check_assigned(case_id, case, done)
    answer = StepReport(
        step=done.step,
        state=StepState.DONE,
        requested_at=done.requested_at,
        delivered_at=done.delivered_at,
        decided_at=done.decided_at,
        arrived_at=done.arrived_at,
        outcome=done.outcome,
        document=done.document,
    )
    return _merge(case, (answer,), from_routing=False)


def merge_reports(case: Case, reports: tuple[StepReport, ...]) -> Case:
    """The case with routing's reports. Raises `InvalidMessage` for a step that the plan does not have."""
    return _merge(case, reports, from_routing=True)


def merge_commitments(case: Case, commitments: tuple[Commitment, ...], sequence: int, reported_at: datetime) -> Case:
    """The case with the deadlines that monitor holds; for each, the later report prevails."""
    held = {known.commitment.key: known for known in case.commitments}
    for commitment in commitments:
        reported = HeldCommitment(sequence=sequence, reported_at=reported_at, commitment=commitment)
        known = held.get(commitment.key)
        if known is None or _order_of_reports(known) < _order_of_reports(reported):
            held[commitment.key] = reported
    return case.replace(commitments=tuple(held[key] for key in sorted(held)))


def _check_assigned(case_id: CaseId, case: Case, message: TaskDelivered | TaskDone) -> None:
    for step in case.accepted.plan.steps:
        if step.step == message.step and not is_assigned(message, case_id, step):
            raise InvalidMessage(
                f"step {step.step} is assigned to {step.system}, under another task",
                f"环节 {step.step} 已交给 {step.system}，属于另一任务",
            )


def _merge(case: Case, reports: tuple[StepReport, ...], *, from_routing: bool) -> Case:
    known = {step.step: step for step in case.steps}
    for report in reports:
        if report.step not in known:
            raise InvalidMessage(
                f"the plan of this case has no step {report.step}", f"该办件的流程没有环节 {report.step}"
            )
        known[report.step] = _merge_step(known[report.step], report, from_routing=from_routing)
    return case.replace(steps=tuple(known.values()))


def _merge_step(step: StepProgress, report: StepReport, *, from_routing: bool) -> StepProgress:
    """The furthest state, the earliest dates, and one answer as a whole: two answers are never mixed."""
    changes: dict[str, object] = {
        "state": max(step.state, report.state, key=_PROGRESS.__getitem__),
        "requested_at": _earlier(step.requested_at, report.requested_at),
        "delivered_at": _earlier(step.delivered_at, report.delivered_at),
    }
    if _prevails(step, report, from_routing=from_routing):
        changes["decided_at"] = report.decided_at
        changes["arrived_at"] = report.arrived_at
        changes["outcome"] = report.outcome
        changes["document"] = report.document
        changes["from_routing"] = from_routing
    return step.replace(**changes)


def _prevails(step: StepProgress, report: StepReport, *, from_routing: bool) -> bool:
    """Whether the report brings an answer that prevails over the known one."""
    if report.decided_at is None or step.decided_at is None:
        return report.decided_at is not None
    return _order_of_answers(report, from_routing) < _order_of_answers(step, step.from_routing)


def _order_of_answers(report: StepReport, from_routing: bool) -> tuple[bool, datetime | None, str, str]:
    """The first in this order prevails: routing's report before the department's, then the earlier decision."""
    return not from_routing, report.decided_at, report.outcome or "", report.document or ""


def _order_of_reports(held: HeldCommitment) -> tuple[int, datetime, str]:
    """The last in this order prevails. Between two reports of one moment the content decides, so that the order of
    arrival does not."""
    return held.sequence, held.reported_at, held.commitment.model_dump_json()


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    if one is None or other is None:
        return one or other
    return min(one, other)
