"""Declares ``onedoor journal``: export the journal of a service, and check an export."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from services.operator.options import DAY, Database, DatabaseOptions, Folder
from services.operator.output import print_result

app = typer.Typer(help="Export the journal of a service's decisions, and check an export.", no_args_is_help=True)

Region = Annotated[str, typer.Option(help="Code of the county, six digits.")]
Service = Annotated[str, typer.Option(help="The service whose decisions it has: monitor or intake.")]
First = Annotated[
    datetime | None, typer.Option(formats=[DAY], help="First day, such as 2026-03-02; without it, from the beginning.")
]
Last = Annotated[datetime | None, typer.Option(formats=[DAY], help="Last day; without it, to the end.")]


@app.command()
def export(
    region: Region,
    out: Annotated[Path, typer.Option(help="File to write the export to.")],
    since: First = None,
    until: Last = None,
    service: Service = "monitor",
    database: Database = "",
    folder: Folder = None,
) -> None:
    """Write the journal of a county to a file."""
    from services.operator.journal.export import Journal, export_journal

    first, last = (day.date() if day is not None else None for day in (since, until))
    count = export_journal(DatabaseOptions(database, folder), Journal(service), region, first, last, out)
    print_result(f"{count} blocks written to {out}", f"已将 {count} 个区块写入 {out}")


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="File of an export.")],
    key: Annotated[
        str | None,
        typer.Option(help="Public key, 64 hexadecimal digits, from somebody you trust; else that in the file."),
    ] = None,
    since: Annotated[
        datetime | None, typer.Option(formats=[DAY], help="Day from which it has to reach; else from block 1.")
    ] = None,
    until: Annotated[datetime | None, typer.Option(formats=[DAY], help="Day to which it has to reach.")] = None,
    root: Annotated[
        str | None, typer.Option(help="The root of the day --until, as it was published: 64 hexadecimal digits.")
    ] = None,
) -> None:
    """Check an export. Exit status 0: sound; 1: broken, something was changed, removed, added or moved; 3: not proven,
    with the reason and the remedy."""
    from services.runtime.journal.verify import main

    days = {"--since": since, "--until": until}
    given = {"--key": key, "--root": root} | {name: f"{day:{DAY}}" for name, day in days.items() if day is not None}
    options = [part for name, value in given.items() if value is not None for part in (name, value)]
    raise typer.Exit(main([*options, "--", str(file)]))


@app.command()
def verifier() -> None:
    """Print the program that checks an export, for receivers who do not have onedoor."""
    from services.runtime.journal import verify

    typer.echo(Path(verify.__file__).read_text(encoding="utf-8"), nl=False)


@app.command()
def key(service: Service = "monitor", database: Database = "", folder: Folder = None) -> None:
    """Print the public key of the journal. Send it separately from the export."""
    from services.operator.journal.export import Journal, print_public_key

    print_public_key(DatabaseOptions(database, folder), Journal(service))


@app.command()
def root(region: Region, service: Service = "monitor", database: Database = "", folder: Folder = None) -> None:
    """Print the last day of a county that is over, and its root: publish them, so that the day cannot be rewritten."""
    from services.operator.journal.export import Journal, print_root

    print_root(DatabaseOptions(database, folder), Journal(service), region)
