"""The commands of a versioned document: the same for every kind, with the same flags and words.

Imports little, so that help is quick: the document itself is loaded by the command.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from services.operator.monitor_commands import Database, Folder, Yes

File = Annotated[Path, typer.Argument(help="A file with the whole document.")]
Wait = Annotated[bool, typer.Option(help="Wait until every open case follows.")]


def document_commands(help: str, load: Callable[[], Any], *, whole_file: bool = True) -> typer.Typer:
    """The commands of the document that ``load`` imports (`services.operator.documents.OperatedDocument`).

    ``whole_file``: a file is the whole document. Otherwise the caller adds the commands diff and apply.
    """
    app = typer.Typer(help=help, no_args_is_help=True)

    @app.command()
    def check(file: File) -> None:
        """Tell each fault of a file with its line."""
        load().check(file)

    @app.command()
    def show(
        number: Annotated[int | None, typer.Argument(min=1, help="A version; without it, the one in force.")] = None,
        database: Database = "",
        folder: Folder = None,
    ) -> None:
        """Print a version as a file that can be changed and applied."""
        load().show(_where(database, folder), number)

    @app.command()
    def history(database: Database = "", folder: Folder = None) -> None:
        """List the last versions, the newest first, and how far open cases follow."""
        load().history(_where(database, folder))

    @app.command()
    def follow(database: Database = "", folder: Folder = None) -> None:
        """Show how far the open cases follow the version in force, until all do."""
        load().follow(_where(database, folder))

    if whole_file:

        @app.command()
        def diff(file: File, database: Database = "", folder: Folder = None) -> None:
            """Show what a file would change."""
            document = load()
            content = document.read_file(file)
            document.diff(_where(database, folder), lambda before: content)

        @app.command()
        def apply(
            file: File, database: Database = "", folder: Folder = None, yes: Yes = False, wait: Wait = True
        ) -> None:
            """Show what a file changes, ask, and put it in force."""
            document = load()
            content = document.read_file(file)
            document.apply(_where(database, folder), lambda before: content, yes=yes, wait=wait)

    return app


def _where(database: str, folder: Path | None) -> Any:
    from services.operator.documents import Where

    return Where(database, folder)
