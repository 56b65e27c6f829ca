"""Declares ``onedoor dead-letters``: list dead letters, hand them back, or drop them."""

from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

T = TypeVar("T")

app = typer.Typer(help="List messages that could not be processed, hand them back, or drop them.", no_args_is_help=True)

PIPED_WIDTH = 240
"""Columns of a table that goes into a file or another program."""


def _service_name(name: str | None) -> str | None:
    from services.registry import services

    if name is not None and name not in services():
        raise typer.BadParameter(f"{name!r} is not a service: {', '.join(services())}")
    return name


Service = Annotated[
    str | None, typer.Option(callback=_service_name, help="Service of the letters. Each service numbers its own.")
]
Database = Annotated[
    str,
    typer.Option(
        envvar="ONEDOOR_DATABASE",
        show_envvar=True,
        help="Address of the databases; {service} in it stands for a service's name.",
    ),
]
Folder = Annotated[
    Path | None,
    typer.Option(help="Folder of an 'onedoor up'. It takes precedence over an address; the default is 'data'."),
]
Case = Annotated[str | None, typer.Option(help="All parked letters of this case, oldest first.")]
Numbers = Annotated[list[int] | None, typer.Argument(min=1, help="Numbers of letters.")]


class Status(StrEnum):
    """The letters to list, by status."""

    PARKED = "parked"
    REPLAYED = "replayed"
    DROPPED = "dropped"
    ALL = "all"


@app.command("list")
def list_(
    service: Service = None,
    database: Database = "",
    folder: Folder = None,
    case: Case = None,
    status: Annotated[Status, typer.Option(help="Status of the letters.")] = Status.PARKED,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Most letters of each service.")] = 100,
) -> None:
    """List the letters of one service, or of all."""
    from rich.console import Console

    from services.operator.dead_letter_details import table
    from services.runtime.store.dead_letters import letters

    found: list[tuple[str, Any]] = []
    wanted = None if status is Status.ALL else status.value
    failed = False
    for name, address in _chosen(service, database, folder).items():
        try:
            rows = _on(address, lambda engine: letters(engine, status=wanted, case_id=case, limit=limit))
        except _Failed as failure:
            typer.echo(str(failure), err=True)
            failed = True
            continue
        found += [(name, row) for row in rows]
        if len(rows) == limit:
            typer.echo(f"{name or 'this service'} may have more than {limit}: raise --limit", err=True)
    if found:
        console = Console()
        console.width = console.width if console.is_terminal else PIPED_WIDTH
        console.print(table(found))
    elif not failed:
        typer.echo("none")
    raise typer.Exit(failed)


@app.command()
def show(
    number: Annotated[int, typer.Argument(min=1, help="Number of the letter.")],
    service: Service = None,
    database: Database = "",
    folder: Folder = None,
) -> None:
    """Show one letter with its reason, origin, key and value."""
    from services.operator.dead_letter_details import PERSONAL, detail
    from services.runtime.store.dead_letters import letters

    found = _on_one(service, database, folder, lambda engine: letters(engine, status=None, number=number))
    if not found:
        raise _stop(f"letter {number} does not exist here")
    typer.echo(PERSONAL, err=True)
    for line in detail(found[0]):
        typer.echo(line)


@app.command()
def replay(
    numbers: Numbers = None,
    case: Case = None,
    service: Service = None,
    database: Database = "",
    folder: Folder = None,
) -> None:
    """Hand letters back to their topics, in order. The service publishes them at once, or at its next start."""
    from services.operator.dead_letter_details import hand_back

    _settle("handed back", hand_back, numbers, case, service, database, folder)


@app.command()
def drop(
    numbers: Numbers = None,
    case: Case = None,
    service: Service = None,
    database: Database = "",
    folder: Folder = None,
) -> None:
    """Drop letters. They remain on record and cannot be handed back."""
    from services.operator.dead_letter_details import drop as drop_letters

    _settle("dropped", drop_letters, numbers, case, service, database, folder)


def _settle(
    done: str,
    work: Callable[[Any, Sequence[int], str | None], Awaitable[Any]],
    numbers: list[int] | None,
    case: str | None,
    service: str | None,
    database: str,
    folder: Path | None,
) -> None:
    if bool(numbers) == bool(case):
        raise typer.BadParameter("name either numbers of letters or a --case")
    settled = _on_one(service, database, folder, lambda engine: work(engine, numbers or [], case))
    typer.echo(f"{done}: {', '.join(map(str, settled.numbers)) or 'none'}")
    for line in settled.refused:
        typer.echo(line, err=True)
    if settled.more:
        typer.echo("the case may have more: run the same command again", err=True)
    raise typer.Exit(bool(settled.refused))


class _Failed(Exception):
    """The command failed. The message is for the person who ran it."""


def _chosen(service: str | None, database: str, folder: Path | None) -> dict[str, str]:
    from services.operator.databases import WrongChoice, chosen

    try:
        return chosen(service, database, folder)
    except WrongChoice as wrong:
        raise typer.BadParameter(str(wrong)) from None


def _on_one(service: str | None, database: str, folder: Path | None, work: Callable[[Any], Awaitable[T]]) -> T:
    """Run the work on one database."""
    databases = _chosen(service, database, folder)
    if len(databases) > 1:
        raise typer.BadParameter(f"name the service of the letters: {', '.join(databases)}", param_hint="--service")
    try:
        return _on(next(iter(databases.values())), work)
    except _Failed as failure:
        raise _stop(str(failure)) from None


def _on(address: str, work: Callable[[Any], Awaitable[T]]) -> T:
    """Run the work on this database. Raises _Failed."""
    from services.operator.databases import Unreachable, on

    try:
        return on(address, work)
    except Unreachable as error:
        raise _Failed(str(error)) from None


def _stop(reason: str) -> typer.Exit:
    typer.echo(reason, err=True)
    return typer.Exit(1)
