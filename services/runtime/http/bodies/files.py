"""Lists as JSON or as files."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from enum import StrEnum
from typing import Any

from fastapi import Response

from services.runtime.http.bodies import csv, xlsx
from services.runtime.http.bodies.csv import Cells

AS_FILE: dict[int | str, dict[str, Any]] = {200: {"content": {csv.MEDIA_TYPE: {}, xlsx.MEDIA_TYPE: {}}}}
"""The ``responses`` of an endpoint that also answers with a file."""


class Form(StrEnum):
    """The form of a list."""

    JSON = "json"
    CSV = "csv"
    XLSX = "xlsx"


CUT = "cut after %d rows, as the parameter limit asks: there may be more / 按参数 limit 截至 %d 行，之后可能还有"
"""The last line of a file that has as many rows as its request allows."""


async def file_response(
    form: Form,
    name: str,
    heads: Sequence[str],
    batches: AsyncGenerator[list[Cells], None],
    limit: int | None = None,
) -> Response:
    """A file of this form, which is not JSON. Raises what the first batch raises.

    ``limit``: the batches have so many rows at most, which the last line says where they have as many.
    """
    if limit is not None:
        batches = _said(batches, limit)
    if form is Form.XLSX:
        return await xlsx.xlsx_response(name, heads, batches)
    return await csv.csv_response(name, heads, batches)


async def _said(batches: AsyncGenerator[list[Cells], None], limit: int) -> AsyncGenerator[list[Cells], None]:
    rows = 0
    async with aclosing(batches):
        async for batch in batches:
            rows += len(batch)
            yield [*batch, [CUT % (limit, limit)]] if rows == limit else batch
