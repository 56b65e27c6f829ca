"""Masked content of dead letters: an invalid record may have personal data in any place."""

import json
from typing import Any

import pytest

from services.operator.dead_letters.text import masked_content

PERSON = "王小明"


@pytest.mark.parametrize(
    "record",
    [
        {PERSON: 1},
        {"110105194912310021": {"13800138000": None}},
        [{PERSON: [PERSON]}],
        {"specversion": "1.0", "subject": PERSON, "source": PERSON, "type": [PERSON]},
        {"specversion": "1.0", "data": {"requested_at": PERSON, "channel": {PERSON: PERSON}, "item": PERSON}},
        {"task_id": PERSON, "answer": {"delivered_at": PERSON, "kind": [[PERSON]], "opinion": PERSON}},
        {"task_id": "K7Q2-9MXF-4TBA-3/x", "answer": {"decided_at": 110105194912310021, "applicant_at": PERSON}},
    ],
)
def test_no_place_of_an_invalid_record_shows_a_person(record: Any) -> None:
    shown = "\n".join(masked_content(json.dumps(record, ensure_ascii=False).encode()))
    assert PERSON not in shown and "19491231" not in shown and "138001" not in shown


def test_fields_of_messages_are_shown() -> None:
    data = {"task_id": "K7Q2-9MXF-4TBA-3/x", "reference": "受1号", "delivered_at": "2026-03-02T09:30:00+08:00"}
    record = {"specversion": "1.0", "source": "/onedoor/tax", "type": "onedoor.task.delivered.v1", "data": data}
    assert json.loads("".join([*masked_content(json.dumps(record).encode())][:-1])) == record


def test_names_that_are_masked_stay_apart() -> None:
    shown = [*masked_content(json.dumps({"张三": 1, "李四": 2}).encode())]
    assert json.loads("".join(shown[:-1])) == {
        "(name 1, 2 characters)": "(a number)",
        "(name 2, 2 characters)": "(a number)",
    }
