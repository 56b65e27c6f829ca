"""Declares the commands that every versioned document has."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from services.operator.options import Database, DatabaseOptions, Folder, Issuer, Yes

File = Annotated[Path, typer.Argument(help="File with the whole document.")]
ProposalNumber = Annotated[int, typer.Argument(min=1, max=2**31 - 1, help="Number of a proposal.")]
Wait = Annotated[bool, typer.Option(help="Wait until all open cases follow the version.")]


def document_commands(help: str, load: Callable[[], Any], *, whole_file: bool = True) -> typer.Typer:
    """The commands of a document, an `OperatedDocument` that ``load`` imports.

    ``whole_file``: a file is the whole document. Otherwise the caller adds the commands diff and apply.
    """
    app = typer.Typer(help=help, no_args_is_help=True)

    @app.command()
    def check(file: File) -> None:
        """Check a file, and print each fault with its line."""
        load().check(file)

    @app.command()
    def show(
        number: Annotated[
            int | None, typer.Argument(min=1, help="Number of a version; without it, the one in force.")
        ] = None,
        database: Database = "",
        folder: Folder = None,
    ) -> None:
        """Print a version as a file that can be changed and applied."""
        load().show(DatabaseOptions(database, folder), number)

    @app.command()
    def history(database: Database = "", folder: Folder = None) -> None:
        """List the last 20 versions, the newest first, and how many open cases follow each."""
        load().history(DatabaseOptions(database, folder))

    @app.command()
    def follow(database: Database = "", folder: Folder = None) -> None:
        """Show how many open cases follow the version in force, until all do."""
        load().follow(DatabaseOptions(database, folder))

    @app.command()
    def proposals(database: Database = "", folder: Folder = None) -> None:
        """List the changes that wait for a second person."""
        load().list_proposals(DatabaseOptions(database, folder))

    @app.command()
    def approve(
        number: ProposalNumber,
        issuer: Issuer = "",
        database: Database = "",
        folder: Folder = None,
        yes: Yes = False,
        wait: Wait = True,
    ) -> None:
        """Show what a proposal changes, ask for confirmation, and put it in force, as its second person."""
        load().approve(DatabaseOptions(database, folder, issuer), number, yes=yes, wait=wait)

    @app.command()
    def withdraw(number: ProposalNumber, issuer: Issuer = "", database: Database = "", folder: Folder = None) -> None:
        """Withdraw a proposal, of yourself or of others."""
        load().withdraw(DatabaseOptions(database, folder, issuer), number)

    if whole_file:

        @app.command()
        def diff(file: File, database: Database = "", folder: Folder = None) -> None:
            """Show the changes of a file."""
            document = load()
            content = document.read_file(file)
            document.diff(DatabaseOptions(database, folder), lambda before: content)

        @app.command()
        def apply(
            file: File,
            issuer: Issuer = "",
            database: Database = "",
            folder: Folder = None,
            yes: Yes = False,
            wait: Wait = True,
        ) -> None:
            """Show the changes of a file, ask for confirmation, and put it in force, or propose it to a second
            person."""
            document = load()
            content = document.read_file(file)
            document.apply(DatabaseOptions(database, folder, issuer), lambda before: content, yes=yes, wait=wait)

    return app
