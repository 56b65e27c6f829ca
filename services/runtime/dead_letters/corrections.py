"""Makes the record that is published in place of a dead letter, from its content and what an operator has corrected.

In place of a Kafka record goes the corrected record. In place of a reply of an external system goes a message of the
service, which only the service can make (`CorrectReply`).
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.bilingual import BilingualError
from contracts.codec import InvalidRecord, decode
from contracts.rights.actor import Actor
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


@dataclass(frozen=True, slots=True)
class Correction:
    """A correction by an operator. ``content`` replaces that of the letter, before the edits."""

    edits: Sequence[Edit]
    content: bytes | None
    reason: str
    actor: Actor | None


CorrectReply = Callable[[ParkedLetter, dict[str, Any], Correction, str | None], Corrected]
"""Makes the record in place of a reply of an external system, from the corrected content and the state of the case at
the service. Raises `NotCorrectable`."""


def parse_edit(text: str) -> Edit:
    """``data.reference=N1`` as an edit: the value is JSON, or else text. Raises `NotCorrectable`."""
    path, equals, value = text.partition("=")
    names = tuple(path.split("."))
    if not equals or not all(names):
        raise NotCorrectable(
            f"is not corrected: write a path and a value, such as answer.reference=N1, not {path!r}",
            "未更正：请填写路径和值，例如 answer.reference=N1",
        )
    try:
        return names, json.loads(value)
    except ValueError:
        return names, value


def corrected_record(
    letter: ParkedLetter, correction: Correction, correct_reply: CorrectReply | None, state: str | None
) -> Corrected:
    """The record in place of a letter. ``state`` is that of the case at the service. Raises `NotCorrectable`."""
    content = letter.value if correction.content is None else correction.content
    document = _edited(document_of(content), correction.edits)
    if letter.topic != EXTERNAL:
        return _record(letter, document)
    if correct_reply is None:
        raise NotCorrectable("is of an external system that this service does not have", "来自本服务没有的外部系统")
    return correct_reply(letter, document, correction, state)


def document_of(content: bytes | None) -> dict[str, Any]:
    """The content as a JSON object. Raises `NotCorrectable`."""
    try:
        document = json.loads(content or b"")
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise NotCorrectable(
            "has content that is no JSON object: give the whole content",
            "内容不是 JSON 对象：请给出完整内容",
        )
    return document


def _edited(document: dict[str, Any], edits: Sequence[Edit]) -> dict[str, Any]:
    for names, value in edits:
        place = document
        for name in names[:-1]:
            inner = place.get(name)
            if not isinstance(inner, dict):
                path = ".".join(names)
                raise NotCorrectable(
                    f"has no field {path}; its content shows the fields", f"没有字段 {path}；字段见其内容"
                )
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
