"""``onedoor calendar``: when something is due and why, and notices of holidays."""

import json
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import typer

from services.operator.monitor_commands import Database, Folder

if TYPE_CHECKING:
    import csv
    from collections.abc import Callable, Iterator

    from contracts.working_time import CountingRules, Due, LimitHistory, Suspended, Suspension

app = typer.Typer(help="Lawful time: when something is due and why, and notices of holidays.", no_args_is_help=True)

T = TypeVar("T")


def _region(value: str) -> str:
    from pydantic import TypeAdapter, ValidationError

    from contracts.working_time.notices import Region

    try:
        TypeAdapter(Region).validate_python(value)
    except ValidationError:
        raise typer.BadParameter(f"{value!r}: say CN, or a province as CN-45") from None
    return value


From = Annotated[str | None, typer.Option("--from", help="When it began: 2026-09-28T10:00, local time of the place.")]
Days = Annotated[int | None, typer.Option(min=0, max=3650, help="The limit in working days; 0 is on the spot.")]
CalendarDays = Annotated[int | None, typer.Option(min=1, max=3650, help="The limit in calendar days.")]
Months = Annotated[int | None, typer.Option(min=1, max=120, help="The limit in months.")]
Minutes = Annotated[
    int | None, typer.Option(min=1, max=60 * 24 * 3650, help="The limit in minutes of the hours of business.")
]
Suspend = Annotated[
    list[str] | None,
    typer.Option(help="Time that does not count, FROM..TO; TO is when it counts again, and left out if not yet."),
]
Extend = Annotated[int | None, typer.Option(min=1, help="Days by which the limit was extended.")]
Restart = Annotated[str | None, typer.Option(help="When the limit began anew.")]
Region = Annotated[str, typer.Option(callback=_region, help="CN, or a province whose own notices count too: CN-45.")]
Rule = Annotated[Literal["day", "second"], typer.Option(help="Whole days to closing, or elapsed time to the second.")]
Hours = Annotated[str, typer.Option(help="Hours of business: 09:00-12:00,13:30-17:30.")]
Zone = Annotated[str, typer.Option(help="Time zone of the place, a name of the IANA database.")]
Calendars = Annotated[Path, typer.Option(help="Folder of the notices in force.")]
Language = Annotated[Literal["zh", "en"], typer.Option(help="Chinese or English.")]

FOLDER = Path("data") / "calendars"
HOURS = "09:00-17:30"
ZONE = "Asia/Shanghai"


@app.command("due")
def due_(
    start: From = None,
    days: Days = None,
    calendar_days: CalendarDays = None,
    months: Months = None,
    minutes: Minutes = None,
    suspend: Suspend = None,
    extend: Extend = None,
    restart: Restart = None,
    region: Region = "CN",
    rule: Rule = "day",
    hours: Hours = HOURS,
    zone: Zone = ZONE,
    calendars: Calendars = FOLDER,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    batch: Annotated[
        Path | None,
        typer.Option(help="A CSV file with the columns start, limit_days and up to two suspensions; due is added."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where the rows of a batch go; else they are printed.")] = None,
) -> None:
    """Say when something is due."""
    from contracts.working_time import due

    terms = _terms(region, rule, hours, zone, calendars)
    if batch is not None:
        alone = (start, days, calendar_days, months, minutes, extend, restart)
        if suspend or json or any(one is not None for one in alone):
            raise typer.BadParameter("a batch tells its courses itself; --region, --rule, --hours, --zone go with it")
        raise typer.Exit(_batch(batch, out, terms))
    if out is not None:
        raise typer.BadParameter("--out goes with --batch")
    course = _course(start, days, calendar_days, months, minutes, suspend, extend, restart, terms)
    found = _lawful(lambda: due(course, terms))
    typer.echo(_as_json(found, terms) if json else _as_text(found, terms))


@app.command()
def explain(
    start: From = None,
    days: Days = None,
    calendar_days: CalendarDays = None,
    months: Months = None,
    minutes: Minutes = None,
    suspend: Suspend = None,
    extend: Extend = None,
    restart: Restart = None,
    region: Region = "CN",
    rule: Rule = "day",
    hours: Hours = HOURS,
    zone: Zone = ZONE,
    calendars: Calendars = FOLDER,
    language: Language = "zh",
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    picture: Annotated[Path | None, typer.Option(help="Draw the months into this SVG file as well.")] = None,
) -> None:
    """Show each day that counted or did not, and why."""
    from contracts.working_time.explain import explain as derive
    from contracts.working_time.svg import svg
    from contracts.working_time.wording import text

    terms = _terms(region, rule, hours, zone, calendars)
    course = _course(start, days, calendar_days, months, minutes, suspend, extend, restart, terms)
    found = _lawful(lambda: derive(course, terms))
    typer.echo(found.model_dump_json(indent=1) if json else text(found, language))
    if picture is not None:
        drawn = _lawful(lambda: svg(found, language))
        with _plain_faults():
            picture.write_text(drawn, encoding="utf-8")


@app.command()
def load(
    notice: Annotated[Path, typer.Argument(help="A notice of holidays as JSON.")],
    region: Annotated[str | None, typer.Option(help="Whose it is, if the file does not say: CN-45.")] = None,
    calendars: Calendars = FOLDER,
    database: Database = "",
    folder: Folder = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Show what a notice of holidays changes, ask, and put it in force: open deadlines are recalculated."""
    from contracts.working_time import published_calendar
    from contracts.working_time.notices import NATION, InvalidNotice, changes, in_force, read
    from services.operator import calendar_folder as kept
    from services.operator.documents import Where
    from services.operator.rule_versions import apply_notices, day_lines, in_force_here

    try:
        with _plain_faults():
            content = notice.read_bytes()
            said = read(content)
        if region is not None:
            if "region" in json.loads(content) and said.region != region:
                raise typer.BadParameter(f"the notice says itself that it is of {said.region}")
            said = said.replace(region=_region(region))
        # The notices in force at monitor count; a folder on this machine may lack some.
        where = Where(database, folder)
        running = in_force_here(where)
        notices = list(running[1].notices) if running is not None else kept.notices(calendars)
        others = [one for one in notices if (one.region, one.year) != (said.region, said.year)]
        published = running[1].almanac.published.calendar() if running is not None else published_calendar()
        before = in_force(published, notices, said.region)
        after = in_force(published, [*others, said], said.region)
    except InvalidNotice as faults:
        typer.echo(f"{notice} is not put in force, and nothing has changed:", err=True)
        for fault in str(faults).splitlines():
            typer.echo(f"  {fault}", err=True)
        raise typer.Exit(1) from None
    found = changes(before, after)
    known = said.region == NATION and said.year < before.first_unpublished.year and not found
    if known or said.version in before.version.split(", "):
        typer.echo(f"{said.version} is in force already; nothing changes")
        return
    if not found:
        typer.echo("no day is counted in another way")
    for line in day_lines(found):
        typer.echo(line)
    if not yes and not typer.confirm(f"Put {said.version} in force?"):
        typer.echo("nothing has changed")
        raise typer.Exit(1)
    # Monitor first: if its database is away, nothing has changed.
    if running is not None:
        apply_notices(where, running, [*others, said])
    with _plain_faults():
        typer.echo(f"kept as {kept.put(calendars, said)}")
    if running is None:
        typer.echo("no monitor is here: name its database, or say 'onedoor rules apply' where it is")


def _terms(region: str, rule: str, hours: str, zone: str, folder: Path) -> "CountingRules":
    from zoneinfo import ZoneInfoNotFoundError

    from contracts.working_time import CountingMethod, CountingRules, OfficeHours
    from contracts.working_time.hours import parse_session
    from contracts.working_time.notices import InvalidNotice
    from services.operator import calendar_folder as kept

    try:
        counted = kept.calendar(folder, region)
        sessions = tuple(parse_session(part) for part in hours.split(","))
        terms = CountingRules(counted, OfficeHours(zone, sessions), CountingMethod(rule))
    except (InvalidNotice, ValueError) as fault:
        raise typer.BadParameter(str(fault)) from None
    except (ZoneInfoNotFoundError, OSError):
        raise typer.BadParameter(f"{zone!r} is no time zone: say Asia/Shanghai") from None
    if counted.region != region:
        typer.echo(f"no notice of {region} is in force in {folder}; the nation's calendar counts", err=True)
    return terms


def _moment(text: str, terms: "CountingRules") -> datetime:
    """A moment as it is typed: local time of the place unless it has a zone; a day alone is its beginning."""
    at = datetime.fromisoformat(text.strip())
    return at if at.tzinfo else at.replace(tzinfo=terms.hours.tz)


def _span(text: str, terms: "CountingRules") -> "Suspension":
    since, dots, until = text.partition("..")
    if not dots:
        raise ValueError(f"{text!r}: say FROM..TO, or FROM.. if it lasts")
    return _suspension(since, until, terms)


def _suspension(since: str, until: str, terms: "CountingRules") -> "Suspension":
    from contracts.working_time import Suspension

    return Suspension(_moment(since, terms), _moment(until, terms) if until.strip() else None)


def _course(
    start: str | None,
    days: int | None,
    calendar_days: int | None,
    months: int | None,
    minutes: int | None,
    suspend: list[str] | None,
    extend: int | None,
    restart: str | None,
    terms: "CountingRules",
) -> "LimitHistory":
    from pydantic import ValidationError

    from contracts.messages.plans import Limit
    from contracts.working_time import Extension, LimitHistory

    if start is None:
        raise typer.BadParameter("is missing: 2026-09-28T10:00", param_hint="--from")
    try:
        began_at = _moment(start, terms)
        return LimitHistory(
            Limit(working_days=days, calendar_days=calendar_days, months=months, working_minutes=minutes),
            began_at,
            tuple(_span(one, terms) for one in suspend or ()),
            Extension(extend, "as asked", began_at) if extend is not None else None,
            _moment(restart, terms) if restart is not None else None,
        )
    except ValidationError:
        raise typer.BadParameter("say one of --days, --calendar-days, --months and --minutes") from None
    except ValueError as fault:
        raise typer.BadParameter(str(fault)) from None


def _lawful(reckon: "Callable[[], T]") -> T:
    try:
        return reckon()
    except (OverflowError, ValueError):
        raise typer.BadParameter("the limit ends beyond the year 9999") from None


def _as_text(found: "Due | Suspended", terms: "CountingRules") -> str:
    from contracts.working_time import Due
    from contracts.working_time.wording import amount, moment

    zone = terms.hours.zone
    if not isinstance(found, Due):
        return f"suspended since {moment(found.since, zone, 'en')}, {amount(found.left, found.unit, 'en')} left"
    note = f"  provisional: holidays from {terms.calendar.provisional_from} on are not yet published"
    return moment(found.at, zone, "en") + (note if found.provisional else "")


def _as_json(found: "Due | Suspended", terms: "CountingRules") -> str:
    from pydantic_core import to_json

    from contracts.working_time import Due

    told: dict[str, object] = {
        "rule": terms.method,
        "region": terms.calendar.region,
        "calendar": terms.calendar.version,
    }
    if isinstance(found, Due):
        firm = None if not found.provisional else terms.calendar.provisional_from
        told |= {
            "due_at": found.at.astimezone(terms.hours.tz),
            "provisional": found.provisional,
            "provisional_from": firm,
        }
    else:
        told |= {"due_at": None, "suspended_since": found.since, "left": found.left, "unit": found.unit}
    return to_json(told).decode()


def _batch(file: Path, out: Path | None, terms: "CountingRules") -> int:
    """Write the rows with their due dates. Returns 1 if some could not be calculated; each of these is reported.

    A file comes to be whole or not at all, so that it may be the one that is read.
    """
    import csv
    import sys

    try:
        with _plain_faults(), file.open(encoding="utf-8-sig", newline="") as rows:
            reader = csv.DictReader(rows)
            columns = list(reader.fieldnames or ())
            if missing := {"start", "limit_days"} - set(columns):
                raise typer.BadParameter(f"{file} lacks the columns {', '.join(sorted(missing))}")
            if len(set(columns)) < len(columns):
                raise typer.BadParameter(f"{file} names a column twice")
            columns += [] if "due" in columns else ["due"]
            if out is None:
                return _reckoned(reader, csv.DictWriter(sys.stdout, columns, lineterminator="\n"), terms)
            partial = out.with_name(f"{out.name}.partial")
            with partial.open("w", encoding="utf-8", newline="") as written:
                status = _reckoned(reader, csv.DictWriter(written, columns, lineterminator="\n"), terms)
            partial.replace(out)
            return status
    except UnicodeDecodeError:
        raise typer.BadParameter(f"{file} is not UTF-8") from None
    except csv.Error as fault:
        raise typer.BadParameter(f"{file}: {fault}") from None


@contextmanager
def _plain_faults() -> "Iterator[None]":
    """Report a fault of a file in one line."""
    try:
        yield
    except OSError as fault:
        raise typer.BadParameter(f"{fault.filename}: {fault.strerror}") from None


def _reckoned(rows: "csv.DictReader[str]", writer: "csv.DictWriter[str]", terms: "CountingRules") -> int:
    status = 0
    writer.writeheader()
    for row in rows:
        more = row.pop(None, None)
        try:
            if more is not None:
                raise ValueError("more cells than there are columns")
            row["due"] = _due_of(row, terms)
        except (ValueError, OverflowError) as fault:
            row["due"] = ""
            status = 1
            typer.echo(f"line {rows.line_num}: {fault}", err=True)
        writer.writerow(row)
    return status


def _due_of(row: dict[str, str], terms: "CountingRules") -> str:
    from contracts.messages.plans import Limit
    from contracts.working_time import Due, LimitHistory, due

    start, days = (row["start"] or "").strip(), (row["limit_days"] or "").strip()
    if not start:
        raise ValueError("start is missing")
    began_at = _moment(start, terms)
    suspensions = []
    for which in ("", "_2"):
        since, until = ((row.get(f"suspend_{end}{which}") or "").strip() for end in ("from", "to"))
        if since:
            suspensions.append(_suspension(since, until, terms))
        elif until:
            raise ValueError(f"suspend_to{which} without suspend_from{which}")
    if not days.isdecimal() or int(days) > 3650:
        raise ValueError(f"limit_days is {days!r}: say a number of working days from 0 to 3650")
    found = due(LimitHistory(Limit(working_days=int(days)), began_at, tuple(suspensions)), terms)
    if not isinstance(found, Due):
        raise ValueError(f"nothing is due: suspended since {found.since.isoformat()}, {found.left} {found.unit} left")
    local = found.at.astimezone(terms.hours.tz)
    zoned = datetime.fromisoformat(start).tzinfo is not None
    return local.isoformat() if zoned else local.replace(tzinfo=None).isoformat()
