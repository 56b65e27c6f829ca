"""A list as a file that spreadsheet programs open (CSV, RFC 4180), row by row."""

import csv
import io
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing

from services.runtime.http.streaming import ClosingStream

MEDIA_TYPE = "text/csv"

MARK = "\ufeff"
"""Without it spreadsheet programs take Chinese for something else."""

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A cell that begins so is taken for something to be reckoned, or run."""

Cell = str | int | None
Cells = Sequence[Cell]


async def csv_response(name: str, heads: Cells, batches: AsyncGenerator[list[Cells], None]) -> ClosingStream:
    """A file of this name. Raises what the first batch raises; afterwards the answer can only be broken off."""
    source = _pieces(heads, batches)
    await anext(source)
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"', "Cache-Control": "no-store"}
    return ClosingStream(source, headers, f"{MEDIA_TYPE}; charset=utf-8")


async def _pieces(heads: Cells, batches: AsyncGenerator[list[Cells], None]) -> AsyncGenerator[bytes, None]:
    async with aclosing(batches):
        first: list[Cells] = await anext(batches, [])
        yield b""  # to whoever makes the answer: so far all is well
        yield (MARK + _lines([heads, *first])).encode()
        async for batch in batches:
            yield _lines(batch).encode()


def _lines(rows: Iterable[Cells]) -> str:
    lines = io.StringIO()
    csv.writer(lines).writerows([_harmless(cell) for cell in row] for row in rows)
    return lines.getvalue()


def _harmless(cell: Cell) -> Cell:
    return "'" + cell if isinstance(cell, str) and cell.startswith(FORMULA) else cell
