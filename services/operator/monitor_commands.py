"""The options that commands about monitor share, and the end of a command that fails."""

from pathlib import Path
from typing import Annotated

import typer

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


def stop(reason: str) -> typer.Exit:
    """Print the reason for which a command ends. Returns the exception to raise."""
    typer.echo(reason, err=True)
    return typer.Exit(1)
