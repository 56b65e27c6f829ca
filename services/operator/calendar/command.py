"""Declares ``onedoor calendar``: when something is due and why, and notices of holidays."""

from pathlib import Path
from typing import Annotated

import typer

from services.operator.calendar.options import (
    HOURS,
    ZONE,
    CalendarDays,
    CountingOptions,
    Days,
    Extend,
    From,
    Hours,
    Language,
    LimitOptions,
    Minutes,
    Months,
    Region,
    Restart,
    Rule,
    Suspend,
    Zone,
    region_code,
)
from services.operator.options import CALENDARS, Calendars, Database, DatabaseOptions, Folder, Yes

app = typer.Typer(
    help="Compute and explain due dates in lawful working time, and load notices of holidays.", no_args_is_help=True
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


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
    limit = LimitOptions(start, days, calendar_days, months, minutes, suspend or None, extend, restart)
    counting = CountingOptions(region, rule, hours, zone, calendars)
    if batch is not None:
        from services.operator.calendar.batch import add_due_dates

        if json or any(option is not None for option in limit):
            raise typer.BadParameter(
                "the limits of a batch are in its file; only --region, --rule, --hours, --zone and --out go with it"
            )
        raise typer.Exit(add_due_dates(batch, out, counting))
    if out is not None:
        raise typer.BadParameter("--out goes with --batch")
    from services.operator.calendar.limit import print_due

    print_due(limit, counting, as_json=json)


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
    language: Language = "zh",
    json: Json = False,
    picture: Annotated[Path | None, typer.Option(help="SVG file to draw the months into as well.")] = None,
) -> None:
    """Explain when a limit ends: each day that counts or does not, and why."""
    from services.operator.calendar.limit import print_explanation

    limit = LimitOptions(start, days, calendar_days, months, minutes, suspend, extend, restart)
    counting = CountingOptions(region, rule, hours, zone, calendars)
    print_explanation(limit, counting, language, as_json=json, picture=picture)


@app.command()
def load(
    notice: Annotated[Path, typer.Argument(help="Notice of holidays, a JSON file.")],
    region: Annotated[
        str | None, typer.Option(callback=region_code, help="Region of the notice if the file names none: CN-45.")
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
