"""``onedoor directory``: who is told of alerts, and the versions of the directory."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from services.operator.document_commands import document_commands
from services.operator.monitor_commands import Database, Folder, stop


def _load() -> Any:
    from services.monitor.store.notifications import directory_store
    from services.operator.documents import OperatedDocument, file_differences
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


app = document_commands("Who is told of alerts: the directory in force, and its versions.", _load)


@app.command()
def who(
    rung: Annotated[str, typer.Option(help="warning, yellow, red or oversight.")],
    owner: Annotated[str, typer.Option(help="The department, as alerts name it.")],
    region: Annotated[str, typer.Option(help="County, by its code of six digits.")],
    item: Annotated[str, typer.Option(help="Item or bundle, by its code in the catalogue.")] = "",
    at: Annotated[str | None, typer.Option(help="Day, as 2026-03-02; today without it.")] = None,
    file: Annotated[Path | None, typer.Option(help="A directory file, in place of the one in force.")] = None,
    database: Database = "",
    folder: Folder = None,
) -> None:
    """Print who is told of a rung, level by level, until somebody takes it in hand."""
    from services.monitor.core.notifications.directory import Directory
    from services.operator.documents import Where

    document = _load()
    content = document.read_file(file) if file is not None else document.in_force(Where(database, folder))[1]
    if content is None:
        raise stop("no directory is in force: nobody is told of alerts until there is one")
    directory = Directory(content)
    of = _rung(rung)
    moment = _moment(at)
    for level in range(directory.levels(of)):
        people = directory.recipients(of, level, owner, region, item, moment)
        named = ", ".join(f"{person.name} ({person.id})" for person in people)
        wait = "at once" if level == 0 else f"after {level * directory.unacknowledged_hours(of):g} working hours"
        typer.echo(f"{wait:26}{named}")


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
        raise typer.BadParameter("say a day as 2026-03-02", param_hint="--at") from None
