"""What commands about monitor have in common: which database, what is asked, how they end."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sqlalchemy.ext.asyncio import AsyncEngine

T = TypeVar("T")

Database = Annotated[
    str,
    typer.Option(
        envvar="ONEDOOR_DATABASE", show_envvar=True, help="Address; {service} in it stands for intake and for monitor."
    ),
]
Folder = Annotated[
    Path | None, typer.Option(help="Folder of an 'onedoor up'; before the address, and 'data' without one.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def on_monitor(database: str, folder: Path | None, work: "Callable[[AsyncEngine], Awaitable[T]]") -> T:
    """Do it on monitor's database."""
    from services.operator.databases import Unreachable, WrongChoice, chosen, on

    try:
        return on(next(iter(chosen("monitor", database, folder).values())), work)
    except WrongChoice as wrong:
        raise typer.BadParameter(str(wrong)) from None
    except Unreachable as away:
        raise stop(str(away)) from None


def stop(reason: str) -> typer.Exit:
    """To be raised: the command ends, and says why."""
    typer.echo(reason, err=True)
    return typer.Exit(1)
