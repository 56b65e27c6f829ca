"""Declares ``onedoor directory``: the people who are notified of alerts."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from contracts.bilingual import both
from services.operator.documents.commands import document_commands
from services.operator.options import DAY, Database, DatabaseOptions, Folder
from services.operator.output import WrongOption, stop


def _load() -> Any:
    from contracts.rights.table import Act
    from services.monitor.store.notifications import directory_store
    from services.operator.documents.operated import OperatedDocument, file_differences
    from services.runtime.files.document import write_yaml

    return OperatedDocument(
        directory_store.DIRECTORY,
        service="monitor",
        act=Act.CHANGE_DIRECTORY,
        read=directory_store.read,
        describe=lambda content: (
            f"directory {content.version}, {len(content.people)} people",
            f"人员名录 {content.version}，{len(content.people)} 人",
        ),
        write=write_yaml,
        differences=lambda before, after: file_differences(
            write_yaml(before) if before is not None else "", write_yaml(after)
        ),
        summary=lambda before, after: after.version,
        obstacle=directory_store.obstacle,
    )


app = document_commands("Show, compare and change the directory of the people who are notified of alerts.", _load)


def _county(code: str) -> str:
    from pydantic import TypeAdapter, ValidationError

    from contracts.messages.fields import KnownRegion
    from services.runtime.fault_text import faults_of

    county: TypeAdapter[str] = TypeAdapter(KnownRegion)
    try:
        return county.validate_python(code)
    except ValidationError as error:
        raise WrongOption("; ".join(both(one.en, one.zh) for one in faults_of(error))) from None


@app.command()
def recipients(
    rung: Annotated[Literal["warning", "yellow", "red", "oversight"], typer.Option(help="Rung that fired.")],
    owner: Annotated[str, typer.Option(help="Name of the department, as in alerts.")],
    region: Annotated[str, typer.Option(callback=_county, help="Code of the county, six digits.")],
    item: Annotated[str, typer.Option(help="Code of the item or bundle in the catalogue.")] = "",
    at: Annotated[
        datetime | None, typer.Option(formats=[DAY], help="Day, such as 2026-03-02; without it, today.")
    ] = None,
    file: Annotated[Path | None, typer.Option(help="Directory file to read instead of the directory in force.")] = None,
    database: Database = "",
    folder: Folder = None,
) -> None:
    """Print the people who are notified of a rung, and after how many working hours without acknowledgement."""
    from contracts.messages.alerts import Rung
    from contracts.zone import CHINA
    from services.monitor.core.notifications.directory import Directory

    document = _load()
    content = document.read_file(file) if file is not None else document.in_force(DatabaseOptions(database, folder))[1]
    if content is None:
        raise stop(
            "no directory is in force, so that nobody is notified of alerts; put one in force with 'onedoor directory "
            "apply'",
            "没有启用的人员名录，警示不会通知任何人；请用 onedoor directory apply 启用",
        )
    directory = Directory(content)
    fired = Rung(rung)
    moment = at.replace(hour=12, tzinfo=CHINA) if at is not None else datetime.now(UTC)
    for level in range(directory.levels(fired)):
        people = directory.recipients(fired, level, owner, region, item, moment)
        names = ", ".join(f"{person.name} ({person.id})" for person in people)
        hours = f"{level * directory.unacknowledged_hours(fired):g}"
        wait = both(f"after {hours} working hours", f"{hours} 个工作小时后") if level else both("at once", "立即")
        typer.echo(f"{wait:44}{names}")
