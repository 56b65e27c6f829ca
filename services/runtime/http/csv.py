"""Lists as CSV files for spreadsheet programs (RFC 4180), streamed row by row."""

import csv
import io
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing

from services.runtime.http.streaming import ClosingStream

MEDIA_TYPE = "text/csv"

BYTE_ORDER_MARK = "\ufeff"
"""Without it spreadsheet programs do not recognise UTF-8 and garble Chinese."""

FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r")
"""Spreadsheet programs evaluate a cell that begins with one of these as a formula."""

Cell = str | int | None
Cells = Sequence[Cell]


async def csv_response(name: str, heads: Cells, batches: AsyncGenerator[list[Cells], None]) -> ClosingStream:
    """A CSV file with this name. Raises what the first batch raises; a later failure only breaks off the response."""
    source = _chunks(heads, batches)
    await anext(source)
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"', "Cache-Control": "no-store"}
    return ClosingStream(source, headers, f"{MEDIA_TYPE}; charset=utf-8")


async def _chunks(heads: Cells, batches: AsyncGenerator[list[Cells], None]) -> AsyncGenerator[bytes, None]:
    async with aclosing(batches):
        first: list[Cells] = await anext(batches, [])
        yield b""  # the first batch is read: the response can begin
        yield (BYTE_ORDER_MARK + _lines([heads, *first])).encode()
        async for batch in batches:
            yield _lines(batch).encode()


def _lines(rows: Iterable[Cells]) -> str:
    lines = io.StringIO()
    csv.writer(lines).writerows([_escape(cell) for cell in row] for row in rows)
    return lines.getvalue()


def _escape(cell: Cell) -> Cell:
    return "'" + cell if isinstance(cell, str) and cell.startswith(FORMULA_PREFIXES) else cell
