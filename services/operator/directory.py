"""``onedoor directory``: who is told of alerts, and what another directory would change."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.operator.monitor_commands import Database, Folder, Yes, on_monitor, read_file, stop

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncEngine

    from contracts.messages.alerts import Rung
    from services.monitor.notifications.directory import Directory, DirectoryFile

app = typer.Typer(help="Who is told of alerts: the directory in force.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(help="A directory file.")]


@app.command()
def show(database: Database = "", folder: Folder = None) -> None:
    """Print the directory in force, as a file that can be changed and applied."""
    _, known = _in_force(database, folder)
    if known is None:
        raise stop("no directory is in force: nobody is told of alerts until there is one")
    typer.echo(_written(known.said), nl=False)


@app.command()
def check(file: File) -> None:
    """Say what is wrong with a directory file, line by line."""
    found = _read(file)
    typer.echo(f"{file}: directory {found.version}, {len(found.people)} people, nothing wrong")


@app.command()
def apply(file: File, database: Database = "", folder: Folder = None, yes: Yes = False) -> None:
    """Show what changes, ask, and put it in force: who is told from now on is found in it."""
    after = _read(file)
    number, known = _in_force(database, folder)
    if known is not None and known.said == after:
        typer.echo("in force already; nothing changes")
        return
    for line in _differences(known.said if known is not None else None, after):
        typer.echo(line)
    if not yes and not typer.confirm(f"Put directory {after.version} in force?"):
        raise stop("nothing has changed")
    put = on_monitor(database, folder, lambda engine: _put(engine, after, number))
    typer.echo(f"directory {put} is in force")


@app.command()
def who(
    rung: Annotated[str, typer.Option(help="warning, yellow, red or further.")],
    owner: Annotated[str, typer.Option(help="The department, as alerts name it.")],
    region: Annotated[str, typer.Option(help="County, by its code of six digits.")],
    item: Annotated[str, typer.Option(help="Item or bundle, by its code in the catalogue.")] = "",
    at: Annotated[str | None, typer.Option(help="Day, as 2026-03-02; today without it.")] = None,
    file: Annotated[Path | None, typer.Option(help="A directory file, in place of the one in force.")] = None,
    database: Database = "",
    folder: Folder = None,
) -> None:
    """Print who is told of a rung, level by level, until somebody takes it in hand."""
    from services.monitor.notifications.directory import Directory

    directory = Directory(_read(file)) if file is not None else _in_force(database, folder)[1]
    if directory is None:
        raise stop("no directory is in force: nobody is told of alerts until there is one")
    of = _rung(rung)
    moment = _moment(at)
    for level in range(directory.levels(of)):
        people = directory.told(of, level, owner, region, item, moment)
        named = ", ".join(f"{person.name} ({person.id})" for person in people)
        wait = "at once" if level == 0 else f"after {level * directory.hours(of):g} working hours"
        typer.echo(f"{wait:26}{named}")


def _rung(name: str) -> "Rung":
    from contracts.messages.alerts import Rung

    if name not in set(Rung):
        raise typer.BadParameter(f"{name!r} is none of {', '.join(Rung)}", param_hint="--rung")
    return Rung(name)


def _moment(day: str | None) -> "datetime":
    from datetime import UTC, datetime, time

    from services.monitor.notifications.directory import ZONE

    if day is None:
        return datetime.now(UTC)
    try:
        return datetime.combine(datetime.fromisoformat(day), time(12), ZONE)
    except ValueError:
        raise typer.BadParameter("say a day as 2026-03-02", param_hint="--at") from None


def _read(file: Path) -> "DirectoryFile":
    from services.monitor.store import directory_store

    return read_file(file, directory_store.read)


def _in_force(database: str, folder: Path | None) -> "tuple[int, Directory | None]":
    """The number of the directory in force, 0 for none, and what it says."""

    async def latest(engine: "AsyncEngine") -> "tuple[int, Directory] | None":
        from services.monitor.store import directory_store

        async with engine.connect() as connection:
            return await directory_store.latest(connection)

    return on_monitor(database, folder, latest) or (0, None)


async def _put(engine: "AsyncEngine", said: "DirectoryFile", after: int) -> int | None:
    from services.monitor.store import directory_store
    from services.runtime.store.documents import Outrun

    try:
        async with engine.begin() as connection:
            return await directory_store.put(connection, said, said.version, after=after)
    except Outrun:
        raise stop(
            "somebody else has put another directory in force meanwhile: look at what changes once more"
        ) from None


def _differences(before: "DirectoryFile | None", after: "DirectoryFile") -> list[str]:
    from difflib import unified_diff

    lines = _written(before).splitlines() if before is not None else []
    return list(unified_diff(lines, _written(after).splitlines(), n=1, lineterm=""))[2:]  # without the names of files


def _written(said: "DirectoryFile") -> str:
    """A directory as a file, without what is as usual."""
    from services.runtime.yaml_file import write_yaml

    return write_yaml(said)
