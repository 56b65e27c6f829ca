"""Reads the files of a command: it reports how a file was read, and a file that cannot be read ends the command."""

from collections.abc import Sequence
from pathlib import Path

import typer

from services.files import limited_content
from services.operator.output import end, file_errors
from services.runtime.files.encoding import InvalidFile, read_text
from services.runtime.files.table import Table


def read_document_text(file: Path) -> str:
    """The text of a document. Raises `InvalidFile`."""
    with file_errors():
        content = limited_content(file)
    text = read_text(content)
    _report(file, text.note)
    return text.text


def read_table(file: Path, columns: Sequence[str]) -> Table:
    """A table with these columns."""
    with file_errors():
        content = limited_content(file)
    try:
        table = Table(content, columns)
    except InvalidFile as faults:
        raise refused(file, faults) from None
    _report(file, table.note)
    return table


def refused(file: Path, faults: InvalidFile) -> typer.Exit:
    """Print the faults of a file. Returns the exception to raise."""
    return end("\n".join(f"{file}: {fault}" for fault in str(faults).splitlines()))


def _report(file: Path, note: str | None) -> None:
    if note is not None:
        typer.echo(f"{file}: {note}", err=True)
