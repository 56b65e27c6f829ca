"""Makes the record that is published in place of a dead letter, from its content and what an operator has corrected.

In place of a Kafka record goes the corrected record. In place of an answer of a department's system goes a
`TaskCorrected`: of the two numbers, or the two answers, that the department has given, the operator says which holds.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from contracts.bilingual import BilingualError
from contracts.codec import InvalidRecord, decode, encode
from contracts.envelope import envelop
from contracts.messages.tasks import TaskCorrected
from contracts.registry import topic_of
from contracts.rights.actor import Actor
from services.departments.sdk.core.messages import Decision, Receipt
from services.departments.sdk.core.state import Tasks
from services.runtime.fault_text import on_one_line
from services.runtime.store.dead_letters import EXTERNAL, ParkedLetter

Edit = tuple[tuple[str, ...], Any]
"""A place in a document, as the names that lead there, and its new value."""


class NotCorrectable(BilingualError):
    """The letter cannot be corrected like this. The message says why, as the rest of a sentence that begins with the
    letter, and names no value."""


@dataclass(frozen=True, slots=True)
class Corrected:
    """A record to publish."""

    case_id: str
    topic: str
    event: str


def parse_edit(text: str) -> Edit:
    """``data.reference=N1`` as an edit: the value is JSON, or else text. Raises `NotCorrectable`."""
    path, equals, value = text.partition("=")
    names = tuple(path.split("."))
    if not equals or not all(names):
        raise NotCorrectable(
            f"is not corrected: write a path and a value with --set, such as answer.reference=N1, not {path!r}",
            "未更正：--set 请填写路径和值，例如 answer.reference=N1",
        )
    try:
        return names, json.loads(value)
    except ValueError:
        return names, value


def corrected_record(
    letter: ParkedLetter,
    edits: Sequence[Edit],
    content: bytes | None,
    actor: Actor | None,
    reason: str,
    state: str | None,
) -> Corrected:
    """The record in place of a letter. ``content`` replaces that of the letter, before the edits.

    ``state`` is that of the case at the service. Raises `NotCorrectable`.
    """
    document = _edited(_document(letter.value if content is None else content), edits)
    if letter.topic != EXTERNAL:
        return _record(letter, document)
    corrected = _settled(letter, document, actor, reason, state)
    event = envelop(
        corrected, id=letter.letter_id, source=letter.origin, subject=letter.case_id, time=corrected.corrected_at
    )
    return Corrected(letter.case_id, topic_of(corrected), encode(event).decode())


def _document(content: bytes | None) -> dict[str, Any]:
    try:
        document = json.loads(content or b"")
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise NotCorrectable(
            "has content that is no JSON object: give the whole content with --file",
            "内容不是 JSON 对象：请用 --file 给出完整内容",
        )
    return document


def _edited(document: dict[str, Any], edits: Sequence[Edit]) -> dict[str, Any]:
    for names, value in edits:
        place = document
        for name in names[:-1]:
            inner = place.get(name)
            if not isinstance(inner, dict):
                path = ".".join(names)
                raise NotCorrectable(f"has no field {path}; 'show' prints the fields", f"没有字段 {path}；字段见 show")
            place = inner
        place[names[-1]] = value
    return document


def _record(letter: ParkedLetter, document: dict[str, Any]) -> Corrected:
    value = json.dumps(document, ensure_ascii=False)
    case_id = document.get("subject")
    if letter.case_id and case_id != letter.case_id:
        raise NotCorrectable(
            f"is of case {letter.case_id}, so its subject must stay {letter.case_id}",
            f"subject 须仍为 {letter.case_id}，请勿更改",
        )
    try:
        decode(value.encode(), str(case_id).encode(), letter.topic)
    except InvalidRecord as invalid:
        raise NotCorrectable(
            f"is not a valid record with these corrections: {invalid}; correct the fields that are named",
            f"更正后仍不是有效的记录（{invalid}）；请更正所列字段",
        ) from None
    return Corrected(str(case_id), letter.topic, value)


def _settled(
    letter: ParkedLetter, document: dict[str, Any], actor: Actor | None, reason: str, state: str | None
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
            by=actor and actor.person,
            on_behalf_of=actor and actor.on_behalf_of,
            reason=reason,
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
        return _answer(_document(letter.value))[1]
    except NotCorrectable:
        return None
