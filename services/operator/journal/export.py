"""Exports a journal to a file."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TextIO

import typer
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.files import complete_file
from services.operator.databases import on_service
from services.operator.options import DatabaseOptions
from services.operator.output import file_errors, print_remark, stop
from services.runtime.journal.blocks import Root
from services.runtime.journal.reader import DECISIONS, JournalReader, NotWritten, OtherKey


@dataclass(frozen=True, slots=True)
class Journal:
    """A journal of a service."""

    service: str
    reader: JournalReader = DECISIONS


def print_public_key(options: DatabaseOptions, journal: Journal) -> None:
    """Print the public key of the installation."""
    typer.echo(on_service(journal.service, options, lambda engine: public_key(engine, journal)))


def print_root(options: DatabaseOptions, journal: Journal, region: str) -> None:
    """Print the last day of a region that is over, and its root. A day without blocks has that of the day before."""
    last = on_service(journal.service, options, lambda engine: _last_root(engine, journal, region))
    typer.echo(f"{last.day} {last.hash.hex()}")
    if not last.entries:
        print_remark(
            f"no decision was made on {last.day}, so that its root is that of the day before: publish it with its day",
            f"{last.day} 没有任何决定，其日根与前一日相同：请连同日期一起公布",
        )


def export_journal(
    options: DatabaseOptions, journal: Journal, chain: str, since: date | None, until: date | None, out: Path
) -> int:
    """Write a chain of a journal to a file, completely or not at all, and give the number of its blocks."""
    with file_errors(), complete_file(out) as file:
        return on_service(journal.service, options, lambda engine: export(engine, journal, chain, since, until, file))


async def public_key(engine: AsyncEngine, journal: Journal) -> str:
    """The public key that blocks and days are signed with, in hexadecimal digits."""
    async with _reading(engine) as connection:
        return await journal.reader.public_key(connection)


async def _last_root(engine: AsyncEngine, journal: Journal, region: str) -> Root:
    """The root of the last day that is over."""
    async with _reading(engine) as connection:
        found = await journal.reader.last_root(connection, region)
    if found is None:
        raise stop(
            f"the journal has no day of region {region} that is over: check the code, or wait, since the first day is "
            "signed after midnight in China",
            f"日志中没有区域 {region} 已结束的日子：请核对代码，或等待，首日在北京时间零点后签名",
        )
    return found


async def export(
    engine: AsyncEngine, journal: Journal, chain: str, since: date | None, until: date | None, file: TextIO
) -> int:
    """Write a chain of a journal, and give the number of its blocks. It ends the command where there is none."""
    count = 0
    async with _reading(engine) as connection:
        async for part in journal.reader.exported(connection, chain, since, until):
            file.writelines(f"{line}\n" for line in part.lines)
            count += part.blocks
    return count


@asynccontextmanager
async def _reading(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection. It ends the command for what cannot be read."""
    async with engine.connect() as connection:
        try:
            yield connection
        except (NotWritten, OtherKey) as error:
            raise stop(error.en, error.zh) from None
