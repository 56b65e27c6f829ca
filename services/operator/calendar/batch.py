"""Adds a column of due dates to a table of limits."""

import csv
import sys
from collections.abc import Callable
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import TypeVar

import typer

from contracts.faults import fault
from contracts.messages.plans import Limit
from contracts.working_time import CountingRules, Due, LimitHistory, due
from contracts.working_time.explanation.wording import amount, moment
from contracts.working_time.written import parse_written
from services.files import complete_file
from services.operator.calendar.limit import parse_moment, suspension
from services.operator.output import file_errors, stop
from services.operator.text_files import read_table, refused
from services.runtime.files.encoding import InvalidFile
from services.runtime.files.table import Row, Table, cell_fault, in_cell

T = TypeVar("T")

COLUMNS = ("start", "limit_days")
SUSPENSIONS = ("suspend_from", "suspend_to", "suspend_from_2", "suspend_to_2")
"""Columns that a table may have. Any other one is copied as it is."""


def add_due_dates(file: Path, out: Path | None, rules: CountingRules) -> int:
    """Write the rows with their due dates, to ``out`` or to the terminal. Returns 1 if a row has a fault, else 0.

    Faults are printed with their lines. ``out`` is written completely or not at all, and may be the file that is read.
    """
    table = read_table(file, COLUMNS)
    for name in table.columns:
        if name not in SUSPENSIONS and (likely := get_close_matches(name, SUSPENSIONS, n=1, cutoff=0.8)):
            en = f"{file}: there is no column {name}; write {likely[0]}, or give it another name"
            raise stop(en, f"没有列 {name}；应为 {likely[0]}，否则请改用其他列名")
    columns = table.columns if "due" in table.columns else (*table.columns, "due")
    try:
        if out is None:
            return _write(table, csv.DictWriter(sys.stdout, columns, lineterminator="\n"), rules)
        with file_errors(), complete_file(out) as written:
            return _write(table, csv.DictWriter(written, columns, lineterminator="\n"), rules)
    except InvalidFile as faults:
        raise refused(file, faults) from None


def _write(table: Table, writer: "csv.DictWriter[str]", rules: CountingRules) -> int:
    status = 0
    writer.writeheader()
    for row in table.rows():
        try:
            found = _due(row, rules)
        except ValueError as error:
            found, status = "", 1
            typer.echo(cell_fault(row.line, error), err=True)
        writer.writerow({**row.cells, "due": found})
    return status


def _due(row: Row, rules: CountingRules) -> str:
    """The due date of a row, with a zone if the start has one. Raises `ValueError`."""
    if row.excess:
        raise fault("there are more cells than columns; correct the row", "单元格多于列数，请更正该行")
    start, days = row.cells["start"], row.cells["limit_days"]
    if not start:
        raise in_cell("start", fault("is missing", "缺少此项"))
    began_at = _read("start", partial(parse_moment, start, rules))
    suspensions = []
    for which in ("", "_2"):
        since, until = (row.cells.get(f"suspend_{end}{which}", "") for end in ("from", "to"))
        if since:
            suspensions.append(_read(f"suspend_from{which}", partial(suspension, since, until, rules)))
        elif until:
            raise in_cell(f"suspend_from{which}", fault("is missing beside suspend_to", "已填 suspend_to，缺少此项"))
    if not (days.isascii() and days.isdecimal()) or int(days) > 3650:
        en = f"{days[:40]!r} is no number of working days from 0 to 3650"
        raise in_cell("limit_days", fault(en, f"{days[:40]!r} 不是 0 到 3650 的工作日数"))
    try:
        end = due(LimitHistory(Limit(working_days=int(days)), began_at, tuple(suspensions)), rules)
    except (OverflowError, ValueError):
        raise fault("the limit ends beyond the year 9999", "时限超出 9999 年") from None
    if not isinstance(end, Due):
        paused, zone = end.since, rules.hours.zone
        raise fault(
            f"nothing is due: suspended since {moment(paused, zone, 'en')}, {amount(end.left, end.unit, 'en')} left",
            f"尚无到期时间：自 {moment(paused, zone, 'zh')} 起暂停计时，剩余 {amount(end.left, end.unit, 'zh')}",
        )
    local = end.at.astimezone(rules.hours.tz)
    has_zone = parse_written(start).at.tzinfo is not None
    return (local if has_zone else local.replace(tzinfo=None)).isoformat()


def _read(column: str, parse: Callable[[], T]) -> T:
    """The content of a cell of this column. Raises `ValueError`, with the column."""
    try:
        return parse()
    except ValueError as error:
        raise in_cell(column, error) from None
