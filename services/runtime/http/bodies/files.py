"""Lists as JSON or as files."""

from collections.abc import AsyncGenerator, Sequence
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


async def file_response(
    form: Form, name: str, heads: Sequence[str], batches: AsyncGenerator[list[Cells], None]
) -> Response:
    """A file of this form, which is not JSON. Raises what the first batch raises."""
    if form is Form.XLSX:
        return await xlsx.xlsx_response(name, heads, batches)
    return await csv.csv_response(name, heads, batches)
