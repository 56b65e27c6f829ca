"""Reads another system's cases from a CSV file. Pure: each row becomes a case, or the reason why it is rejected."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from contracts.messages.cases import Channel

COLUMNS = ("case_id", "startdate", "deadline", "enddate", "department", "channel")

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


class UnreadableHistory(Exception):
    """The file is not a CSV file with the required columns."""


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
    """A remark about a row: why it was rejected, or what is odd about it."""

    line: int
    case_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class History:
    """The content of a file. ``cases`` includes the odd rows and leaves out the rejected ones."""

    cases: tuple[RecordedCase, ...]
    rejected: tuple[RowRemark, ...]
    odd: tuple[RowRemark, ...]

    @property
    def ends(self) -> datetime:
        """The last moment on record: the last start or end of a case."""
        return max(at for case in self.cases for at in (case.started_at, case.ended_at) if at is not None)


def read(lines: Iterable[str], zone: ZoneInfo) -> History:
    """Read a history. Moments without a zone are taken to be in ``zone``. Raises `UnreadableHistory`.

    A day without a time is the whole day: a case starts with it, a deadline lasts to its end, and a case that ended on
    it was in time for any deadline of that day.
    """
    reader = csv.DictReader(lines)
    missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
    if missing:
        raise UnreadableHistory(f"the file has no column {', '.join(missing)}; it needs {', '.join(COLUMNS)}")
    cases: dict[str, RecordedCase] = {}
    rejected: list[RowRemark] = []
    odd: list[RowRemark] = []
    for row in reader:
        name = (row["case_id"] or "").strip()
        try:
            case = _case(reader.line_num, name, row, zone)
            if name in cases:
                raise ValueError(f"case_id stands in line {cases[name].line} already")
        except ValueError as error:
            rejected.append(RowRemark(reader.line_num, name, str(error)))
            continue
        cases[name] = case
        if case.ended_at is not None and case.ended_at < case.started_at:
            odd.append(RowRemark(case.line, name, f"ends at {case.ended_at}, before it starts at {case.started_at}"))
    return History(tuple(cases.values()), tuple(rejected), tuple(odd))


class _Written(NamedTuple):
    """A moment as it was written: ``at``, or a whole day that begins then."""

    at: datetime
    is_day: bool

    @property
    def end(self) -> datetime:
        """The moment, or the last one of the day."""
        return self.at + LAST_MOMENT if self.is_day else self.at


def _case(line: int, name: str, row: dict[str, str | None], zone: ZoneInfo) -> RecordedCase:
    started = _moment(row, "startdate", zone)
    if not name:
        raise ValueError("case_id is empty")
    if len(name) > 200:
        raise ValueError("case_id has more than 200 characters")
    if started is None:
        raise ValueError("startdate is empty")
    department = (row["department"] or "").strip()
    if not department:
        raise ValueError("department is empty")
    deadline, ended = (_moment(row, column, zone) for column in ("deadline", "enddate"))
    ended_at = ended.at if ended else None
    if ended is not None and ended.is_day and ended.at < started.at <= ended.end:
        ended_at = started.at  # it ended on the day on which it started
    label = (row["channel"] or "").strip() or "unknown"
    due_at = deadline.end if deadline else None
    return RecordedCase(line, name, started.at, due_at, ended_at, department[:200], label)


def _moment(row: dict[str, str | None], column: str, zone: ZoneInfo) -> _Written | None:
    value = (row[column] or "").strip()
    if not value:
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{column} is no date and time: {value[:40]}") from None
    at = at if at.tzinfo else at.replace(tzinfo=zone)
    if not 1950 <= at.year < 2200:
        raise ValueError(f"{column} lies outside the years 1950 to 2199: {value[:40]}")
    return _Written(at, _is_day(value))


def _is_day(value: str) -> bool:
    """Whether a date was written without a time."""
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True
