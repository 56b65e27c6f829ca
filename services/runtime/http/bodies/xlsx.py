"""Lists as spreadsheets (xlsx): numbers are numbers, days and moments are dates, and no text is ever a formula."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import date, datetime
from tempfile import SpooledTemporaryFile
from typing import IO

from xlsxwriter import Workbook
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from services.runtime.http.bodies.csv import Cell, Cells
from services.runtime.http.bodies.streaming import ClosingStream
from services.runtime.security.access_record import count_rows

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

SHEET_ROWS = 1_000_000
"""Rows of a sheet below its heads; a longer list goes on in another sheet. A sheet may have 1,048,576."""

CHUNK = 64 * 1024

IN_MEMORY = 1024 * 1024
"""Bytes of a finished file that are kept in memory; a larger one is a temporary file."""

_OPTIONS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}


async def xlsx_response(name: str, heads: Sequence[str], batches: AsyncGenerator[list[Cells], None]) -> ClosingStream:
    """A spreadsheet with this name. It is complete before the response begins. Raises what a batch raises."""
    output = SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - the stream closes it
    try:
        await _write(output, heads, batches)
    except BaseException:
        output.close()
        raise
    headers = {"Content-Disposition": f'attachment; filename="{name}.xlsx"', "Cache-Control": "no-store"}
    return ClosingStream(_chunks(output), headers, MEDIA_TYPE)


async def _write(output: IO[bytes], heads: Sequence[str], batches: AsyncGenerator[list[Cells], None]) -> None:
    workbook = Workbook(output, _OPTIONS)
    bold = workbook.add_format({"bold": True})
    formats = {
        date: workbook.add_format({"num_format": "yyyy-mm-dd"}),
        datetime: workbook.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
        float: workbook.add_format({"num_format": "0.00"}),
    }
    sheet, at = _sheet(workbook, heads, bold), 1
    async with aclosing(batches):
        async for batch in batches:
            count_rows(len(batch))
            for row in batch:
                if at > SHEET_ROWS:
                    sheet, at = _sheet(workbook, heads, bold), 1
                for column, cell in enumerate(row):
                    _write_cell(sheet, at, column, cell, formats)
                at += 1
    await asyncio.to_thread(workbook.close)
    output.seek(0)


def _sheet(workbook: Workbook, heads: Sequence[str], bold: Format) -> Worksheet:
    sheet = workbook.add_worksheet()
    sheet.freeze_panes(1, 0)
    for column, head in enumerate(heads):
        sheet.write_string(0, column, head, bold)
    return sheet


def _write_cell(sheet: Worksheet, row: int, column: int, cell: Cell, formats: dict[type, Format]) -> None:
    match cell:
        case None:
            pass
        case bool():
            sheet.write_boolean(row, column, cell)
        case datetime() | date():
            sheet.write_datetime(row, column, cell, formats[type(cell)])
        case float():
            sheet.write_number(row, column, cell, formats[float])
        case int():
            sheet.write_number(row, column, cell)
        case str():
            sheet.write_string(row, column, cell)


async def _chunks(output: IO[bytes]) -> AsyncGenerator[bytes, None]:
    try:
        while chunk := output.read(CHUNK):
            yield chunk
    finally:
        output.close()
