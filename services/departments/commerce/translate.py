"""Translates between the contracts and the rows of the exchange tables. Pure.

Codes are those of GB/T 39046-2020, Annex A, where it has them; of identity papers, those of intake (GB/T 36903,
GA/T 2000.156).
"""

from datetime import datetime, time, timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, ConfigDict, InstanceOf

from contracts.faults import fault
from contracts.messages.plans import Outcome
from contracts.messages.tasks import TaskRequested
from contracts.values import Model
from contracts.working_time.written import Written, parse_written
from contracts.zone import CHINA
from services.departments.sdk.core.messages import Decision, Procedure, Receipt, in_utc
from services.departments.sdk.core.texts import (
    NUMBER_FORM,
    DocumentNumber,
    Explanation,
    Line,
    Number,
    Paragraphs,
)

DATA_SOURCE = "1"
"""The row comes from the centre, not from a window of the department."""

INSERTED, REPEATED = "I", "U"
"""``cd_operation``."""

PASSED = "1"
"""``event_name`` (业务动作) of a step of the department's own that was passed: 通过, as a code."""

OTHER_ACTIONS = frozenset({"2", "3", "退回", "其他"})
"""Every other ``event_name`` of table 7, as a code or in words."""

ARTICLE = "行政许可法第四十五条"
"""The article that allows a special procedure. The rows do not name it."""

GRANTED, DENIED = "1", "2"
"""``result_type``."""

_OTHER_FORM = "9"
_ON_THE_SPOT, _COMMITTED = "1", "2"
_APPLICANT_KIND = {"person": "1", "organisation": "2"}


def _begin(value: object) -> object:
    return parse_written(value).at if isinstance(value, str) else value


def _written(value: object) -> object:
    if isinstance(value, datetime):
        return Written(value, is_day=False)
    return parse_written(value) if isinstance(value, str) else value


TableTime = Annotated[datetime, BeforeValidator(_begin)]
"""A time of the tables, also of a column with a zone or with text. A day without a time stands for its beginning."""

TableEnd = Annotated[InstanceOf[Written], BeforeValidator(_written)]
"""An end of a period. `end` gives its moment."""

ACCEPT_COLUMNS = (
    *("row_guid", "project_no", "data_source", "cd_operation", "cd_batch", "cd_time", "catalog_code", "task_code"),
    *("task_name", "project_name", "project_type", "apply_type", "apply_date", "applyer_name", "applyer_type"),
    *("applyer_page_type", "applyer_page_code", "org_code", "org_name", "accept_date", "promise_date"),
)


class _Row(Model):
    model_config = ConfigDict(frozen=True, extra="ignore", from_attributes=True)


class ProcessRow(_Row):
    """A row of ``up_pro_process`` with the number under which the department has received a case."""

    project_no: Number
    event_name: Annotated[Literal["1", "通过"], NUMBER_FORM]
    event_start_time: TableTime
    remark: Number


class ProcedureRow(_Row):
    """A row of ``up_pro_special_procedure``: a period that does not count, as far as the department knows it."""

    id: int
    project_no: Number
    cd_operation: Annotated[Literal["I", "U"], NUMBER_FORM]
    cd_time: TableTime
    special_name: Line
    special_reason: Explanation
    special_time: TableTime
    end_time: TableEnd


class ResultRow(_Row):
    """A row of ``up_pro_result``. The department's number of the case is in ``up_pro_process``."""

    project_no: Number
    cd_operation: Annotated[Literal["I", "U"], NUMBER_FORM]
    result_type: Annotated[Literal["1", "2"], NUMBER_FORM]
    result_date: TableTime
    result_explain: Paragraphs
    result_cetr_no: DocumentNumber


def local(at: datetime) -> str:
    """A moment as the tables have it: China Standard Time, without a zone."""
    return at.astimezone(CHINA).replace(tzinfo=None).isoformat()


def moment(at: datetime) -> datetime:
    """A time of the tables, local where it names no zone, in UTC. Raises `ValueError` if UTC cannot express it."""
    return in_utc(at if at.tzinfo is not None else at.replace(tzinfo=CHINA))


def end(begins: datetime, ends: Written) -> datetime:
    """The end of a period in UTC. A day without a time lasts to its end. Raises `ValueError` if UTC cannot express it.

    A column for times has midnight for a day. Midnight is then the end of a period that begins at midnight as well.
    """
    at = moment(ends.at)
    is_day = ends.is_day or all(one.astimezone(CHINA).time() == time() for one in (moment(begins), at))
    return in_utc(at + timedelta(days=1)) if is_day else at


def accept_row(task: TaskRequested, org_code: str | None, batch: str, now: datetime) -> dict[str, str | None]:
    """The row of ``up_pro_accept`` of a task. The task id is its key."""
    who = task.applicant
    committed = task.limits.committed if task.limits else None
    documents = "".join(f"；{document.step} {document.number}" for document in task.documents)
    return {
        "row_guid": task.task_id,
        "project_no": task.task_id,
        "data_source": DATA_SOURCE,
        "cd_operation": INSERTED,
        "cd_batch": batch,
        "cd_time": local(now),
        "catalog_code": task.item,
        "task_code": task.item,
        "task_name": task.item_name,
        "project_name": (task.item_name + documents)[:1000],
        "project_type": _ON_THE_SPOT if committed and committed.working_days == 0 else _COMMITTED,
        "apply_type": _OTHER_FORM,
        "apply_date": local(task.requested_at),
        "applyer_name": who.name if who else None,
        "applyer_type": _APPLICANT_KIND[who.kind] if who else None,
        "applyer_page_type": who.paper if who else None,
        "applyer_page_code": who.id_number if who else None,
        "org_code": org_code,
        "org_name": task.department,
        "accept_date": local(task.requested_at),
        "promise_date": local(committed.due_at) if committed and committed.due_at else None,
    }


def receipt(row: ProcessRow) -> Receipt:
    """The department's number for the case, and when it received it."""
    return Receipt(reference=row.remark, delivered_at=moment(row.event_start_time))


def procedure(row: ProcedureRow) -> Procedure:
    """A special procedure. The department changes the row (``U``) as the procedure goes on."""
    return Procedure(
        procedure=str(row.id),
        name=row.special_name,
        reason=row.special_reason,
        article=ARTICLE,
        since=moment(row.special_time),
        until=end(row.special_time, row.end_time),
        reported_at=moment(row.cd_time),
    )


def decision(row: ResultRow, taken: Receipt | None) -> Decision:
    """The department's decision on a case that it has taken. Raises `ValueError` if no row of its number is known."""
    if taken is None:
        raise fault(
            "no row of up_pro_process has the department's number of this case (remark)",
            "up_pro_process 中没有写明部门受理编号（remark）的行",
        )
    return Decision(
        reference=taken.reference,
        delivered_at=taken.delivered_at,
        outcome=Outcome.APPROVED if row.result_type == GRANTED else Outcome.REFUSED,
        document=row.result_cetr_no,
        opinion=row.result_explain,
        decided_at=moment(row.result_date),
    )
