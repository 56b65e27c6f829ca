"""Declares ``onedoor journal``: export monitor's journal, and check an export."""

from collections.abc import Awaitable, Callable
from datetime import date
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from services.operator.monitor_commands import Database, Folder, stop

app = typer.Typer(help="Export the journal of monitor's decisions, and check an export.", no_args_is_help=True)

T = TypeVar("T")

Region = Annotated[str, typer.Option(help="County, by its code of six digits.")]
Day = Annotated[str | None, typer.Option(help="Day, as 2026-03-02.")]


@app.command()
def export(
    region: Region,
    out: Annotated[Path, typer.Option(help="File to write.")],
    since: Day = None,
    until: Day = None,
    database: Database = "",
    folder: Folder = None,
) -> None:
    """Write a region's journal into a file, of all days or of some."""
    from services.operator import journal_export

    first, last = _day(since, "--since"), _day(until, "--until")
    partial = out.with_name(f"{out.name}.partial")
    try:
        count = _on(database, folder, lambda engine: journal_export.export(engine, region, first, last, partial))
        partial.replace(out)
    except OSError as fault:
        raise typer.BadParameter(f"{fault.filename}: {fault.strerror}") from None
    typer.echo(f"{count} blocks written to {out}")


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="An export.")],
    key: Annotated[str | None, typer.Option(help="The public key that is trusted, 64 hexadecimal digits.")] = None,
) -> None:
    """Check an export: exit status 1 if anything was changed, removed, added or moved."""
    from services.monitor.journal.verify import main

    raise typer.Exit(main([str(file), *(("--key", key) if key else ())]))


@app.command()
def verifier() -> None:
    """Print the program that checks an export, for receivers who do not have onedoor."""
    from services.monitor.journal import verify

    typer.echo(Path(verify.__file__).read_text(encoding="utf-8"), nl=False)


@app.command()
def key(database: Database = "", folder: Folder = None) -> None:
    """Print the public key that days are signed with. Send it separately from the export."""
    from services.operator import journal_export

    typer.echo(_on(database, folder, journal_export.public_key))


def _on(database: str, folder: Path | None, work: Callable[[Any], Awaitable[T]]) -> T:
    """Run the work on monitor's database."""
    from services.operator.databases import on_monitor
    from services.operator.journal_export import NothingToExport

    try:
        return on_monitor(database, folder, work)
    except NothingToExport as reason:
        raise stop(str(reason)) from None


def _day(text: str | None, option: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise typer.BadParameter("give a day as 2026-03-02", param_hint=option) from None
