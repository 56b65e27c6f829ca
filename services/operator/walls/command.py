"""Declares ``onedoor wall``: add wall displays, list them, and revoke them."""

from typing import Annotated

import typer

from services.operator.options import Database, DatabaseOptions, Folder, Issuer

app = typer.Typer(
    help="Add screens that show the wall display without anybody's login, list them, and revoke them.",
    no_args_is_help=True,
)

Display = Annotated[str, typer.Argument(help="Name of the display, such as the place where it hangs.")]


@app.command()
def add(
    display: Display,
    program: Annotated[
        str, typer.Option(help="Program whose post in the directory says which region is shown.")
    ] = "wall",
    issuer: Issuer = "",
    folder: Folder = None,
    database: Database = "",
) -> None:
    """Print a code to type at the display, once, within 15 minutes. It opens the wall display there, and nothing else.

    A display that exists gets a new code; what it shows now ends when that is typed.
    """
    from services.operator.walls.actions import add_display

    add_display(DatabaseOptions(database, folder, issuer), display, program)


@app.command()
def revoke(display: Display, issuer: Issuer = "", folder: Folder = None, database: Database = "") -> None:
    """Revoke a display. It shows nothing more from its next turn on, within 20 seconds."""
    from services.operator.walls.actions import revoke_display

    revoke_display(DatabaseOptions(database, folder, issuer), display)


@app.command("list")
def list_(folder: Folder = None, database: Database = "") -> None:
    """List all displays: who has added and revoked them, and when each was last used."""
    from services.operator.walls.actions import list_displays

    list_displays(DatabaseOptions(database, folder))
