"""Applications and cases over HTTP."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any
from urllib.parse import urljoin

import pytest
from sqlalchemy.exc import DBAPIError

from contracts.messages.cases import CaseAccepted, StepState
from onedoor.applicants import citizen_number
from services.intake.app import SERVICE
from services.intake.core.case_numbers import is_valid
from services.intake.core.state import Case
from services.runtime.batch.queue import Overloaded
from services.runtime.http.app import application
from services.runtime.store.database import DatabaseUnreachable
from tests.support.applications import APPLICATION
from tests.support.messages import MONDAY
from tests.support.persons import CITIZEN_NUMBER, CREDIT_CODE, REGION
from tests.support.runtime.fakes import MemoryHost
from tests.support.staff import TOKEN
from tests.unit.intake.core.cases import CASE, after, step_report
from tests.unit.intake.web.endpoints import client_of, intake, post, problem

BORN_TOMORROW = citizen_number(MONDAY.date() + timedelta(days=1), 1, REGION)
BORN_1850 = citizen_number(date(1850, 1, 1), 1, REGION)
FOREIGNER_BORN_TOMORROW = citizen_number(MONDAY.date() + timedelta(days=1), 1, "910000")
HONG_KONG_NUMBER = citizen_number(date(1980, 1, 1), 1, "810000")
FOREIGNER_NUMBER = citizen_number(date(1980, 1, 1), 1, "910000")


def changed(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in {**APPLICATION, **fields}.items() if value is not None}


def test_an_application_is_accepted(process: MemoryHost[Case]) -> None:
    response = post(process)
    assert response.status_code == 201, response.text
    receipt = response.json()
    assert is_valid(receipt["number"])
    assert receipt["tracking"] == f"/cases/{receipt['number']}"
    assert urljoin("https://example.gov.cn/onedoor/cases", response.headers["location"]) == (
        f"https://example.gov.cn/onedoor{receipt['tracking']}"
    )
    assert response.headers["cache-control"] == "no-store"
    assert receipt["state"] == "accepted"
    assert receipt["accepted_at"] == "2026-03-02T02:00:00Z"
    assert receipt["due"] == {
        "committed": "2026-03-09T09:30:00Z",
        "statutory": "2026-04-14T09:30:00Z",
        "provisional": False,
        "pause": None,
    }
    assert receipt["documents"] == [
        {
            "name": {"zh": "受理通知书", "en": "Notice of acceptance"},
            "number": f"SL-{receipt['number']}",
            "dated": "2026-03-02",
        }
    ]
    (published,) = process.published
    assert isinstance(published, CaseAccepted)
    assert published.plan.matter == "transfer-property"
    assert published.materials == (
        "Proof of the applicant's identity (申请人身份证明)",
        "Contract of sale (房屋买卖合同)",
        "Certificate of title (不动产权证书)",
    )


def test_a_single_item_of_an_organisation_is_accepted(process: MemoryHost[Case]) -> None:
    organisation = {"kind": "organisation", "name": "某某有限公司", "id_number": CREDIT_CODE.lower()}
    body = changed(bundle=None, item="premises-use", applicant=organisation, materials=["premises-proof", "a letter"])
    assert post(process, body).status_code == 201
    (published,) = process.published
    assert isinstance(published, CaseAccepted)
    assert published.applicant is not None
    assert published.applicant.id_number == CREDIT_CODE
    assert "a letter" in published.materials


@pytest.mark.parametrize(
    ("kind", "id_kind", "typed", "number"),
    [
        ("person", None, CITIZEN_NUMBER, CITIZEN_NUMBER),
        ("person", "111", CITIZEN_NUMBER, CITIZEN_NUMBER),
        ("person", "414", " e1234567 8", "E12345678"),
        ("person", "511", "01234567", "01234567"),
        ("person", "511", "0123456789（b）", "0123456789(B)"),
        ("person", "516", "h12345678", "H12345678"),
        ("person", "553", "usa110083010101", "USA110083010101"),
        ("person", "553", FOREIGNER_NUMBER, FOREIGNER_NUMBER),
        ("person", "111", HONG_KONG_NUMBER, HONG_KONG_NUMBER),
        ("person", "114", "军字第 1234567 号", "军字第1234567号"),
        ("person", "413", "pe1234567", "PE1234567"),
        ("person", "511", "0123456789(5)", "0123456789(5)"),
        ("person", "516", "M0123456701", "M0123456701"),
        ("person", "999", None, None),
        ("person", "999", "UNHCR 17-b", "UNHCR 17-b"),
        ("organisation", None, CREDIT_CODE, CREDIT_CODE),
        ("organisation", "099", "HRB 12345 Köln", "HRB 12345 Köln"),
        ("organisation", "099", None, None),
    ],
)
def test_everybody_can_apply_with_the_paper_they_have(
    process: MemoryHost[Case], kind: str, id_kind: str | None, typed: str | None, number: str | None
) -> None:
    applicant = {"kind": kind, "name": "Anna Schmidt", "id_kind": id_kind, "id_number": typed}
    body = changed(applicant={name: value for name, value in applicant.items() if value is not None})
    assert post(process, body).status_code == 201
    (published,) = process.published
    assert isinstance(published, CaseAccepted) and published.applicant is not None
    expected = id_kind or {"person": "111", "organisation": "001"}[kind]
    assert (published.applicant.paper, published.applicant.id_number) == (expected, number)


@pytest.mark.parametrize(
    ("kind", "id_kind", "number", "field", "detail"),
    [
        ("person", None, None, "id_number", "is missing; a citizen card or residence permit"),
        ("person", "414", None, "id_number", "is missing; a passport has a number"),
        ("person", "414", "E123?", "id_number", "is no number of a passport"),
        ("person", "553", CITIZEN_NUMBER, "id_number", "is no number of a permanent residence permit"),
        ("person", "516", "X12345678", "id_number", "is no number of a mainland travel permit"),
        ("person", "111", "E12345678", "id_number", "is no number of a citizen card"),
        ("person", "111", FOREIGNER_NUMBER, "id_number", "is no number of a citizen card"),
        ("person", "118", None, "id_number", "is missing; a card of a soldier"),
        ("person", "099", None, "id_kind", "999 (another paper, or none)"),
        ("organisation", "999", None, "id_kind", "099 (another paper, or none)"),
        ("person", "111", BORN_TOMORROW, "id_number", "has a date of birth that cannot be"),
        ("person", "553", FOREIGNER_BORN_TOMORROW, "id_number", "has a date of birth that cannot be"),
        ("person", "111", BORN_1850, "id_number", "has a date of birth that cannot be"),
        ("person", "001", CREDIT_CODE, "id_kind", "must be 111 (citizen card or residence permit"),
        ("organisation", "414", "E12345678", "id_kind", "must be 001 (unified social credit code)"),
        ("organisation", None, CITIZEN_NUMBER, "id_number", "is no number of a unified social credit code"),
        ("person", "777", "1", "id_kind", "must be 111 (citizen card or residence permit"),
        ("person", "999", "a\nb", "id_number", "must be one line"),
        ("person", "999", "x" * 41, "id_number", "has more than 40 characters"),
    ],
)
def test_the_kind_of_a_number_decides_its_check(
    process: MemoryHost[Case], kind: str, id_kind: str | None, number: str | None, field: str, detail: str
) -> None:
    applicant = {"kind": kind, "name": "Anna Schmidt", "id_kind": id_kind, "id_number": number}
    response = post(process, changed(applicant=applicant))
    (fault,) = problem(response, 422)["errors"]
    assert fault["pointer"] == f"#/applicant/{field}"
    assert detail in fault["detail"] and not fault["detail_zh"].isascii()
    assert number is None or len(number) < 5 or number not in response.text


def test_a_county_in_no_province_is_refused(process: MemoryHost[Case]) -> None:
    (fault,) = problem(post(process, changed(region="999999")), 422)["errors"]
    assert (fault["pointer"], fault["detail_zh"]) == ("#/region", "没有这样开头的行政区划代码，请核对")


def test_the_same_key_and_body_is_the_same_case(process: MemoryHost[Case]) -> None:
    first = post(process, Idempotency_Key='"8e03978e-40d5-43dd-bc93-6894a57f9324"')
    again = post(process, Idempotency_Key="8e03978e-40d5-43dd-bc93-6894a57f9324")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert len(process.published) == 1


def test_the_same_key_with_another_body_is_refused(process: MemoryHost[Case]) -> None:
    post(process, Idempotency_Key="8e03978e-40d5-43dd-bc93-6894a57f9324")
    response = post(process, changed(channel="web"), Idempotency_Key="8e03978e-40d5-43dd-bc93-6894a57f9324")
    assert problem(response, 422)["type"] == "urn:onedoor:problem:idempotency-key-reused"
    assert len(process.published) == 1


def test_without_a_key_each_application_is_a_case(process: MemoryHost[Case]) -> None:
    assert post(process).json()["number"] != post(process).json()["number"]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("Idempotency-Key", ("first", "second")),
        ("Idempotency-Key", ("same", "same")),
        ("Content-Type", ("application/json", "text/plain")),
        ("Authorization", ("Bearer a", f"Bearer {TOKEN}")),
    ],
)
def test_a_header_that_is_given_twice_is_refused(process: MemoryHost[Case], name: str, values: tuple[str, str]) -> None:
    given = {"Content-Type": "application/json"} if name != "Content-Type" else {}
    headers = [*given.items(), *((name, value) for value in values)]
    content = problem(client_of(process, {}).post("/cases", json=APPLICATION, headers=headers), 400)
    assert content["type"] == "urn:onedoor:problem:header-repeated"
    assert content["errors"] == [
        {"parameter": name, "detail": "is given more than once; send it once", "detail_zh": "重复给出，请只发送一次"}
    ]
    assert not process.published


def test_two_keys_that_a_proxy_has_joined_are_refused(process: MemoryHost[Case]) -> None:
    (fault,) = problem(post(process, Idempotency_Key='"first", "second"'), 422)["errors"]
    assert (fault["parameter"], fault["detail"]) == ("Idempotency-Key", "has more than one value; send one")


@pytest.mark.parametrize("key", ['""', " "])
def test_an_empty_key_is_refused(process: MemoryHost[Case], key: str) -> None:
    assert problem(post(process, Idempotency_Key=key), 422)["errors"][0]["parameter"] == "Idempotency-Key"


def test_all_missing_materials_are_named_at_once(process: MemoryHost[Case]) -> None:
    content = problem(post(process, changed(materials=["sale-contract"])), 422)
    assert content["type"] == "urn:onedoor:problem:materials-missing"
    assert [(fault["pointer"], fault["detail_zh"]) for fault in content["errors"]] == [
        ("#/materials", "缺少：申请人身份证明"),
        ("#/materials", "缺少：不动产权证书"),
    ]
    assert process.rows == {}


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, {"#/applicant", "#/region", "#/channel"}),
        (changed(bundle=None), {"#"}),
        (changed(item="premises-use"), {"#"}),
        (changed(bundle="no-such"), {"#/bundle"}),
        (changed(bundle="premises-use"), {"#/bundle"}),
        (changed(bundle=None, item="start-business"), {"#/item"}),
        (changed(region="beijing", channel="pigeon", colour="red"), {"#/region", "#/channel", "#/colour"}),
        (changed(materials=["a\nb", ""]), {"#/materials/0", "#/materials/1"}),
        (
            changed(applicant={"kind": "person", "name": " ", "id_number": CITIZEN_NUMBER[:-1]}),
            {"#/applicant/name", "#/applicant/id_number"},
        ),
        (
            changed(applicant={"kind": "organisation", "name": "x", "id_number": CITIZEN_NUMBER}),
            {"#/applicant/id_number"},
        ),
        ([], {"#"}),
    ],
)
def test_each_wrong_field_is_named(process: MemoryHost[Case], body: Any, pointers: set[str]) -> None:
    response = post(process, body)
    errors = problem(response, 422)["errors"]
    assert {fault["pointer"] for fault in errors} == pointers
    assert all(fault["detail"] and fault["detail_zh"] for fault in errors)
    assert CITIZEN_NUMBER[:-1] not in response.text


def test_a_department_that_is_not_connected() -> None:
    content = problem(post(intake(systems=("tax",))), 422)
    assert content["type"] == "urn:onedoor:problem:department-not-connected"


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"a": "\\ud800"}', b"[" * 2000])
def test_a_body_that_is_not_json(process: MemoryHost[Case], body: bytes) -> None:
    response = client_of(process).post("/cases", content=body, headers={"Content-Type": "application/json"})
    assert problem(response, 400)["type"] == "urn:onedoor:problem:not-json"


def test_a_body_that_is_not_declared_as_json(process: MemoryHost[Case]) -> None:
    problem(client_of(process).post("/cases", data={"bundle": "transfer-property"}), 415)


def test_a_body_that_is_too_large(process: MemoryHost[Case]) -> None:
    problem(post(process, changed(materials=["x" * 70_000])), 413)


def test_a_body_that_is_too_large_without_a_declared_length(process: MemoryHost[Case]) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(5):
            yield b" " * 16_384

    response = client_of(process).post("/cases", content=chunks(), headers={"Content-Type": "application/json"})
    problem(response, 413)


def test_overload_is_answered_with_429(process: MemoryHost[Case]) -> None:
    process.fault = Overloaded()
    response = post(process)
    problem(response, 429)
    assert response.headers["retry-after"] == "1"


@pytest.mark.parametrize(
    "error", [DBAPIError("SELECT state", {"id": "x"}, Exception("starting up")), DatabaseUnreachable("refused")]
)
def test_an_unavailable_database_is_answered_with_503(process: MemoryHost[Case], error: Exception) -> None:
    receipt = post(process).json()
    process.fault = error
    response = client_of(process).get(receipt["tracking"], headers={"Case-Secret": receipt["secret"]})
    problem(response, 503)
    assert response.headers["retry-after"] == "1"


def test_an_internal_error_reveals_nothing(process: MemoryHost[Case]) -> None:
    process.fault = RuntimeError("the inside")
    assert "inside" not in str(problem(post(process), 500))


async def test_a_case_is_shown_with_its_secret(process: MemoryHost[Case]) -> None:
    receipt = post(process).json()
    number, secret = receipt["number"], receipt["secret"]
    done = CASE.done("taxes", after(20), document="Z1", requested_at=after(1), task_id=f"{number}/taxes")
    await process.command(number, done)
    client = client_of(process)
    response = client.get(f"/cases/{number}", headers={"Case-Secret": secret})
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    case = response.json()
    assert client.get(f"/cases/{number.lower()}", headers={"Case-Secret": secret.lower()}).json() == case
    posted = client.post(f"/cases/{number.lower()}/tracking", json={"secret": secret.lower()})
    assert (posted.status_code, posted.json(), posted.headers["cache-control"]) == (200, case, "no-store")
    assert (case["state"], case["state_name"]["zh"], case["outcome"]) == ("accepted", "已受理", None)
    assert case["due"] == receipt["due"]
    taxes, title, _ = case["steps"]
    assert (taxes["state"], taxes["document"]) == ("done", "Z1")
    assert taxes["due"] is None, "monitor has not reported it yet"
    assert (title["state"], title["due"]) == ("waiting", None)
    assert [event["event"].split(":")[0] for event in case["history"]] == [
        "Case accepted",
        "Sent to Tax (税务局)",
        "Received by Tax (税务局)",
        "Decided by Tax (税务局)",
    ]
    assert "王小明" not in response.text


async def test_a_decided_case_is_shown_as_decided(process: MemoryHost[Case]) -> None:
    receipt = post(process).json()
    await process.command(receipt["number"], CASE.decided(after(30), step_report("title", StepState.DONE, 30)))
    case = client_of(process).get(receipt["tracking"], headers={"Case-Secret": receipt["secret"]}).json()
    assert (case["state"], case["outcome"]) == ("decided", "approved")
    assert case["decided_at"] == after(30).isoformat().replace("+00:00", "Z")
    assert case["history"][-1]["event_zh"] == "办结：准予"


def test_every_wrong_pair_has_one_answer_and_leads_to_no_database(process: MemoryHost[Case]) -> None:
    known, unknown = post(process).json(), post(intake()).json()
    process.fault = DatabaseUnreachable("whoever asks it learns that it is not there")
    client = client_of(process)
    assert client.get(known["tracking"], headers={"Case-Secret": known["secret"]}).status_code == 503
    answers = set()
    for number, secret in [
        (known["number"], ""),
        (known["number"], unknown["secret"]),
        (known["number"], known["secret"][:-1]),
        (unknown["number"], known["secret"]),
        (unknown["number"], ""),
        ("0000-0000-0000-0", known["secret"]),
        ("nonsense", "查询码"),
    ]:
        asked = client.get(f"/cases/{number}", headers={"Case-Secret": secret.encode()})
        posted = client.post(f"/cases/{number}/tracking", json={"secret": secret})
        assert problem(asked, 404) == problem(posted, 404)
        answers |= {(one.text, one.headers["cache-control"]) for one in (asked, posted)}
    assert len(answers) == 1
    process.fault = None
    absent = client.get(unknown["tracking"], headers={"Case-Secret": unknown["secret"]})
    assert (absent.text, absent.headers["cache-control"]) in answers, "a right pair without a case"


def test_a_secret_in_the_address_is_refused_with_where_it_belongs(process: MemoryHost[Case]) -> None:
    receipt = post(process).json()
    client = client_of(process)
    for secret in (receipt["secret"], "AAAAA-BBBBB"):
        for answer in (
            client.get(receipt["tracking"], params={"secret": secret}),
            client.get(receipt["tracking"], params={"secret": secret}, headers={"Case-Secret": receipt["secret"]}),
            client.post(receipt["tracking"] + "/tracking", params={"secret": secret}, json={}),
        ):
            (fault,) = problem(answer, 422)["errors"]
            assert fault["parameter"] == "secret"
            assert "Case-Secret" in fault["detail"] and "Case-Secret" in fault["detail_zh"]
            assert secret not in answer.text


@pytest.mark.parametrize(
    ("content", "declared", "status"),
    [
        (b"{}", "application/json", 422),
        (b'{"secret": 1}', "application/json", 422),
        (b'{"secret": "x", "secret": "y"}', "application/json", 422),
        (b'{"secret": "' + b"x" * 101 + b'"}', "application/json", 422),
        (b'{"secret": "' + b"x" * 2000 + b'"}', "application/json", 413),
        (b"secret=x", "application/x-www-form-urlencoded", 415),
        (b"{", "application/json", 400),
    ],
)
def test_a_posted_secret_is_read_strictly(
    process: MemoryHost[Case], content: bytes, declared: str, status: int
) -> None:
    client = client_of(process)
    problem(client.post("/cases/x/tracking", content=content, headers={"Content-Type": declared}), status)


def test_the_catalogue_is_public(process: MemoryHost[Case]) -> None:
    response = client_of(process, headers={}).get("/catalogue")
    assert response.status_code == 200
    transfer = response.json()["bundles"][1]
    assert transfer["code"] == "transfer-property"
    kinds = {kind["code"]: kind for kind in response.json()["id_kinds"]}
    assert kinds["414"]["name"] == {"zh": "普通护照", "en": "passport"} and kinds["414"]["applicants"] == ["person"]
    assert [code for code, kind in kinds.items() if not kind["number_required"]] == ["999", "099"]
    assert [material["code"] for material in transfer["materials"]] == [
        "identity",
        "sale-contract",
        "title-certificate",
    ]
    assert transfer["limits"] == {"committed": 5, "statutory": 30}
    assert transfer["fees_total_fen"] == 8000
    assert transfer["fees"][0]["basis"]["zh"]


def test_other_errors_are_problems_too(process: MemoryHost[Case]) -> None:
    client = client_of(process)
    problem(client.get("/nowhere"), 404)
    problem(client.delete("/catalogue"), 405)
    assert problem(post(process, Idempotency_Key="k" * 300), 422)["errors"][0]["parameter"] == "Idempotency-Key"


def test_the_description_of_the_endpoints_has_no_dangling_references(process: MemoryHost[Case]) -> None:
    description = application(SERVICE, process).openapi()
    post_cases = description["paths"]["/cases"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    applicant = post_cases["properties"]["applicant"]["properties"]
    assert applicant["id_number"]["anyOf"][0]["maxLength"] == 40 and "414" in applicant["id_kind"]["anyOf"][0]["enum"]
    assert "#/$defs" not in str(description)
    rows = description["paths"]["/imports"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert "accepted_at" in rows["items"]["required"]
