"""Masked content of dead letters: an invalid record may have personal data in any place."""

import json
from typing import Any

import pytest

from services.runtime.dead_letters.content import masked_content

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


@pytest.mark.parametrize(
    ("field", "value", "is_shown"),
    [
        ("reference", "受1号", True),
        ("reference", "桂市监〔2026〕17号", True),
        ("reference", "20260302000123", True),
        ("reference", "450302202603020001", True),  # region, day and serial number: the check character is another
        ("reference", PERSON, False),
        ("reference", "110105194912310021", False),
        ("reference", f"{PERSON}13800138000", False),
        ("reference", "13800138000", False),
        ("reference", "受110105202001010023号", False),  # a child
        ("department", "市场监督管理局", True),
        ("department", f"{PERSON}110105194912310021", False),
        ("department", "13800138000", False),
        ("item", "110105194912310021", False),
        ("task_id", "K7Q2-9MXF-4TBA-3/110105194912310021", False),
        ("opinion", "不符合条件", False),
        ("document", "证1号", False),
    ],
)
def test_what_identifies_a_task_is_shown_and_what_identifies_a_person_is_not(
    field: str, value: str, is_shown: bool
) -> None:
    record = {"specversion": "1.0", "type": "onedoor.task.done.v1", "data": {field: value, "outcome": "maybe"}}
    shown = json.loads("".join([*masked_content(json.dumps(record).encode())][:-1]))
    assert shown["data"] == {field: value if is_shown else f"({len(value)} characters)", "outcome": "maybe"}


def test_names_that_are_masked_stay_apart() -> None:
    shown = [*masked_content(json.dumps({"张三": 1, "李四": 2}).encode())]
    assert json.loads("".join(shown[:-1])) == {
        "(name 1, 2 characters)": "(a number)",
        "(name 2, 2 characters)": "(a number)",
    }
