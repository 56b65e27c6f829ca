"""Reads another system's cases from a table. Pure: each row becomes a case, or the reason why it is rejected."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from contracts.bilingual import both
from contracts.faults import fault, texts_of
from contracts.messages.cases import Channel
from contracts.text import number
from contracts.working_time.written import parse_written
from services.runtime.files.table import InCell, Row, Table, cell_fault, in_cell, is_shortened

COLUMNS = ("case_id", "startdate", "deadline", "enddate", "department", "channel")

MAX_CHARACTERS = 200
"""Characters of a reference or a name, as intake takes them."""

LAST_MOMENT = timedelta(days=1) - timedelta(microseconds=1)
"""The time of day at which a day ends."""

CHANNELS = {
    "desk": Channel.WINDOW,
    "e-mail": Channel.EMAIL,
    "intern": Channel.INTERNAL,
    "internet": Channel.WEB,
    "letter": Channel.POST,
    **{channel.value: channel for channel in Channel},
}
"""Names that other systems give to channels. Any other name counts as `Channel.OTHER`."""


@dataclass(frozen=True, slots=True)
class RecordedCase:
    """A case as the other system recorded it. ``label`` is that system's name for the channel."""

    line: int
    reference: str
    started_at: datetime
    deadline: datetime | None
    ended_at: datetime | None
    department: str
    label: str

    @property
    def channel(self) -> Channel:
        return CHANNELS.get(self.label.lower(), Channel.OTHER)


@dataclass(frozen=True, slots=True)
class RowRemark:
    """A remark about a row: why it was rejected, or what is odd about it.

    ``reason`` names the line and, where it is known, the column. ``kind`` is the same without what differs from row to
    row, so that equal reasons can be counted.
    """

    line: int
    case_id: str
    reason: str
    kind: str


@dataclass(frozen=True, slots=True)
class History:
    """The content of a file. ``cases`` includes the odd rows and leaves out the rejected ones.

    ``notes`` tell how the file was read, where it is not as files should be.
    """

    cases: tuple[RecordedCase, ...]
    rejected: tuple[RowRemark, ...]
    odd: tuple[RowRemark, ...]
    notes: tuple[str, ...] = ()

    @property
    def ends(self) -> datetime:
        """The last moment on record: the last start or end of a case."""
        return max(at for case in self.cases for at in (case.started_at, case.ended_at) if at is not None)


def read(content: bytes, zone: ZoneInfo) -> History:
    """Read a history. Moments without a zone are taken to be in ``zone``.

    A day without a time is the whole day: a case starts with it, a deadline lasts to its end, and a case that ended on
    it was in time for any deadline of that day. Raises `services.runtime.files.encoding.InvalidFile`.
    """
    table = Table(content, COLUMNS)
    cases: dict[str, RecordedCase] = {}
    rejected: list[RowRemark] = []
    odd: list[RowRemark] = []
    serials: set[str] = set()
    for row in table.rows():
        name = number(row.cells["case_id"])
        try:
            case = _case(row, zone, serials)
        except ValueError as error:
            rejected.append(RowRemark(row.line, name, cell_fault(row.line, error), _kind(row, error)))
            continue
        if name in cases:
            first = cases[name].line
            again = in_cell("case_id", fault(f"stands in line {first} already", f"已出现于第 {first} 行"))
            kind = both("case_id: stands in an earlier line already", "case_id：已出现于前面的行")
            rejected.append(RowRemark(row.line, name, cell_fault(row.line, again), kind))
            continue
        cases[name] = case
        if case.ended_at is not None and case.ended_at < case.started_at:
            ended, started = case.ended_at, case.started_at
            early = fault(f"{ended} is before the case starts, at {started}", f"{ended} 早于开始时间 {started}")
            kind = both("enddate: it is before the case starts", "enddate：早于开始时间")
            odd.append(RowRemark(case.line, name, cell_fault(case.line, in_cell("enddate", early)), kind))
    notes = [table.note] if table.note else []
    if serials:
        columns = ", ".join(sorted(serials))
        en = f"numbers in {columns} are read as Excel's serial numbers of days"
        notes.append(both(en, f"{columns} 中的数字按 Excel 日期序号读取"))
    return History(tuple(cases.values()), tuple(rejected), tuple(odd), tuple(notes))


def _kind(row: Row, error: ValueError) -> str:
    """A fault without its line and without the content of the cell, in both languages."""
    if not isinstance(error, InCell):
        return both(*texts_of(error))
    content = row.cells.get(error.column)
    en, zh = (text.replace(content, "…") if content else text for text in (error.en, error.zh))
    return both(f"{error.column}: {en}", f"{error.column}：{zh}")


def _case(row: Row, zone: ZoneInfo, serials: set[str]) -> RecordedCase:
    """The case of a row. ``serials`` gets the columns that have serial numbers. Raises `ValueError`."""
    if row.excess:
        raise fault("there are more cells than columns; correct the row", "单元格多于列数，请更正该行")
    for column in ("case_id", "startdate", "department"):
        if not row.cells[column]:
            raise in_cell(column, fault("is empty", "不能为空"))
    name, department, label = number(row.cells["case_id"]), row.cells["department"], row.cells["channel"]
    if len(name) > MAX_CHARACTERS:
        raise in_cell("case_id", fault(f"has more than {MAX_CHARACTERS} characters", f"超过 {MAX_CHARACTERS} 个字符"))
    if is_shortened(name):
        raise in_cell(
            "case_id",
            fault(
                f"{name} is a number that a spreadsheet program has shortened; format the column as text, and export "
                "it again from the other system",
                f"{name} 是电子表格软件缩短的数字，末位已丢失；请将该列设为文本，并从原系统重新导出",
            ),
        )
    started, deadline, ended = (_moment(row, column, zone, serials) for column in ("startdate", "deadline", "enddate"))
    assert started is not None, "the cell is not empty"
    due_at = deadline.end if deadline else None
    if due_at is not None and due_at < started.at:
        raise in_cell("deadline", fault("lies before startdate; correct one of them", "早于 startdate，请更正其一"))
    ended_at = ended.at if ended else None
    if ended is not None and ended.is_day and ended.at < started.at <= ended.end:
        ended_at = started.at  # it ended on the day on which it started
    return RecordedCase(row.line, name, started.at, due_at, ended_at, department[:MAX_CHARACTERS], label or "unknown")


class _Moment(NamedTuple):
    """A moment: ``at``, or a whole day that begins then."""

    at: datetime
    is_day: bool

    @property
    def end(self) -> datetime:
        """The moment, or the last one of the day."""
        return self.at + LAST_MOMENT if self.is_day else self.at


def _moment(row: Row, column: str, zone: ZoneInfo, serials: set[str]) -> _Moment | None:
    if not row.cells[column]:
        return None
    try:
        found = parse_written(row.cells[column])
    except ValueError as error:
        raise in_cell(column, error) from None
    if found.is_serial:
        serials.add(column)
    if not 1950 <= found.at.year < 2200:
        raise in_cell(column, fault("lies outside the years 1950 to 2199", "不在 1950 至 2199 年之间"))
    return _Moment(found.at if found.at.tzinfo else found.at.replace(tzinfo=zone), found.is_day)
