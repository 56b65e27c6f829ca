"""Options that several commands have, and the end of a command that fails. Cheap to import."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

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
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]
Calendars = Annotated[Path, typer.Option(help="Folder of the notices of holidays that are in force.")]

CALENDARS = Path("data") / "calendars"

DAY = "%Y-%m-%d"


class DatabaseOptions(NamedTuple):
    """The databases of a command as they were named: by an address, by the folder of an ``onedoor up``, or not."""

    address: str
    folder: Path | None


def service_name(name: str | None) -> str | None:
    """Check that a service of this name is installed."""
    from services.registry import services

    if name is not None and name not in services():
        raise typer.BadParameter(f"{name!r} is not a service: {', '.join(services())}")
    return name


def stop(reason: str) -> typer.Exit:
    """Print the reason for which a command ends. Returns the exception to raise."""
    typer.echo(reason, err=True)
    return typer.Exit(1)


@contextmanager
def file_errors() -> Iterator[None]:
    """End the command with one line if a file cannot be read or written."""
    try:
        yield
    except OSError as error:
        raise typer.BadParameter(f"{error.filename}: {error.strerror}") from None
