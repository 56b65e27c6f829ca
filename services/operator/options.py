"""Options that several commands have. Cheap to import."""

from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from services.operator.output import wrong_option

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
Issuer = Annotated[
    str,
    typer.Option(
        envvar="ONEDOOR_ISSUER",
        show_envvar=True,
        help="Address of the issuer of logins, such as https://login.example.gov.cn; else that of the folder.",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]
Calendars = Annotated[Path, typer.Option(help="Folder of the notices of holidays that are in force.")]

CALENDARS = Path("data") / "calendars"

DAY = "%Y-%m-%d"


class DatabaseOptions(NamedTuple):
    """The databases of a command as they were named: by an address, by the folder of an ``onedoor up``, or not.

    ``issuer``: the issuer of logins, for a command that changes something, if it was named.
    """

    address: str
    folder: Path | None
    issuer: str = ""


def case_number(case: str | None) -> str | None:
    """A case number as it was meant: in any width and case, with or without hyphens."""
    from services.runtime.http.bodies.typed_text import NUMBER_GROUPS, typed_groups

    return None if case is None else typed_groups(case, NUMBER_GROUPS)


def process_name(name: str) -> str:
    """Check that this is the name of a service, of the issuer, or of the front."""
    from services.registry import FRONT, ISSUER

    if name not in (ISSUER, FRONT):
        service_name(name)
    return name


def service_name(name: str | None) -> str | None:
    """Check that a service of this name is installed."""
    from services.registry import services

    if name is not None and name not in services():
        known = ", ".join(services())
        raise wrong_option(
            f"{name!r} is not a service; the services are {known}", f"没有服务 {name!r}；现有服务：{known}"
        )
    return name
