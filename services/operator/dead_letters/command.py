"""Declares ``onedoor dead-letters``: list dead letters, show, replay, correct or drop them."""

from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from services.operator.options import Database, DatabaseOptions, Folder, Issuer, case_number, service_name

app = typer.Typer(help="List records that could not be processed; replay, correct or drop them.", no_args_is_help=True)

Service = Annotated[
    str | None, typer.Option(callback=service_name, help="Service of the letters. Each service numbers its own.")
]
Case = Annotated[str | None, typer.Option(callback=case_number, help="All parked letters of this case, oldest first.")]
Numbers = Annotated[list[int] | None, typer.Argument(min=1, help="Numbers of letters.")]


class Status(StrEnum):
    """The letters to list, by status."""

    PARKED = "parked"
    REPLAYED = "replayed"
    CORRECTED = "corrected"
    DROPPED = "dropped"
    ALL = "all"


@app.command("list")
def list_(
    service: Service = None,
    database: Database = "",
    folder: Folder = None,
    case: Annotated[str | None, typer.Option(callback=case_number, help="Only letters of this case.")] = None,
    status: Annotated[Status, typer.Option(help="Status of the letters.")] = Status.PARKED,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Number of letters of each service at most.")] = 100,
) -> None:
    """List the letters of one service, or of all."""
    from services.operator.dead_letters.actions import list_letters

    wanted = None if status is Status.ALL else status.value
    raise typer.Exit(list_letters(service, DatabaseOptions(database, folder), case, wanted, limit))


@app.command()
def show(
    number: Annotated[int, typer.Argument(min=1, help="Number of the letter.")],
    service: Service = None,
    issuer: Issuer = "",
    database: Database = "",
    folder: Folder = None,
    raw: Annotated[
        bool,
        typer.Option("--raw", help="Show the content as it is, personal data included. Needs a login; is on record."),
    ] = False,
) -> None:
    """Show one letter with its reason, origin, key and value. What may be personal data is masked."""
    from services.operator.dead_letters.actions import show_letter

    show_letter(number, service, DatabaseOptions(database, folder, issuer), raw=raw)


@app.command()
def replay(
    numbers: Numbers = None,
    case: Case = None,
    reason: Annotated[str, typer.Option(help="The reason, for the record.")] = "",
    service: Service = None,
    issuer: Issuer = "",
    database: Database = "",
    folder: Folder = None,
) -> None:
    """Publish letters on their topics again, in order. The service does so at once, or at its next start."""
    from services.operator.dead_letters import actions
    from services.runtime.dead_letters import settling

    options = DatabaseOptions(database, folder, issuer)
    work = partial(settling.replay, reason=reason or None)
    raise typer.Exit(actions.settle(("replayed", "已重放"), work, numbers, case, service, options))


@app.command()
def correct(
    number: Annotated[int, typer.Argument(min=1, help="Number of the letter.")],
    reason: Annotated[str, typer.Option(help="The reason, for the record.")],
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", help="A corrected field, PATH=VALUE: answer.reference=N1. It may be repeated."),
    ] = None,
    file: Annotated[Path | None, typer.Option(help="File with the whole corrected content, JSON.")] = None,
    service: Service = None,
    issuer: Issuer = "",
    database: Database = "",
    folder: Folder = None,
) -> None:
    """Publish a corrected record in place of a letter, so that its case goes on.

    For an answer of a department that contradicts an earlier one: the corrected answer holds, and its number in place
    of every other one of the task.
    """
    from services.operator.dead_letters.actions import correct_letter

    correct_letter(number, service, DatabaseOptions(database, folder, issuer), sets or (), file, reason=reason)


@app.command()
def drop(
    numbers: Numbers = None,
    case: Case = None,
    reason: Annotated[str, typer.Option(help="The reason, for the record.")] = "",
    service: Service = None,
    issuer: Issuer = "",
    database: Database = "",
    folder: Folder = None,
) -> None:
    """Drop letters. They remain on record until their retention ends, and cannot be replayed."""
    from services.operator.dead_letters import actions
    from services.runtime.dead_letters import settling

    options = DatabaseOptions(database, folder, issuer)
    work = partial(settling.drop, reason=reason or None)
    raise typer.Exit(actions.settle(("dropped", "已丢弃"), work, numbers, case, service, options))
