"""Exports monitor's journal to a file."""

from datetime import date
from pathlib import Path
from typing import TextIO

import typer
from sqlalchemy.ext.asyncio import AsyncEngine

from services.files import complete_file
from services.monitor.journal.blocks import export_head, export_lines
from services.operator.databases import on_service
from services.operator.options import DatabaseOptions, file_errors, stop
from services.operator.store import journal


def print_public_key(options: DatabaseOptions) -> None:
    """Print the public key of the installation."""
    typer.echo(on_service("monitor", options, _public_key))


def export_journal(options: DatabaseOptions, region: str, since: date | None, until: date | None, out: Path) -> int:
    """Write a region's journal to a file, completely or not at all, and give the number of its blocks."""
    with file_errors(), complete_file(out) as file:
        return on_service("monitor", options, lambda engine: _export(engine, region, since, until, file))


async def _public_key(engine: AsyncEngine) -> str:
    """The public key that days are signed with, in hexadecimal digits."""
    async with engine.connect() as connection:
        found = await journal.public_key(connection)
    if found is None:
        raise stop("monitor has written no journal yet: a decision is in it after a minute")
    return found.hex()


async def _export(engine: AsyncEngine, region: str, since: date | None, until: date | None, file: TextIO) -> int:
    own_key = await _public_key(engine)
    count = 0
    async with engine.connect() as opened:
        # One snapshot, since a day may end meanwhile.
        connection = await opened.execution_options(isolation_level="REPEATABLE READ")
        roots = await journal.roots(connection, region)
        if any(key != own_key for _, _, key in roots):
            raise stop("the installation has signed with several keys: its secret key was changed")
        ends = [(root, signature) for root, signature, _ in roots]
        file.write(f"{export_head(region, own_key)}\n")
        async for blocks in journal.blocks(connection, region, since, until):
            file.writelines(f"{line}\n" for line in export_lines(blocks, ends))
            count += len(blocks)
    if not count:
        raise stop(f"the journal has no block of region {region} in that time")
    return count
