"""The record of access: what has to be on it, before what is done or given, and what may not be on it."""

from collections.abc import AsyncGenerator
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import APIRouter, Query, Response
from pydantic import ConfigDict, Field

from contracts.core import Rejected, UnknownCase
from contracts.messages.documents import Absence, PostsPublished, PublishedPost
from contracts.rights.holders import Holders
from contracts.rights.table import Act, Role
from contracts.values import Model
from services.runtime.http.app import web_application
from services.runtime.http.bodies.csv import Cells, csv_response
from services.runtime.http.bodies.json_route import json_router
from services.runtime.http.bodies.typed_text import CaseNumberPath
from services.runtime.http.bodies.xlsx import xlsx_response
from services.runtime.jobs.access_recorder import together
from services.runtime.security.access import Access, Permit
from services.runtime.security.access_record import AccessEntry, Outcome, RecordUnavailable, count_rows
from services.runtime.security.access_tokens import TokenVerifier
from tests.support.runtime.fakes import MemoryRecord
from tests.support.staff import AUDIENCE, ISSUER

CASE = "K7Q2-9MXF-4TBA-3"
TODAY = date(2026, 3, 2)
NAME, CITIZEN = "张三", "45010319900307663X"

POSTS = PostsPublished(
    posts=(
        PublishedPost(role=Role.DEPARTMENT_HEAD.value, person="li-na", department="税务局"),
        PublishedPost(role=Role.DEPARTMENT_HEAD.value, person="wang", deputy="li-na", department="自然资源局"),
        PublishedPost(role=Role.AUDITOR.value, person="zhao"),
    ),
    leave=(Absence(person="wang", since=TODAY, until=TODAY),),
    powers_apart=False,
)


class Filter(Model):
    model_config = ConfigDict(extra="forbid")

    owner: str | None = None
    after: str | None = None
    limit: int = Field(100, le=1000)


class Suspension(Model):
    reason: str


class Record(MemoryRecord):
    """What was done when the entries were written."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[str] = []
        self.done_before: list[int] = []

    async def write(self, entry: AccessEntry) -> None:
        await super().write(entry)
        self.done_before.append(len(self.done))


def routes(access: Access, done: list[str]) -> APIRouter:
    inner = json_router(prefix="/cases/{number}")

    @inner.post("/suspensions", status_code=201)
    async def suspend(
        number: CaseNumberPath,
        request: Suspension,
        permit: Annotated[Permit, access.may(Act.SUSPEND_CASE)],
        department: str = "税务局",
    ) -> str:
        if request.reason == "not now":
            raise Rejected("not now", "暂不")
        if request.reason == "fault":
            raise ZeroDivisionError
        permit.on_behalf_of(department, "450103", "x")
        done.append(number)
        return number

    @inner.get("/applicant")
    async def applicant(
        number: CaseNumberPath, _: Annotated[Permit, access.may(Act.READ_CASE)], purpose: str | None = None
    ) -> str:
        if number != CASE:
            raise UnknownCase(number)
        done.append("read")
        return NAME

    router = APIRouter()

    @router.get("/due")
    async def due(wanted: Annotated[Filter, Query()], _: Annotated[Permit, access.may(Act.READ_TIME)]) -> list[str]:
        count_rows(2)
        return ["a", "b"]

    async def parts() -> AsyncGenerator[list[Cells], None]:
        yield [["a"], ["b"]]
        yield [["c"]]

    @router.get("/due.csv")
    async def due_csv(wanted: Annotated[Filter, Query()], _: Annotated[Permit, access.may(Act.READ_TIME)]) -> Response:
        return await csv_response("due", ("case",), parts())

    @router.get("/due.xlsx")
    async def due_xlsx(_: Annotated[Permit, access.may(Act.READ_TIME)]) -> Response:
        return await xlsx_response("due", ("case",), parts())

    @router.get("/public")
    async def public() -> str:
        return "anybody"

    router.include_router(inner)
    return router


@pytest.fixture
def record() -> Record:
    return Record()


@pytest.fixture
def client(record: Record) -> httpx2.AsyncClient:
    access = Access(TokenVerifier(ISSUER.url, AUDIENCE), lambda: TODAY, record)
    access.holders = Holders(POSTS)
    app = web_application("toy", routes(access, record.done), record=record)
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    return httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000", headers=ISSUER.header("li-na"))


def outcomes(record: MemoryRecord) -> list[str]:
    return [entry.outcome for entry in record.entries]


async def test_an_act_is_on_record_before_it_is_done_and_when_it_is_done(
    client: httpx2.AsyncClient, record: Record
) -> None:
    answer = await client.post(f"/cases/{CASE.lower()}/suspensions", json={"reason": f"asked for by {NAME}"})
    assert answer.status_code == 201
    begun, done = record.entries
    assert (begun.outcome, done.outcome) == (Outcome.BEGUN, Outcome.DONE)
    assert record.done_before == [0, 1]
    assert begun.request_id == done.request_id
    for entry in record.entries:
        assert (entry.act, entry.person, entry.client, entry.roles) == (
            "case.suspend",
            "li-na",
            "tests",
            ("department_head",),
        )
        assert (entry.request, entry.case_id) == ("POST /cases/{number}/suspensions", CASE)
        assert NAME not in str(entry)
    assert done.on_behalf_of is None


async def test_the_person_on_leave_is_on_record(client: httpx2.AsyncClient, record: Record) -> None:
    await client.post(f"/cases/{CASE}/suspensions", json={"reason": "x"}, params={"department": "自然资源局"})
    assert record.entries[-1].on_behalf_of == "wang"


@pytest.mark.parametrize(
    ("body", "status", "outcome"),
    [
        ({"reason": "not now"}, 409, Outcome.REFUSED),
        ({"reason": "fault"}, 500, Outcome.FAILED),
        ({}, 422, Outcome.REFUSED),
    ],
)
async def test_an_act_that_is_not_done_is_on_record_as_such(
    client: httpx2.AsyncClient, record: Record, body: dict[str, str], status: int, outcome: Outcome
) -> None:
    answer = await client.post(f"/cases/{CASE}/suspensions", json=body)
    assert answer.status_code == status
    assert outcomes(record) == [Outcome.BEGUN, outcome]


async def test_personal_data_is_given_after_it_is_on_record(client: httpx2.AsyncClient, record: Record) -> None:
    assert (await client.get(f"/cases/{CASE}/applicant", params={"purpose": "投诉核查"})).json() == NAME
    (entry,) = record.entries
    assert (entry.purpose, entry.filter) == ("投诉核查", None)
    assert (entry.outcome, entry.act, entry.case_id) == (Outcome.GIVEN, "case.read", CASE)
    assert NAME not in str(entry)


@pytest.mark.parametrize("address", [f"/cases/{CASE}/applicant", "/due.csv", "/due.xlsx", "/due?limit=500"])
async def test_without_a_record_nothing_is_given(client: httpx2.AsyncClient, record: Record, address: str) -> None:
    record.unavailable = True
    answer = await client.get(address)
    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:onedoor:problem:no-record"
    assert answer.json()["detail"] and answer.json()["detail_zh"] and NAME not in answer.text
    assert record.entries == []
    assert "Retry-After" in answer.headers


async def test_without_a_record_nothing_is_done(client: httpx2.AsyncClient, record: Record) -> None:
    record.unavailable = True
    answer = await client.post(f"/cases/{CASE}/suspensions", json={"reason": "x"})
    assert (answer.status_code, record.done) == (503, [])
    assert answer.json()["type"] == "urn:onedoor:problem:no-record"
    assert (await client.get("/due")).status_code == (await client.get("/public")).status_code == 200


async def test_an_act_that_is_done_is_answered_though_its_end_cannot_be_recorded(
    client: httpx2.AsyncClient, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(_: AccessEntry) -> None:
        raise RecordUnavailable

    monkeypatch.setattr(record, "note", full)
    assert (await client.post(f"/cases/{CASE}/suspensions", json={"reason": "x"})).status_code == 201
    assert (outcomes(record), record.done) == ([Outcome.BEGUN], [CASE])


async def test_refusals_are_on_record_with_what_was_asked_for(client: httpx2.AsyncClient, record: Record) -> None:
    foreign = "AAAA-BBBB-CCCC-D"
    assert (await client.get(f"/cases/{foreign}/applicant")).status_code == 404
    forged = {"Authorization": "Bearer forged"}
    assert (await client.get("/due", params={"owner": NAME}, headers=forged)).status_code == 401
    assert (await client.get(f"/cases/{CITIZEN}/applicant", headers=ISSUER.header("zhao"))).status_code == 403
    not_found, not_logged_in, no_right = record.entries
    assert (not_found.outcome, not_found.person, not_found.case_id) == (Outcome.NOT_FOUND, "li-na", foreign)
    assert (not_logged_in.outcome, not_logged_in.person, not_logged_in.act) == (
        Outcome.NOT_LOGGED_IN,
        None,
        "time.read",
    )
    assert (no_right.outcome, no_right.person, no_right.act) == (Outcome.NO_RIGHT, "zhao", "case.read")
    assert no_right.request == "GET /cases/{number}/applicant"
    assert all(secret not in str(record.entries) for secret in (NAME, CITIZEN, "forged"))


async def test_who_sends_no_token_is_not_on_record(record: Record, client: httpx2.AsyncClient) -> None:
    del client.headers["Authorization"]
    assert (await client.get("/due")).status_code == 401
    assert record.entries == []


@pytest.mark.parametrize("address", ["/due", "/due?limit=100", "/public"])
async def test_a_page_of_an_ordinary_list_is_not_on_record(
    client: httpx2.AsyncClient, record: Record, address: str
) -> None:
    assert (await client.get(address)).status_code == 200
    assert record.entries == []


@pytest.mark.parametrize(
    ("address", "rows", "filter"),
    [
        ("/due?after=x&owner=税务局", 2, '{"after": "x", "owner": "税务局"}'),
        ("/due?limit=1000", 2, '{"limit": "1000"}'),
        ("/due.csv?owner=税务局", 3, '{"owner": "税务局"}'),
        (f"/due.xlsx?name={NAME}", 3, None),
    ],
)
async def test_an_export_is_on_record_with_its_filter_and_its_rows(
    client: httpx2.AsyncClient, record: Record, address: str, rows: int, filter: str | None
) -> None:
    assert (await client.get(address)).status_code == 200
    assert outcomes(record) == [Outcome.GIVEN, Outcome.SENT]
    assert [entry.filter for entry in record.entries] == [filter, filter]
    assert record.entries[-1].rows == rows


async def test_an_endpoint_in_an_application_without_a_record_answers_nothing() -> None:
    access = Access(TokenVerifier(ISSUER.url, AUDIENCE), lambda: TODAY, MemoryRecord())
    access.holders = Holders(POSTS)
    transport = httpx2.ASGITransport(web_application("toy", routes(access, [])), raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
        assert (await client.get("/due", headers=ISSUER.header("li-na"))).status_code == 500


def test_a_flood_of_refusals_is_few_entries() -> None:

    at = datetime(2026, 3, 2, tzinfo=UTC)

    def entry(outcome: str, number: int, **changes: Any) -> AccessEntry:
        return AccessEntry(at + timedelta(milliseconds=number), "time.read", outcome, request_id=str(number), **changes)

    flood = [entry("not-logged-in", number) for number in range(300)]
    acts = [entry("begun", number) for number in range(3)]
    other = entry("not-found", 0, case_id=CASE)
    found = together([*flood, other, *acts])
    assert [(one.outcome, one.times) for one in found] == [
        ("not-logged-in", 300),
        ("not-found", 1),
        ("begun", 1),
        ("begun", 1),
        ("begun", 1),
    ]
