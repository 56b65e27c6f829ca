"""Declares ``onedoor calendar``: when something is due and why, and notices of holidays."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from services.operator.options import CALENDARS, Calendars, Database, DatabaseOptions, Folder, Yes

app = typer.Typer(
    help="Compute and explain due dates in lawful working time, and load notices of holidays.", no_args_is_help=True
)


def _region_code(value: str | None) -> str | None:
    from pydantic import TypeAdapter, ValidationError

    from contracts.working_time.notices import Province

    try:
        if value is not None:
            TypeAdapter(Province).validate_python(value)
    except ValidationError:
        raise typer.BadParameter(f"{value!r}: write CN, or a province such as CN-45") from None
    return value


From = Annotated[
    str | None, typer.Option("--from", help="Moment at which the limit began, local time: 2026-09-28T10:00.")
]
Days = Annotated[int | None, typer.Option(min=0, max=3650, help="Limit in working days; 0 means on the spot.")]
CalendarDays = Annotated[int | None, typer.Option(min=1, max=3650, help="Limit in calendar days.")]
Months = Annotated[int | None, typer.Option(min=1, max=120, help="Limit in months.")]
Minutes = Annotated[
    int | None, typer.Option(min=1, max=60 * 24 * 3650, help="Limit in minutes of the hours of business.")
]
Suspend = Annotated[
    list[str] | None,
    typer.Option(help="Time that does not count, FROM..TO; it counts again at TO. FROM.. if it still lasts."),
]
Extend = Annotated[int | None, typer.Option(min=1, help="Days by which the limit was extended, in its own unit.")]
Restart = Annotated[str | None, typer.Option(help="Moment at which the limit began anew.")]
Region = Annotated[str, typer.Option(callback=_region_code, help="CN, or a province with notices of its own: CN-45.")]
Rule = Annotated[
    Literal["day", "second"],
    typer.Option(help="Count whole days up to the close of business (day), or working time (second)."),
]
Hours = Annotated[str, typer.Option(help="Hours of business: 09:00-12:00,13:30-17:30.")]
Zone = Annotated[str, typer.Option(help="Time zone of the place, a name of the IANA database.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

HOURS = "09:00-17:30"
ZONE = "Asia/Shanghai"


@app.command()
def due(
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
    calendars: Calendars = CALENDARS,
    json: Json = False,
    batch: Annotated[
        Path | None,
        typer.Option(
            help="CSV file with the columns start, limit_days (working days) and up to two suspensions; "
            "the column due is added."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="File for the rows of a batch; without it, they are printed.")
    ] = None,
) -> None:
    """Compute when a limit ends."""
    from services.operator.calendar import limit
    from services.operator.calendar.batch import add_due_dates

    rules = limit.counting_rules(region, rule, hours, zone, calendars)
    if batch is None:
        if out is not None:
            raise typer.BadParameter("--out goes with --batch")
        history = limit.history(rules, start, days, calendar_days, months, minutes, suspend, extend, restart)
        limit.print_due(history, rules, as_json=json)
        return
    limits = (start, days, calendar_days, months, minutes, extend, restart)
    if suspend or json or any(option is not None for option in limits):
        raise typer.BadParameter(
            "the limits of a batch are in its file; only --region, --rule, --hours, --zone and --out go with it"
        )
    raise typer.Exit(add_due_dates(batch, out, rules))


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
    calendars: Calendars = CALENDARS,
    language: Annotated[Literal["zh", "en"], typer.Option(help="Language of the text: Chinese or English.")] = "zh",
    json: Json = False,
    picture: Annotated[Path | None, typer.Option(help="SVG file to draw the months into as well.")] = None,
) -> None:
    """Explain when a limit ends: each day that counts or does not, and why."""
    from services.operator.calendar import limit

    rules = limit.counting_rules(region, rule, hours, zone, calendars)
    history = limit.history(rules, start, days, calendar_days, months, minutes, suspend, extend, restart)
    limit.print_explanation(history, rules, language, as_json=json, picture=picture)


@app.command()
def load(
    notice: Annotated[Path, typer.Argument(help="Notice of holidays, a JSON file.")],
    region: Annotated[
        str | None, typer.Option(callback=_region_code, help="Region of the notice if the file names none: CN-45.")
    ] = None,
    calendars: Calendars = CALENDARS,
    database: Database = "",
    folder: Folder = None,
    yes: Yes = False,
) -> None:
    """Show the changes of a notice of holidays, ask for confirmation, and put it in force.

    Every open deadline is recalculated in the background.
    """
    from services.operator.calendar.notice import load_notice

    load_notice(notice, region, calendars, DatabaseOptions(database, folder), yes=yes)
