"""Acts at intake are done by the person who has logged in, for their own part of the work, and are recorded so."""

from datetime import timedelta
from typing import Any

import pytest

from contracts.messages.cases import CaseAccepted, CaseExtended, CaseRestarted, CaseSuspended
from contracts.messages.documents import Absence, PostsPublished, PublishedPost
from contracts.rights.holders import Holders
from contracts.rights.table import Role
from services.intake.core.state import Case
from tests.support.applications import APPLICATION
from tests.support.runtime.fakes import MemoryHost
from tests.support.staff import ISSUER
from tests.unit.intake.web.endpoints import client_of, intake, pass_time, problem

ELSEWHERE = "650102"


@pytest.fixture
def process() -> MemoryHost[Case]:
    process = intake()
    lead = lead_department(process)
    fill(
        process,
        PublishedPost(role=Role.DEPARTMENT_HEAD.value, person="sun", deputy="li", department=lead),
        PublishedPost(role=Role.WINDOW_CLERK.value, person="zhao", region=APPLICATION["region"][:4]),
        PublishedPost(role=Role.WINDOW_CLERK.value, person="far", region=ELSEWHERE[:2]),
        PublishedPost(role=Role.DEPARTMENT_HEAD.value, person="other", department="Another department"),
        PublishedPost(role=Role.SUPERVISOR.value, person="zhou"),
    )
    return process


def fill(process: MemoryHost[Case], *posts: PublishedPost, away: str | None = None) -> None:
    day = process.clock.now().date()
    leave = (Absence(person=away, since=day, until=day),) if away is not None else ()
    process.access.holders = Holders(PostsPublished(posts=posts, leave=leave))


def lead_department(process: MemoryHost[Case]) -> str:
    """The lead department of `APPLICATION`."""
    answer = client_of(process, {}).post("/cases", json=APPLICATION, headers={"Idempotency-Key": "first"})
    assert answer.status_code == 201, answer.text
    (accepted,) = of(process, CaseAccepted)
    assert accepted.by is None, "an applicant needs no login"
    process.published.clear()
    return str(accepted.plan.lead_department)


def of(process: MemoryHost[Case], kind: type[Any]) -> list[Any]:
    return [message for message in process.published if isinstance(message, kind)]


def apply(process: MemoryHost[Case], headers: dict[str, str]) -> Any:
    return client_of(process, {}).post("/cases", json=APPLICATION, headers=headers)


def test_a_clerk_who_accepts_a_case_is_named_in_the_acceptance(process: MemoryHost[Case]) -> None:
    assert apply(process, ISSUER.header("zhao")).status_code == 201
    (accepted,) = of(process, CaseAccepted)
    assert (accepted.by, accepted.on_behalf_of) == ("zhao", None)


@pytest.mark.parametrize("person", ["far", "zhou", "nobody"])
def test_a_clerk_without_the_right_accepts_nothing(process: MemoryHost[Case], person: str) -> None:
    assert problem(apply(process, ISSUER.header(person)), 403)["type"] == "urn:onedoor:problem:no-right"
    assert process.published == []


@pytest.mark.parametrize("header", ["Bearer x", "Basic eDp4", "Bearer", "", "bearer "])
def test_a_wrong_token_is_not_taken_for_an_applicant(process: MemoryHost[Case], header: str) -> None:
    refused = apply(process, {"Authorization": header})
    assert problem(refused, 401)
    assert refused.headers["www-authenticate"].startswith("Bearer")
    assert process.published == []


def changes(process: MemoryHost[Case], number: str) -> list[tuple[type[Any], str, dict[str, Any]]]:
    now = process.clock.now().isoformat()
    return [
        (CaseSuspended, f"/cases/{number}/suspensions", {"kind": "hold", "reason": "等待批复"}),
        (CaseExtended, f"/cases/{number}/extension", {"days": 5, "reason": "x", "notified_at": now}),
        (CaseRestarted, f"/cases/{number}/restarts", {"reason": "x", "restarted_at": now}),
    ]


def test_a_change_of_time_has_its_author(process: MemoryHost[Case]) -> None:
    number = apply(process, {}).json()["number"]
    pass_time(process, timedelta(minutes=1))
    for kind, path, content in changes(process, number):
        for person, status in (("other", 404), ("far", 403), ("zhou", 403), ("sun", 201)):
            answer = client_of(process, ISSUER.header(person)).post(path, json=content)
            assert answer.status_code == status, (path, person, answer.text)
        assert {message.by for message in of(process, kind)} == {"sun"}


def test_for_others_the_case_does_not_exist(process: MemoryHost[Case]) -> None:
    number = apply(process, {}).json()["number"]
    for _, path, content in changes(process, number):
        foreign = client_of(process, ISSUER.header("other")).post(path, json=content)
        unknown = client_of(process, ISSUER.header("other")).post(
            path.replace(number, "0000-0000-0000-0"), json=content
        )
        assert (foreign.status_code, foreign.json()) == (404, unknown.json())


def test_a_deputy_is_named_with_the_person_on_leave(process: MemoryHost[Case]) -> None:
    number = apply(process, {}).json()["number"]
    post = PublishedPost(role=Role.DEPARTMENT_HEAD.value, person="sun", deputy="li")
    fill(process, post)
    _, path, content = changes(process, number)[0]
    assert client_of(process, ISSUER.header("li")).post(path, json=content).status_code == 403, "sun is present"
    fill(process, post, away="sun")
    assert client_of(process, ISSUER.header("li")).post(path, json=content).status_code == 201
    assert {(one.by, one.on_behalf_of) for one in of(process, CaseSuspended)} == {("li", "sun")}


def test_a_body_cannot_name_the_author(process: MemoryHost[Case]) -> None:
    number = apply(process, {}).json()["number"]
    for _, path, content in changes(process, number):
        refused = client_of(process, ISSUER.header("sun")).post(path, json=content | {"by": "zhou"})
        assert problem(refused, 422)["errors"][0]["pointer"] == "#/by"
    refused = client_of(process, ISSUER.header("zhao")).post("/cases", json=APPLICATION | {"by": "li"})
    assert refused.status_code == 422


def test_an_importing_system_imports_what_its_post_covers(process: MemoryHost[Case]) -> None:
    fill(process, PublishedPost(role=Role.IMPORTING_SYSTEM.value, person="archive", department="Tax", region="45"))
    row = {
        "matter_name": "Import",
        "system": "tax",
        "channel": "other",
        "accepted_at": process.clock.now().isoformat(),
        "working_days": 5,
    }
    rows = [
        row | {"reference": f"r{number}", "department": department, "region": region}
        for number, (department, region) in enumerate([("Tax", "450103"), ("Land", "450103"), ("Tax", ELSEWHERE)])
    ]
    client = client_of(process, ISSUER.header("archive"))
    results = client.post("/imports", json=rows).json()
    assert [result.get("errors", [{}])[0].get("pointer") for result in results] == [
        None,
        "#/department",
        "#/department",
    ]
    assert len(of(process, CaseAccepted)) == 1
    assert client_of(process, ISSUER.header("sun")).post("/imports", json=rows).status_code == 403
