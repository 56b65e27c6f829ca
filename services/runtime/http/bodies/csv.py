"""Lists as CSV files for spreadsheet programs (RFC 4180), streamed row by row."""

import csv
import io
import re
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from datetime import date, datetime

from services.runtime.http.bodies.streaming import ClosingStream
from services.runtime.security.access_record import count_rows

MEDIA_TYPE = "text/csv"

BYTE_ORDER_MARK = "\ufeff"
"""Without it spreadsheet programs do not recognise UTF-8 and garble Chinese."""

_UNSEEN = r"[\s\0\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]"
_FORMULA = re.compile(_UNSEEN + r"*[=+\-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u2212]|[\t\r\n\0]")
"""The begin of a cell that a spreadsheet program may evaluate as a formula: ``= + - @``, also in full width and small
form, and after white space, NUL or invisible characters, which some programs leave out."""

Cell = str | int | float | date | datetime | None
"""A moment is local and without a zone."""

Cells = Sequence[Cell]


async def csv_response(name: str, heads: Sequence[str], batches: AsyncGenerator[list[Cells], None]) -> ClosingStream:
    """A CSV file with this name. Raises what the first batch raises; a later failure only breaks off the response."""
    source = _chunks(heads, batches)
    await anext(source)
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"', "Cache-Control": "no-store"}
    return ClosingStream(source, headers, f"{MEDIA_TYPE}; charset=utf-8")


async def _chunks(heads: Cells, batches: AsyncGenerator[list[Cells], None]) -> AsyncGenerator[bytes, None]:
    async with aclosing(batches):
        first: list[Cells] = await anext(batches, [])
        yield b""  # the first batch is read: the response can begin
        count_rows(len(first))
        yield (BYTE_ORDER_MARK + _lines([heads, *first])).encode()
        async for batch in batches:
            count_rows(len(batch))
            yield _lines(batch).encode()


def _lines(rows: Iterable[Cells]) -> str:
    lines = io.StringIO()
    csv.writer(lines).writerows([_text(cell) for cell in row] for row in rows)
    return lines.getvalue()


def _text(cell: Cell) -> Cell:
    """The cell as the file has it: ``2026-03-02 10:00:00`` for a moment, which spreadsheet programs take for one."""
    match cell:
        case datetime():
            return cell.strftime("%Y-%m-%d %H:%M:%S")
        case date():
            return cell.isoformat()
        case _:
            return escape_formula(cell)


def escape_formula(cell: Cell) -> Cell:
    """The cell, with an apostrophe before a text that a spreadsheet program might evaluate as a formula."""
    return "'" + cell if isinstance(cell, str) and _FORMULA.match(cell) else cell
