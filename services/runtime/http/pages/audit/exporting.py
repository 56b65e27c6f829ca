"""Downloads of a signed chain, which the verifier checks without onedoor."""

from collections.abc import AsyncGenerator, Iterable
from pathlib import Path

from pydantic import ConfigDict
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.responses import Response

from contracts.values import Model
from services.runtime.http.bodies.streaming import ClosingStream
from services.runtime.http.operating.access_record import Purpose
from services.runtime.http.pages.audit.shown import Day
from services.runtime.http.problems import not_found
from services.runtime.journal import verify
from services.runtime.journal.reader import JournalReader, NotWritten, OtherKey
from services.runtime.security.access_record import count_rows

MEDIA_TYPE = "application/jsonl"


class ExportQuery(Model):
    """The days of a download, all of them if omitted."""

    model_config = ConfigDict(extra="forbid")

    since: Day | None = None
    until: Day | None = None
    purpose: Purpose | None = None


async def export_response(
    database: AsyncEngine, reader: JournalReader, chain: str, name: str, wanted: ExportQuery
) -> Response:
    """The file. Raises a problem where there is nothing of these days."""
    source = _lines(database, reader, chain, wanted)
    try:
        await anext(source)
    except (NotWritten, OtherKey) as error:
        raise not_found(error.en, error.zh) from None
    headers = {"Content-Disposition": f'attachment; filename="{name}.jsonl"', "Cache-Control": "no-store"}
    return ClosingStream(source, headers, MEDIA_TYPE)


def verifier_response() -> Response:
    """The program that checks a download."""
    headers = {"Content-Disposition": 'attachment; filename="verify_journal.py"', "Cache-Control": "no-store"}
    return Response(Path(verify.__file__).read_bytes(), headers=headers, media_type="text/x-python")


async def _lines(
    database: AsyncEngine, reader: JournalReader, chain: str, wanted: ExportQuery
) -> AsyncGenerator[bytes, None]:
    async with database.connect() as connection:
        parts = reader.exported(connection, chain, wanted.since, wanted.until)
        head, first = await anext(parts), await anext(parts)
        yield b""  # there is something of these days: the response can begin
        count_rows(first.entries)
        yield _joined([*head.lines, *first.lines])
        async for part in parts:
            count_rows(part.entries)
            yield _joined(part.lines)
            await connection.rollback()  # no transaction stays open while a slow client reads


def _joined(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()
