"""The translations of the shipped departments, by example."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from contracts.messages.cases import Applicant
from contracts.messages.plans import Outcome
from contracts.messages.tasks import Document, TaskRequested
from services.departments.commerce import translate as commerce
from services.departments.land import translate as land
from services.departments.sdk.adapter import case_of, read_reply, unparseable
from services.departments.sdk.core.messages import Decision, Receipt
from services.departments.tax import translate as tax
from tests.support.messages import limits

MIDNIGHT = datetime(2026, 3, 1, 16, tzinfo=UTC)
"""Of 2 March, in China."""

TASK_ID = "K7Q2-9MXF-4TBA-3/licence"
TAKEN, DECIDED = datetime(2026, 3, 2, 1, 30, tzinfo=UTC), datetime(2026, 3, 4, 8, tzinfo=UTC)

TASK = TaskRequested(
    task_id=TASK_ID,
    step="licence",
    item="item-7",
    item_name="设立登记",
    department="市场监督管理局",
    system="commerce",
    region="445122",
    applicant=Applicant(kind="organisation", name="好店有限公司", id_number="91350100M000100Y43"),
    materials=("章程",),
    documents=(Document(step="title", number="证1号"),),
    limits=limits(DECIDED, 20),
    requested_at=TAKEN,
)
ANONYMOUS = TASK.model_copy(update={"applicant": None, "limits": None, "documents": ()})

RECEIPT = Receipt(reference="受1号", delivered_at=TAKEN)
DECISION = Decision(
    reference="受1号", delivered_at=TAKEN, outcome=Outcome.REFUSED, opinion="不符合条件", decided_at=DECIDED
)


PASSPORT = Applicant(kind="person", name="Anna Schmidt", id_kind="414", id_number="E1234567")
WITHOUT_NUMBER = Applicant(kind="organisation", name="Schmidt GmbH", id_kind="099")


@pytest.mark.parametrize(
    ("applicant", "kind", "land_kind", "number"),
    [
        (PASSPORT, "414", "3", "E1234567"),
        (WITHOUT_NUMBER, "099", "99", None),
        (PASSPORT.replace(id_kind="413"), "413", "3", "E1234567"),
        (PASSPORT.replace(id_kind="516", id_number="H12345678"), "516", "2", "H12345678"),
        (PASSPORT.replace(id_kind="118", id_number="士字第1号"), "118", "5", "士字第1号"),
        (PASSPORT.replace(id_kind="553", id_number="USA110083010101"), "553", "99", "USA110083010101"),
        (PASSPORT.replace(id_kind="999", id_number=None), "999", "99", None),
        (Applicant(kind="person", name="李华", id_number="11010519491231002X"), "111", "1", "11010519491231002X"),
    ],
)
def test_every_department_is_told_the_kind_of_a_number(
    applicant: Applicant, kind: str, land_kind: str, number: str | None
) -> None:
    task = TASK.replace(applicant=applicant)
    row = commerce.accept_row(task, None, "batch 1", TAKEN)
    assert (row["applyer_page_type"], row["applyer_page_code"]) == (kind, number)
    taxpayer = tax.application(task).taxpayer
    assert taxpayer is not None and (taxpayer.id_type, taxpayer.id_number) == (kind, number)
    line = land.application(task)
    assert (line.zjzl, line.zjh) == (land_kind, number)


def test_a_reply_is_read_in_any_usual_encoding_and_each_name_stands_once() -> None:
    text = '{"ywh": "K7Q2-9MXF-4TBA-3/x", "slbh": "受1号", "slsj": "20260302093000"}'
    for codec in ("utf-8", "utf-8-sig", "gb18030", "utf-16"):
        (line,) = land.lines_of(text.encode(codec))
        assert land.answer(read_reply(land.Standing, line)) == RECEIPT
    with pytest.raises(ValueError, match="stands twice, in line 1 and in line 1") as refused:
        read_reply(land.Standing, text.replace("slsj", "slbh").encode())
    assert "受1号" not in str(unparseable(refused.value, b""))


class TestTax:
    def test_application(self) -> None:
        assert json.loads(tax.application(TASK).model_dump_json(by_alias=True, exclude_none=True)) == {
            "taskId": TASK_ID,
            "item": "item-7",
            "itemName": "设立登记",
            "region": "445122",
            "taxpayer": {
                "kind": "legal",
                "name": "好店有限公司",
                "idType": "001",
                "idNumber": "91350100M000100Y43",
            },
            "materials": ["章程"],
            "priorDocuments": [{"issuedIn": "title", "number": "证1号"}],
            "dueAt": "2026-03-04T16:00:00+08:00",
            "requestedAt": "2026-03-02T09:30:00+08:00",
        }

    def test_without_an_applicant(self) -> None:
        assert tax.application(ANONYMOUS).taxpayer is None

    def test_answers(self) -> None:
        taken = {"taskId": TASK_ID, "number": "受1号", "receivedAt": "2026-03-02T09:30:00+08:00"}
        assert tax.answer(tax.Standing.model_validate(taken | {"status": "handling"})) == RECEIPT
        result = {"conclusion": "rejected", "opinion": "不符合条件", "completedAt": "2026-03-04T16:00:00+08:00"}
        assert tax.answer(tax.Standing.model_validate(taken | {"status": "completed"} | result)) == DECISION

    @pytest.mark.parametrize(
        "written",
        [
            "2026-03-02T09:30:00+08",  # PostgreSQL
            "2026-03-02 09:30:00.000+0800",  # Jackson until 2.10
            "2026-03-02T01:30:00.000Z",
            1772415000000,  # Jackson as it comes
        ],
    )
    def test_a_moment_is_read_as_the_usual_systems_write_it(self, written: object) -> None:
        standing = {"taskId": TASK_ID, "number": "1", "receivedAt": written, "status": "handling"}
        assert read_reply(tax.Standing, json.dumps(standing).encode()).received_at == TAKEN

    def test_a_day_without_a_time_is_its_beginning_in_china(self) -> None:
        standing = {"taskId": TASK_ID, "number": "1", "receivedAt": "2026-03-02", "status": "handling"}
        assert tax.answer(tax.Standing.model_validate(standing)).delivered_at == MIDNIGHT

    @pytest.mark.parametrize("written", ["2026-12-31T23:59:60Z", "2026-03-02T24:00:00+08:00", "2026-02-30T09:30:00Z"])
    def test_a_moment_that_does_not_exist_is_refused_with_its_field(self, written: str) -> None:
        standing = {"taskId": TASK_ID, "number": "1", "receivedAt": written, "status": "handling"}
        with pytest.raises(ValidationError) as refused:
            read_reply(tax.Standing, json.dumps(standing).encode())
        assert "receivedAt" in str(unparseable(refused.value, b""))

    @pytest.mark.parametrize("fault", [{"status": "completed"}, {"number": " "}, {"receivedAt": "2026-03-02 09:30"}])
    def test_half_an_answer_is_none(self, fault: dict[str, str]) -> None:
        taken = {"taskId": TASK_ID, "number": "1", "receivedAt": "2026-03-02T09:30:00+08:00", "status": "handling"}
        with pytest.raises(ValidationError):
            tax.Standing.model_validate(taken | fault)


class TestCommerce:
    def test_accept_row(self) -> None:
        row = commerce.accept_row(TASK, "11440000MB2C00000X", "batch 1", TAKEN)
        assert set(row) == set(commerce.ACCEPT_COLUMNS)
        assert row["row_guid"] == row["project_no"] == TASK_ID
        assert (row["cd_operation"], row["cd_batch"], row["cd_time"]) == ("I", "batch 1", "2026-03-02T09:30:00")
        assert (row["applyer_type"], row["applyer_page_type"], row["applyer_page_code"]) == (
            "2",
            "001",
            "91350100M000100Y43",
        )
        assert row["promise_date"] == "2026-03-04T16:00:00"
        assert row["project_name"] == "设立登记；title 证1号"

    def test_without_an_applicant(self) -> None:
        row = commerce.accept_row(ANONYMOUS, "11440000MB2C00000X", "batch 1", TAKEN)
        assert (row["applyer_name"], row["applyer_type"], row["promise_date"]) == (None, None, None)

    def test_answers(self) -> None:
        taken_at = datetime(2026, 3, 2, 9, 30)  # noqa: DTZ001  # the tables know no zone
        process = commerce.ProcessRow(project_no=TASK_ID, event_name="1", event_start_time=taken_at, remark="受1号")
        assert commerce.receipt(process) == RECEIPT
        result = commerce.ResultRow(
            project_no=TASK_ID,
            cd_operation="I",
            result_type="2",
            result_date=datetime(2026, 3, 4, 16),  # noqa: DTZ001
            result_explain="不符合条件",
            result_cetr_no=None,
        )
        assert commerce.decision(result, RECEIPT) == DECISION
        with pytest.raises(ValueError, match="up_pro_process"):
            commerce.decision(result, None)

    @pytest.mark.parametrize(
        ("written", "meant"),
        [
            ("2026-03-02 09:30:00", TAKEN),
            ("2026-03-02 01:30:00+00", TAKEN),
            ("2026-03-02 09:30:00+08", TAKEN),
            ("2026/3/2 9:30", TAKEN),
            ("2026年3月2日 9:30", TAKEN),
            ("20260302093000", TAKEN),
            ("2026-03-02", MIDNIGHT),
            ("20260302", MIDNIGHT),
        ],
    )
    def test_a_time_in_a_column_of_another_type(self, written: str, meant: datetime) -> None:
        row = {"project_no": TASK_ID, "event_name": "1", "event_start_time": written, "remark": "受1号"}
        assert commerce.receipt(commerce.ProcessRow.model_validate(row)).delivered_at == meant

    @pytest.mark.parametrize("written", ["1772415000", "1772415000000", "9:30", "", "infinity", "1/3/2026"])
    def test_a_text_that_names_no_moment(self, written: str) -> None:
        row = {"project_no": TASK_ID, "event_name": "1", "event_start_time": written, "remark": "受1号"}
        with pytest.raises(ValidationError, match="event_start_time"):
            commerce.ProcessRow.model_validate(row)

    @pytest.mark.parametrize(
        ("special_time", "end_time", "until"),
        [
            pytest.param("2026-03-03", "2026-03-10", MIDNIGHT + timedelta(days=9), id="columns of dates"),
            pytest.param("2026-03-03 09:00", "2026/3/10", MIDNIGHT + timedelta(days=9), id="a text"),
            pytest.param(
                "2026-03-03 00:00:00",
                "2026-03-10 00:00:00",
                MIDNIGHT + timedelta(days=9),
                id="days in columns of times",
            ),
            pytest.param("2026-03-03 09:00:00", "2026-03-10 00:00:00", MIDNIGHT + timedelta(days=8), id="a moment"),
            pytest.param("2026-03-03 00:00:00", "2026-03-10 09:30:00", TAKEN + timedelta(days=8), id="another moment"),
        ],
    )
    def test_a_procedure_that_ends_on_a_day_lasts_to_the_end_of_it(
        self, special_time: str, end_time: str, until: datetime
    ) -> None:
        row = {"id": 1, "project_no": TASK_ID, "cd_operation": "I", "cd_time": "2026-03-02 09:30:00"}
        texts = {"special_name": "听证", "special_reason": "涉及重大公共利益"}
        period = {"special_time": special_time, "end_time": end_time}
        found = commerce.procedure(commerce.ProcedureRow.model_validate(row | texts | period))
        assert found.until == until


class TestLand:
    def test_application(self) -> None:
        assert json.loads(land.file_of([land.application(TASK)])) == {
            "ywh": TASK_ID,
            "sxbm": "item-7",
            "sxmc": "设立登记",
            "xzqh": "445122",
            "qlrlx": "2",
            "qlrmc": "好店有限公司",
            "zjzl": "7",
            "zjh": "91350100M000100Y43",
            "clmc": ["章程"],
            "qzwj": [["title", "证1号"]],
            "cnsj": "20260304160000",
            "sqsj": "20260302093000",
        }

    def test_without_an_applicant(self) -> None:
        assert land.application(ANONYMOUS).qlrmc is None

    def test_answers(self) -> None:
        taken = {"ywh": TASK_ID, "slbh": "受1号", "slsj": "20260302093000"}
        assert land.answer(land.Standing.model_validate(taken)) == RECEIPT
        result = {"bjjg": "不予", "bjsj": "20260304160000", "bjyj": "不符合条件"}
        assert land.answer(land.Standing.model_validate(taken | result)) == DECISION

    def test_a_day_without_a_time_is_its_beginning(self) -> None:
        standing = land.Standing.model_validate({"ywh": TASK_ID, "slbh": "1", "slsj": "20260302"})
        assert land.answer(standing).delivered_at == MIDNIGHT

    def test_a_day_that_there_is_not(self) -> None:
        standing = land.Standing(ywh=TASK_ID, slbh="受1号", slsj="20260230093000")
        with pytest.raises(ValueError, match="day is out of range"):
            land.answer(standing)

    def test_a_result_without_a_time(self) -> None:
        with pytest.raises(ValidationError):
            land.Standing(ywh=TASK_ID, slbh="受1号", slsj="20260302093000", bjjg="准予")

    def test_lines(self) -> None:
        assert land.lines_of(b'{"a":1}\n\n{"b":2}\n') == [b'{"a":1}', b'{"b":2}']


def test_padded_fields_are_understood_in_every_department() -> None:
    """A column of fixed width pads what is in it with spaces."""
    standing = {"taskId": f"{TASK_ID} ", "number": " 受1号\u3000", "receivedAt": "2026-03-02T09:30:00+08:00"}
    completed = {"status": "completed", "conclusion": "rejected ", "completedAt": "2026-03-04T16:00:00+08:00"}
    decided = tax.answer(tax.Standing.model_validate(standing | completed | {"opinion": "不符合条件\n"}))
    assert decided == DECISION
    line = {
        "ywh": f"{TASK_ID}  ",
        "slbh": "受１号",
        "slsj": "20260302093000 ",
        "bjjg": "不予 ",
        "bjsj": "20260304160000",
    }
    assert land.answer(land.Standing.model_validate(line | {"zsbh": " ", "bjyj": " 不符合条件"})) == DECISION
    process = {"project_no": f"{TASK_ID} ", "event_name": "1 ", "event_start_time": "2026-03-02 09:30:00"}
    taken = commerce.receipt(commerce.ProcessRow.model_validate(process | {"remark": "受1号\u200b "}))
    assert taken == RECEIPT
    result = {"project_no": TASK_ID, "cd_operation": "I ", "result_type": "2 ", "result_date": "2026-03-04 16:00:00"}
    row = commerce.ResultRow.model_validate(result | {"result_explain": " 不符合条件 ", "result_cetr_no": "  "})
    assert commerce.decision(row, taken) == DECISION


@pytest.mark.parametrize("blank", ["", "  ", "\u3000", "\u200b", "\u3164"])
def test_a_blank_number_is_no_receipt_in_any_department(blank: str) -> None:
    with pytest.raises(ValidationError, match="blank"):
        Receipt(reference=blank, delivered_at=TAKEN)
    with pytest.raises(ValidationError, match="blank"):
        tax.Standing(task_id=TASK_ID, number=blank, received_at=TAKEN, status="handling")
    with pytest.raises(ValidationError, match="blank"):
        land.Standing(ywh=TASK_ID, slbh=blank, slsj="20260302093000")
    with pytest.raises(ValidationError, match="blank"):
        commerce.ProcessRow(project_no=TASK_ID, event_name="1", event_start_time=TAKEN, remark=blank)


@pytest.mark.parametrize("nothing", ["null", "None", "无", "/", "——", "N/A", "undefined", "证\ufffd1号"])
def test_a_word_for_nothing_or_half_a_number_is_no_receipt_in_any_department(nothing: str) -> None:
    with pytest.raises(ValidationError, match=r"nothing|lost"):
        Receipt(reference=nothing, delivered_at=TAKEN)
    with pytest.raises(ValidationError, match=r"nothing|lost"):
        land.Standing(ywh=TASK_ID, slbh=nothing, slsj="20260302093000")
    with pytest.raises(ValidationError, match=r"nothing|lost"):
        commerce.ProcessRow(project_no=TASK_ID, event_name="1", event_start_time=TAKEN, remark=nothing)


@pytest.mark.parametrize("nothing", ["", "  ", "\u3000", "null", "-"])
def test_a_result_that_is_only_filled_is_none_yet(nothing: str) -> None:
    line = {
        "ywh": TASK_ID,
        "slbh": "受1号",
        "slsj": "20260302093000",
        "bjjg": nothing,
        "bjsj": nothing,
        "zsbh": nothing,
    }
    assert land.answer(land.Standing.model_validate(line)) == RECEIPT
    standing = {"taskId": TASK_ID, "number": "受1号", "receivedAt": "2026-03-02T09:30:00+08:00", "status": "handling"}
    undecided = {"conclusion": nothing, "completedAt": nothing, "certificateNumber": nothing}
    assert tax.answer(tax.Standing.model_validate(standing | undecided)) == RECEIPT
    with pytest.raises(ValidationError, match="completed"):
        tax.Standing.model_validate(standing | undecided | {"status": "completed"})


def test_the_case_of_a_task() -> None:
    assert case_of(TASK_ID) == "K7Q2-9MXF-4TBA-3"
    with pytest.raises(ValueError, match="case number"):
        case_of("2026-17/licence")


def test_an_invalid_reply_names_fields_without_values() -> None:
    with pytest.raises(ValidationError) as caught:
        tax.Taxpayer.model_validate({"kind": "natural", "name": "张三", "idType": "111", "idNumber": 110105})
    fault = unparseable(caught.value, b"raw")
    assert "idNumber: must be text" in str(fault)
    assert "110105" not in str(fault)
    assert fault.raw == b"raw"


def test_a_time_that_utc_cannot_express_is_invalid() -> None:
    """Converting it is an `OverflowError`; the adapter needs a `ValueError`, so that other lines are still read."""
    first = "0001-01-01T00:00:00"
    standing = tax.Standing(
        task_id=TASK_ID, number="受1号", received_at=datetime.fromisoformat(f"{first}+08:00"), status="handling"
    )
    with pytest.raises(ValidationError):
        tax.answer(standing)
    with pytest.raises(ValueError, match="edge"):
        land.moment("00010101000000")
    with pytest.raises(ValueError, match="edge"):
        commerce.moment(datetime.fromisoformat(first))


@pytest.mark.parametrize("written", ["20260230000000", "20261301000000", "20260301250000", "00000101000000"])
def test_a_date_or_time_that_does_not_exist(written: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        land.moment(written)
