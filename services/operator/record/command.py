"""Declares ``onedoor record``: check the record of access of a service, and export it."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from services.operator.options import DAY, Database, DatabaseOptions, Folder, process_name
from services.operator.output import print_result

app = typer.Typer(
    help="Check and export the record of access: who asked for what, and how it ended.", no_args_is_help=True
)

Service = Annotated[
    str,
    typer.Option(
        callback=process_name,
        help="The service whose record it is, identity for that of logins, or front for that of the one address.",
    ),
]
First = Annotated[
    datetime | None, typer.Option(formats=[DAY], help="First day, such as 2026-03-02; without it, five years ago.")
]
Last = Annotated[datetime | None, typer.Option(formats=[DAY], help="Last day; without it, the last one that is over.")]


@app.command()
def verify(
    service: Service,
    key: Annotated[
        str | None,
        typer.Option(help="Public key, 64 hexadecimal digits, from somebody you trust; see 'onedoor record key'."),
    ] = None,
    since: First = None,
    until: Last = None,
    database: Database = "",
    folder: Folder = None,
) -> None:
    """Check the record in the database of a service. Exit status 0: sound; 1: broken, something was changed, removed,
    added or moved; 3: not proven, with the reason and the remedy."""
    from services.operator.record.check import verify_record

    first, last = (day.date() if day is not None else None for day in (since, until))
    raise typer.Exit(verify_record(DatabaseOptions(database, folder), service, key, first, last))


@app.command()
def key(service: Service, database: Database = "", folder: Folder = None) -> None:
    """Print the public key of a service's record. Send it separately from an export."""
    from services.operator.journal.export import print_public_key
    from services.operator.record.check import record_of

    print_public_key(DatabaseOptions(database, folder), record_of(service))


@app.command()
def export(
    service: Service,
    out: Annotated[Path, typer.Option(help="File to write the export to; 'onedoor journal verify' checks it.")],
    since: First = None,
    until: Last = None,
    database: Database = "",
    folder: Folder = None,
) -> None:
    """Write the record of a service to a file."""
    from services.operator.journal.export import export_journal
    from services.operator.record.check import record_of

    first, last = (day.date() if day is not None else None for day in (since, until))
    options = DatabaseOptions(database, folder)
    count = export_journal(options, record_of(service), service, first, last, out)
    print_result(f"{count} blocks written to {out}", f"已将 {count} 个区块写入 {out}")
