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

from contracts.codec import InvalidRecord, decode, encode
from contracts.envelope import envelop
from contracts.messages.tasks import TaskCorrected
from contracts.registry import topic_of
from services.departments.sdk.core.messages import Decision, Receipt
from services.departments.sdk.core.state import Tasks
from services.runtime.store.dead_letters import EXTERNAL, ParkedLetter

Edit = tuple[tuple[str, ...], Any]
"""A place in a document, as the names that lead there, and its new value."""


class NotCorrectable(Exception):
    """The letter cannot be corrected like this. The message says why, and names no value."""


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
        raise NotCorrectable(f"--set: write a path and a value, such as answer.reference=N1, not {path!r}")
    try:
        return names, json.loads(value)
    except ValueError:
        return names, value


def corrected_record(
    letter: ParkedLetter, edits: Sequence[Edit], content: bytes | None, by: str, reason: str, state: str | None
) -> Corrected:
    """The record in place of a letter. ``content`` replaces that of the letter, before the edits.

    ``state`` is that of the case at the service. Raises `NotCorrectable`.
    """
    document = _edited(_document(letter.value if content is None else content), edits)
    if letter.topic != EXTERNAL:
        return _record(letter, document)
    corrected = _settled(letter, document, by, reason, state)
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
        raise NotCorrectable("its content is no JSON object: give the whole content with --file")
    return document


def _edited(document: dict[str, Any], edits: Sequence[Edit]) -> dict[str, Any]:
    for names, value in edits:
        place = document
        for name in names[:-1]:
            inner = place.get(name)
            if not isinstance(inner, dict):
                raise NotCorrectable(f"--set: there is no {'.'.join(names)} in it")
            place = inner
        place[names[-1]] = value
    return document


def _record(letter: ParkedLetter, document: dict[str, Any]) -> Corrected:
    value = json.dumps(document, ensure_ascii=False)
    case_id = document.get("subject")
    if letter.case_id and case_id != letter.case_id:
        raise NotCorrectable(f"its subject must stay {letter.case_id}")
    try:
        decode(value.encode(), str(case_id).encode(), letter.topic)
    except InvalidRecord as invalid:
        raise NotCorrectable(f"it is not a valid record with these corrections: {invalid}") from None
    return Corrected(str(case_id), letter.topic, value)


def _settled(letter: ParkedLetter, document: dict[str, Any], by: str, reason: str, state: str | None) -> TaskCorrected:
    task_id, answer = _answer(document)
    known = {task.request.task_id: task for task in Tasks.model_validate_json(state or "{}").tasks}
    if not letter.case_id or task_id not in known:
        raise NotCorrectable("it is about no task of a case that has been requested here: drop it")
    task = known[task_id]
    if task.decision is not None:
        raise NotCorrectable(
            f"task {task_id} is done, and nothing waits for it: settle it with the department, drop it"
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
            by=by,
            reason=reason,
            corrected_at=datetime.now(UTC),
        )
    except ValidationError as error:
        raise NotCorrectable(f"it is not a valid correction: {_faults(error)}") from None


def _answer(document: dict[str, Any]) -> tuple[str, Receipt | Decision]:
    """The task and the answer in a reply (``answer``) or a notification (``content``). Raises `NotCorrectable`."""
    content = document.get("content", document.get("answer"))
    if not isinstance(content, dict) or "procedure" in content:
        raise NotCorrectable("only the receipt or the decision of a task can be corrected: drop it")
    kind: type[Receipt | Decision] = Decision if content.keys() & {"outcome", "decided_at"} else Receipt
    try:
        return str(document.get("task_id")), kind.model_validate(content)
    except ValidationError as error:
        raise NotCorrectable(
            f"it is no answer of a department with these corrections: {_faults(error)}. Write task_id and answer, with "
            "reference and delivered_at, and outcome and decided_at of a decision"
        ) from None


def _original(letter: ParkedLetter) -> Receipt | Decision | None:
    """The answer in a letter as the department gave it, if it can be read."""
    try:
        return _answer(_document(letter.value))[1]
    except NotCorrectable:
        return None


def _faults(error: ValidationError) -> str:
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'whole'}: {fault['type']}" for fault in faults[:5])
