"""Adds a column of due dates to a CSV file of limits."""

import csv
import sys
from datetime import datetime
from pathlib import Path

import typer

from contracts.messages.plans import Limit
from contracts.working_time import CountingRules, Due, LimitHistory, due
from services.files import complete_file
from services.operator.calendar.limit import parse_moment, suspension
from services.operator.options import file_errors


def add_due_dates(file: Path, out: Path | None, rules: CountingRules) -> int:
    """Write the rows with their due dates, to ``out`` or to the terminal. Returns 1 if a row has a fault, else 0.

    Faults are printed with their lines. ``out`` is written completely or not at all, and may be the file that is read.
    """
    try:
        with file_errors(), file.open(encoding="utf-8-sig", newline="") as rows:
            reader = csv.DictReader(rows)
            columns = _columns(file, reader)
            if out is None:
                return _write(reader, csv.DictWriter(sys.stdout, columns, lineterminator="\n"), rules)
            with complete_file(out) as written:
                return _write(reader, csv.DictWriter(written, columns, lineterminator="\n"), rules)
    except UnicodeDecodeError:
        raise typer.BadParameter(f"{file} is not UTF-8") from None
    except csv.Error as fault:
        raise typer.BadParameter(f"{file}: {fault}") from None


def _columns(file: Path, reader: "csv.DictReader[str]") -> list[str]:
    """The columns to write."""
    columns = list(reader.fieldnames or ())
    if missing := {"start", "limit_days"} - set(columns):
        raise typer.BadParameter(f"{file} lacks the columns {', '.join(sorted(missing))}")
    if len(set(columns)) < len(columns):
        raise typer.BadParameter(f"{file} names a column twice")
    return columns if "due" in columns else [*columns, "due"]


def _write(rows: "csv.DictReader[str]", writer: "csv.DictWriter[str]", rules: CountingRules) -> int:
    status = 0
    writer.writeheader()
    for row in rows:
        excess = row.pop(None, None)
        try:
            if excess is not None:
                raise ValueError("more cells than there are columns")
            row["due"] = _due(row, rules)
        except (ValueError, OverflowError) as fault:
            row["due"] = ""
            status = 1
            typer.echo(f"line {rows.line_num}: {fault}", err=True)
        writer.writerow(row)
    return status


def _due(row: dict[str, str], rules: CountingRules) -> str:
    """The due date of a row, with a zone if the start has one. Raises `ValueError` or `OverflowError`."""
    start, days = (row["start"] or "").strip(), (row["limit_days"] or "").strip()
    if not start:
        raise ValueError("start is missing")
    began_at = parse_moment(start, rules)
    suspensions = []
    for which in ("", "_2"):
        since, until = ((row.get(f"suspend_{end}{which}") or "").strip() for end in ("from", "to"))
        if since:
            suspensions.append(suspension(since, until, rules))
        elif until:
            raise ValueError(f"suspend_to{which} without suspend_from{which}")
    if not days.isdecimal() or int(days) > 3650:
        raise ValueError(f"limit_days is {days!r}: write a number of working days from 0 to 3650")
    end = due(LimitHistory(Limit(working_days=int(days)), began_at, tuple(suspensions)), rules)
    if not isinstance(end, Due):
        raise ValueError(f"nothing is due: suspended since {end.since.isoformat()}, {end.left} {end.unit} left")
    local = end.at.astimezone(rules.hours.tz)
    has_zone = datetime.fromisoformat(start).tzinfo is not None
    return (local if has_zone else local.replace(tzinfo=None)).isoformat()
