"""Makes the message in place of a dead letter of a department's system: a `TaskCorrected`.

Of the two numbers, or the two answers, that the department has given, the operator says which holds.
"""

from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from contracts.codec import encode
from contracts.envelope import envelop
from contracts.messages.tasks import TaskCorrected
from contracts.registry import topic_of
from services.departments.sdk.core.messages import Decision, Receipt
from services.departments.sdk.core.state import Tasks
from services.runtime.dead_letters.corrections import Corrected, Correction, NotCorrectable, document_of
from services.runtime.fault_text import on_one_line
from services.runtime.store.dead_letters import ParkedLetter


def correct_reply(
    letter: ParkedLetter, document: dict[str, Any], correction: Correction, state: str | None
) -> Corrected:
    """The record in place of a letter; see `CorrectReply`. Raises `NotCorrectable`."""
    corrected = _settled(letter, document, correction, state)
    event = envelop(
        corrected, id=letter.letter_id, source=letter.origin, subject=letter.case_id, time=corrected.corrected_at
    )
    return Corrected(letter.case_id, topic_of(corrected), encode(event).decode())


def _settled(
    letter: ParkedLetter, document: dict[str, Any], correction: Correction, state: str | None
) -> TaskCorrected:
    task_id, answer = _answer(document)
    known = {task.request.task_id: task for task in Tasks.model_validate_json(state or "{}").tasks}
    if not letter.case_id or task_id not in known:
        raise NotCorrectable(
            "is about no task of a case that has been requested here: drop it", "与此处交办的任务无关：请丢弃"
        )
    task = known[task_id]
    if task.decision is not None:
        raise NotCorrectable(
            f"is about task {task_id}, which is done, and nothing waits for it: settle it with the department, and "
            "drop it",
            f"任务 {task_id} 已办结，不再等待答复：请与部门核对后丢弃",
        )
    numbers = {number for earlier in task.corrections for number in earlier.other_numbers}
    numbers |= {one.reference for one in (task.receipt, _original(letter)) if one is not None}
    receipts = [answer.delivered_at, *([task.receipt.delivered_at] if task.receipt is not None else ())]
    decided = answer if isinstance(answer, Decision) else None
    try:
        return TaskCorrected(
            task_id=task_id,
            system=task.request.system,
            reference=answer.reference,
            other_numbers=tuple(sorted(numbers - {answer.reference})),
            delivered_at=min(receipts),
            outcome=decided.outcome if decided else None,
            document=decided.document if decided else None,
            opinion=decided.opinion if decided else "",
            decided_at=decided.decided_at if decided else None,
            by=correction.actor and correction.actor.person,
            on_behalf_of=correction.actor and correction.actor.on_behalf_of,
            reason=correction.reason,
            corrected_at=datetime.now(UTC),
        )
    except ValidationError as error:
        en, zh = on_one_line(error)
        raise NotCorrectable(f"is not a valid correction: {en}", f"更正无效：{zh}") from None


def _answer(document: dict[str, Any]) -> tuple[str, Receipt | Decision]:
    """The task and the answer in a reply (``answer``) or a notification (``content``). Raises `NotCorrectable`."""
    content = document.get("content", document.get("answer"))
    if not isinstance(content, dict) or "procedure" in content:
        raise NotCorrectable(
            "is neither the receipt nor the decision of a task, and only these can be corrected: drop it",
            "只能更正任务的回执或决定：请丢弃",
        )
    kind: type[Receipt | Decision] = Decision if content.keys() & {"outcome", "decided_at"} else Receipt
    try:
        return str(document.get("task_id")), kind.model_validate(content)
    except ValidationError as error:
        en, zh = on_one_line(error)
        raise NotCorrectable(
            f"is no answer of a department with these corrections: {en}. Write task_id and answer, with reference "
            "and delivered_at, and outcome and decided_at of a decision",
            f"更正后仍不是部门的答复：{zh}。请填写 task_id 和 answer，其中有 reference、delivered_at，"
            "决定另有 outcome、decided_at",
        ) from None


def _original(letter: ParkedLetter) -> Receipt | Decision | None:
    """The answer in a letter as the department gave it, if it can be read."""
    try:
        return _answer(document_of(letter.value))[1]
    except NotCorrectable:
        return None
