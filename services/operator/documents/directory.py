"""Declares ``onedoor directory``: the people who are notified of alerts."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from services.operator.documents.commands import document_commands
from services.operator.options import Database, DatabaseOptions, Folder, stop


def _load() -> Any:
    from services.monitor.store.notifications import directory_store
    from services.operator.documents.operated import OperatedDocument, file_differences
    from services.runtime.yaml_file import write_yaml

    return OperatedDocument(
        directory_store.DIRECTORY,
        service="monitor",
        read=directory_store.read,
        describe=lambda content: f"directory {content.version}, {len(content.people)} people",
        write=write_yaml,
        differences=lambda before, after: file_differences(
            write_yaml(before) if before is not None else "", write_yaml(after)
        ),
        summary=lambda before, after: after.version,
    )


app = document_commands("Show, compare and change the directory of the people who are notified of alerts.", _load)


@app.command()
def recipients(
    rung: Annotated[str, typer.Option(help="Rung: warning, yellow, red or oversight.")],
    owner: Annotated[str, typer.Option(help="Name of the department, as in alerts.")],
    region: Annotated[str, typer.Option(help="Code of the county, six digits.")],
    item: Annotated[str, typer.Option(help="Code of the item or bundle in the catalogue.")] = "",
    at: Annotated[str | None, typer.Option(help="Day, such as 2026-03-02; without it, today.")] = None,
    file: Annotated[Path | None, typer.Option(help="Directory file to read instead of the directory in force.")] = None,
    database: Database = "",
    folder: Folder = None,
) -> None:
    """Print the people who are notified of a rung, and after how many working hours without acknowledgement."""
    from services.monitor.core.notifications.directory import Directory

    document = _load()
    content = document.read_file(file) if file is not None else document.in_force(DatabaseOptions(database, folder))[1]
    if content is None:
        raise stop("no directory is in force: nobody is notified of alerts until there is one")
    directory = Directory(content)
    fired = _rung(rung)
    moment = _moment(at)
    for level in range(directory.levels(fired)):
        people = directory.recipients(fired, level, owner, region, item, moment)
        names = ", ".join(f"{person.name} ({person.id})" for person in people)
        wait = "at once" if level == 0 else f"after {level * directory.unacknowledged_hours(fired):g} working hours"
        typer.echo(f"{wait:26}{names}")


def _rung(name: str) -> Any:
    from contracts.messages.alerts import Rung

    if name not in set(Rung):
        raise typer.BadParameter(f"{name!r} is none of {', '.join(Rung)}", param_hint="--rung")
    return Rung(name)


def _moment(day: str | None) -> datetime:
    from datetime import UTC, time

    from services.monitor.core.notifications.directory import ZONE

    if day is None:
        return datetime.now(UTC)
    try:
        return datetime.combine(datetime.fromisoformat(day), time(12), ZONE)
    except ValueError:
        raise typer.BadParameter("give a day such as 2026-03-02", param_hint="--at") from None
