"""``onedoor rules``: the calendars, hours and ladders by which monitor holds commitments."""

from pathlib import Path
from typing import Annotated, Any

import typer

from services.operator.document_commands import Wait, document_commands
from services.operator.monitor_commands import Database, Folder, Yes

File = Annotated[Path | None, typer.Argument(help="A rule file; without one, the rules in force stay.")]
Calendars = Annotated[Path, typer.Option(help="Folder of the notices of holidays in force.")]

CALENDARS = Path("data") / "calendars"


def _load() -> Any:
    from services.operator.rule_versions import RULES

    return RULES


app = document_commands("The calendars, hours and ladders in force, and their versions.", _load, whole_file=False)


@app.command()
def diff(file: File = None, calendars: Calendars = CALENDARS, database: Database = "", folder: Folder = None) -> None:
    """Show what a rule file, with the notices of a folder, would change."""
    from services.operator.documents import Where
    from services.operator.rule_versions import RULES, made_from

    RULES.diff(Where(database, folder), made_from(file, calendars))


@app.command()
def apply(
    file: File = None,
    calendars: Calendars = CALENDARS,
    database: Database = "",
    folder: Folder = None,
    yes: Yes = False,
    wait: Wait = True,
) -> None:
    """Show what a rule file, with the notices of a folder, changes, ask, and put it in force.

    Every open deadline is recalculated in the background.
    """
    from services.operator.documents import Where
    from services.operator.rule_versions import RULES, made_from

    RULES.apply(Where(database, folder), made_from(file, calendars), yes=yes, wait=wait)
