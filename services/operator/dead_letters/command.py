"""Declares ``onedoor dead-letters``: list dead letters, show, replay or drop them."""

from enum import StrEnum
from typing import Annotated, Literal

import typer

from services.operator.options import Database, DatabaseOptions, Folder, service_name

app = typer.Typer(help="List records that could not be processed, replay them, or drop them.", no_args_is_help=True)

Service = Annotated[
    str | None, typer.Option(callback=service_name, help="Service of the letters. Each service numbers its own.")
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
    case: Annotated[str | None, typer.Option(help="Only letters of this case.")] = None,
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
    database: Database = "",
    folder: Folder = None,
) -> None:
    """Show one letter with its reason, origin, key and value."""
    from services.operator.dead_letters.actions import show_letter

    show_letter(number, service, DatabaseOptions(database, folder))


def _settling(action: Literal["replay", "drop"], done: str, help: str) -> None:
    """Declare a command that settles letters by a function of ``actions``."""

    @app.command(action, help=help)
    def settle(
        numbers: Numbers = None,
        case: Case = None,
        service: Service = None,
        database: Database = "",
        folder: Folder = None,
    ) -> None:
        from services.operator.dead_letters import actions

        options = DatabaseOptions(database, folder)
        raise typer.Exit(actions.settle(done, getattr(actions, action), numbers, case, service, options))


_settling(
    "replay",
    "replayed",
    "Publish letters on their topics again, in order. The service does so at once, or at its next start.",
)
_settling("drop", "dropped", "Drop letters. They remain on record and cannot be replayed.")
