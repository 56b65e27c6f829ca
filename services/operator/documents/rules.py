"""Declares ``onedoor rules``: the calendars, hours and ladders by which monitor holds commitments."""

from pathlib import Path
from typing import Annotated, Any

import typer

from services.operator.documents.commands import Wait, document_commands
from services.operator.options import CALENDARS, Calendars, Database, DatabaseOptions, Folder, Issuer, Yes

File = Annotated[Path | None, typer.Argument(help="Rule file; without one, the rules in force stay.")]


def _load() -> Any:
    from services.operator.documents.rule_versions import RULES

    return RULES


app = document_commands("Show, compare and change the calendars, hours and ladders in force.", _load, whole_file=False)


@app.command()
def diff(file: File = None, calendars: Calendars = CALENDARS, database: Database = "", folder: Folder = None) -> None:
    """Show the changes of a rule file, with the notices of a folder."""
    from services.operator.documents.rule_versions import RULES, made_from

    RULES.diff(DatabaseOptions(database, folder), made_from(file, calendars))


@app.command()
def apply(
    file: File = None,
    calendars: Calendars = CALENDARS,
    issuer: Issuer = "",
    database: Database = "",
    folder: Folder = None,
    yes: Yes = False,
    wait: Wait = True,
) -> None:
    """Show the changes of a rule file, with the notices of a folder, ask for confirmation, and put it in force, or
    propose it to a second person.

    Every open deadline is recalculated in the background.
    """
    from services.operator.documents.rule_versions import RULES, made_from

    RULES.apply(DatabaseOptions(database, folder, issuer), made_from(file, calendars), yes=yes, wait=wait)
