"""Declares ``onedoor calendar``: when something is due and why, and notices of holidays."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from services.operator.calendar.options import LimitOptions, region_code, with_limit
from services.operator.options import CALENDARS, Calendars, Database, DatabaseOptions, Folder, Issuer, Yes
from services.operator.output import wrong_option

app = typer.Typer(
    help="Compute and explain due dates in lawful working time, and load notices of holidays.", no_args_is_help=True
)


@app.command()
@with_limit
def due(
    options: LimitOptions,
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

    rules = limit.counting_rules(options)
    if batch is None:
        if out is not None:
            raise wrong_option("--out goes with --batch; name a file with --batch", "须与 --batch 同用", "--out")
        limit.print_due(limit.history(options, rules), rules, as_json=options.json)
        return
    limits = (options.start, options.days, options.calendar_days, options.months, options.minutes)
    changes = (options.extend, options.restart)
    if options.suspend or options.json or any(option is not None for option in (*limits, *changes)):
        raise wrong_option(
            "the limits of a batch are in its file; only --region, --rule, --hours, --zone and --out go with it",
            "批量计算的时限写在文件中，只能同用 --region、--rule、--hours、--zone 和 --out",
            "--batch",
        )
    raise typer.Exit(add_due_dates(batch, out, rules))


@app.command()
@with_limit
def explain(
    options: LimitOptions,
    language: Annotated[Literal["zh", "en"], typer.Option(help="Language of the text: Chinese or English.")] = "zh",
    picture: Annotated[Path | None, typer.Option(help="SVG file to draw the months into as well.")] = None,
) -> None:
    """Explain when a limit ends: each day that counts or does not, and why."""
    from services.operator.calendar import limit

    rules = limit.counting_rules(options)
    limit.print_explanation(limit.history(options, rules), rules, language, as_json=options.json, picture=picture)


@app.command()
def load(
    notice: Annotated[Path, typer.Argument(help="Notice of holidays, a JSON file.")],
    region: Annotated[
        str | None, typer.Option(callback=region_code, help="Region of the notice if the file names none: CN-45.")
    ] = None,
    calendars: Calendars = CALENDARS,
    issuer: Issuer = "",
    database: Database = "",
    folder: Folder = None,
    yes: Yes = False,
) -> None:
    """Show the changes of a notice of holidays, ask for confirmation, and put it in force, or propose it to a second
    person ('onedoor rules approve').

    Every open deadline is recalculated in the background.
    """
    from services.operator.calendar.notice import load_notice

    load_notice(notice, region, calendars, DatabaseOptions(database, folder, issuer), yes=yes)
