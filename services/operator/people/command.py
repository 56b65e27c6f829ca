"""Declares ``onedoor people``: add people who may log in, let them enrol, and disable them."""

from typing import Annotated

import typer

from services.operator.options import Database, DatabaseOptions, Folder, Issuer

app = typer.Typer(
    help="Add people who may log in, let them enrol, and disable them, at the issuer that comes with onedoor.",
    no_args_is_help=True,
)

Reason = Annotated[str | None, typer.Option(help="Why, for the record.", show_default=False)]

Person = Annotated[str, typer.Argument(help="Id of the person in the directory.")]


@app.command()
def add(
    person: Person,
    name: Annotated[str, typer.Option(help="Name of the person, as pages and records show it.")],
    issuer: Issuer = "",
    folder: Folder = None,
    database: Database = "",
) -> None:
    """Add an account. The person cannot log in before the enrolment."""
    from services.operator.people.actions import add_person

    add_person(DatabaseOptions(database, folder, issuer), person, name)


@app.command()
def enrol(
    person: Person, reason: Reason = None, issuer: Issuer = "", folder: Folder = None, database: Database = ""
) -> None:
    """Print a link by which the person sets a passkey or a password, once, within 72 hours.

    It also serves who has forgotten the password. An earlier link is worth nothing then. Where the directory asks for
    four eyes, the first person only asks for the link, and another one prints it.
    """
    from services.operator.people.actions import enrol_person

    enrol_person(DatabaseOptions(database, folder, issuer), person, reason)


@app.command()
def disable(
    person: Person, reason: Reason = None, issuer: Issuer = "", folder: Folder = None, database: Database = ""
) -> None:
    """Disable an account. All its logins and refresh tokens end at once; an access token within ten minutes."""
    from services.operator.people.actions import disable_person

    disable_person(DatabaseOptions(database, folder, issuer), person, reason)


@app.command()
def enable(
    person: Person, reason: Reason = None, issuer: Issuer = "", folder: Folder = None, database: Database = ""
) -> None:
    """Enable an account again, with the passkeys and the password that it had."""
    from services.operator.people.actions import enable_person

    enable_person(DatabaseOptions(database, folder, issuer), person, reason)


@app.command("list")
def list_(folder: Folder = None, database: Database = "") -> None:
    """List all accounts, with the time of the last login."""
    from services.operator.people.actions import list_people

    list_people(DatabaseOptions(database, folder))
