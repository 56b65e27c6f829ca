"""Importing cases of another system."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest
from httpx2 import Response

from contracts.messages.cases import CaseAccepted
from contracts.messages.plans import Limit
from onedoor.applicants import citizen_number
from services.intake.core.state import Case
from tests.support.persons import REGION
from tests.support.runtime.fakes import MemoryHost
from tests.support.staff import STAFF
from tests.unit.intake.web.endpoints import client_of, problem, send

ROW: dict[str, Any] = {
    "reference": "case-10011",
    "matter_name": "Permit",
    "department": "General",
    "system": "tax",
    "region": "450721",
    "channel": "web",
    "accepted_at": "2011-10-11T13:42:22.688+02:00",
    "due_at": "2011-12-06T13:41:31.788+01:00",
}


def row(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in {**ROW, **fields}.items() if value is not None}


def post(process: MemoryHost[Case], *rows: Any, headers: Mapping[str, str] = STAFF) -> Response:
    return client_of(process, headers).post("/imports", json=rows)


def test_cases_are_imported_and_rows_rejected_one_by_one(process: MemoryHost[Case]) -> None:
    response = post(
        process,
        ROW,
        row(reference="case-2", due_at=None, working_days=8),
        row(reference="case-3", working_days=8),
        row(reference="case-4", system="water"),
        row(reference="case-5", accepted_at="2011-10-11T13:42:22"),
        row(reference="case-6", accepted_at="0001-01-01T00:00:00+08:00"),
        "nonsense",
    )
    assert response.status_code == 200, response.text
    answers = response.json()
    assert [answer["row"] for answer in answers] == list(range(7))
    assert [answer.get("reference") for answer in answers] == [*(f"case-{n}" for n in (10011, 2, 3, 4, 5, 6)), None]
    assert ["number" in answer for answer in answers] == [True, True, False, False, False, False, False]
    assert [answer["errors"][0]["pointer"] for answer in answers[2:]] == [
        "#",
        "#/system",
        "#/accepted_at",
        "#/accepted_at",
        "#",
    ]
    assert set(process.rows) == {answer["number"] for answer in answers[:2]}


@pytest.mark.parametrize(
    ("fields", "pointer", "detail"),
    [
        ({"due_at": None, "working_days": True}, "#/working_days", "must be a whole number"),
        ({"due_at": None, "working_days": "5"}, "#/working_days", "must be a whole number"),
        ({"due_at": None, "working_days": 5.5}, "#/working_days", "must be a whole number"),
        ({"due_at": "2011-10-11T13:42:22.687+02:00"}, "#/due_at", "lies before accepted_at"),
        ({"region": "999999"}, "#/region", "no code of administrative division begins like this"),
        ({"reference": 7}, "#/reference", "must be text"),
        ({"channel": "pigeon"}, "#/channel", "must be 'window'"),
        ({"accepted_at": 1318333342}, "#/accepted_at", "is no date and time with a zone"),
        (
            {
                "applicant": {
                    "kind": "person",
                    "name": "王小明",
                    "id_number": citizen_number(date(2099, 1, 1), 1, REGION),
                }
            },
            "#/applicant/id_number",
            "has a date of birth that cannot be",
        ),
    ],
)
def test_a_row_that_says_the_impossible_is_rejected(
    process: MemoryHost[Case], fields: dict[str, Any], pointer: str, detail: str
) -> None:
    answers = post(process, row(**fields), row(reference="good")).json()
    (fault,) = answers[0]["errors"]
    assert fault["pointer"] == pointer and detail in fault["detail"] and not fault["detail_zh"].isascii()
    assert "number" in answers[1] and len(process.rows) == 1


def test_a_row_may_disclose_its_applicant(process: MemoryHost[Case]) -> None:
    post(process, row(applicant={"kind": "person", "name": "Anna Schmidt", "id_kind": "414", "id_number": "E1234567"}))
    (accepted,) = process.published
    assert isinstance(accepted, CaseAccepted) and accepted.applicant is not None
    assert (accepted.applicant.paper, accepted.applicant.id_number) == ("414", "E1234567")


def test_a_case_without_a_limit_is_imported_and_never_due(process: MemoryHost[Case]) -> None:
    post(process, row(due_at=None))
    (accepted,) = process.published
    assert isinstance(accepted, CaseAccepted)
    assert accepted.plan.limits is None


def test_the_plan_is_one_step_with_the_given_limit(process: MemoryHost[Case]) -> None:
    post(process, ROW, row(reference="case-2", due_at=None, working_days=8))
    pinned, counted = process.published
    assert isinstance(pinned, CaseAccepted)
    assert isinstance(counted, CaseAccepted)
    assert pinned.applicant is None
    assert pinned.plan.limits is not None
    assert counted.plan.limits is not None
    assert pinned.plan.limits.committed == pinned.plan.limits.statutory
    assert pinned.plan.limits.committed.due_at is not None
    assert pinned.plan.limits.committed.due_at.isoformat() == "2011-12-06T12:41:31.788000+00:00"
    assert counted.plan.limits.committed == Limit(working_days=8)
    (step,) = pinned.plan.steps
    assert (step.step, step.system, step.department, step.limits) == ("decision", "tax", "General", None)


@pytest.mark.parametrize("path", ["suspensions", "extension", "restarts"])
@pytest.mark.parametrize(("limit", "status"), [({}, 409), ({"due_at": None, "working_days": 8}, 201)])
def test_nothing_moves_a_deadline_that_was_imported_as_a_moment(
    process: MemoryHost[Case], path: str, limit: dict[str, Any], status: int
) -> None:
    (imported,) = post(process, row(**limit)).json()
    content, moment = CHANGES[path]
    at = {moment: process.clock.now().isoformat()}
    answer = send(process, f"/cases/{imported['number']}/{path}", content | at)
    assert answer.status_code == status, answer.text
    if status == 409:
        assert "due_at" in problem(answer, 409)["detail"] and len(process.published) == 1


CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "suspensions": ({"kind": "hold", "reason": "等待上级批复", "article": "行政许可法第四十五条"}, "since"),
    "extension": ({"days": 10, "reason": "案情复杂"}, "notified_at"),
    "restarts": ({"reason": "重新受理"}, "restarted_at"),
}
"""Each change of time, and the field of its moment."""


def test_repeating_an_import_changes_nothing(process: MemoryHost[Case]) -> None:
    first = post(process, ROW)
    assert post(process, ROW).json() == first.json()
    assert len(process.published) == 1
    (answer,) = post(process, row(matter_name="Other")).json()
    assert answer["errors"][0]["pointer"] == "#/reference"


def test_only_operators_import(process: MemoryHost[Case]) -> None:
    # A proxy on this machine calls from this machine, and the Host may be the service's own address.
    assert post(process, ROW, headers={}).status_code == 401
    assert post(process, ROW, headers={"Authorization": "Bearer another-token-of-others"}).status_code == 401
    assert process.rows == {}
    assert post(process, ROW).status_code == 200


@pytest.mark.parametrize("rows", [[], [ROW] * 501])
def test_an_import_has_1_to_500_rows(process: MemoryHost[Case], rows: list[Any]) -> None:
    assert post(process, *rows).status_code == 422
    assert process.rows == {}


def test_an_unavailable_database_is_no_fault_of_a_row(process: MemoryHost[Case]) -> None:
    process.fault = ConnectionRefusedError()
    assert post(process, ROW).status_code == 503


@pytest.mark.parametrize(
    "same",
    [
        "case-10011\u200b",
        "\u202dcase-10011\u202c",
        "case-10011\u00a0 ",
        "\ufeffcase-10011",
        "ｃａｓｅ－１００１１",
    ],
)
def test_a_reference_that_is_typed_in_another_way_is_the_same_case(process: MemoryHost[Case], same: str) -> None:
    first, second = post(process, ROW, row(reference=same)).json()
    assert first["number"] == second["number"] and first["reference"] == second["reference"]
    (other,) = post(process, row(reference=same, matter_name="Other")).json()
    assert "was imported before" in other["errors"][0]["detail"]
