"""Exports monitor's journal into a file."""

from datetime import date
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from services.monitor.journal.blocks import export_head, export_lines
from services.operator.store import journal


class NothingToExport(Exception):
    """There is nothing to export. The message says why."""


async def public_key(engine: AsyncEngine) -> str:
    """The public key that days are signed with, in hexadecimal digits. Raises NothingToExport."""
    async with engine.connect() as connection:
        found = await journal.public_key(connection)
    if found is None:
        raise NothingToExport("monitor has written no journal yet: a decision is in it after a minute")
    return found.hex()


async def export(engine: AsyncEngine, region: str, since: date | None, until: date | None, out: Path) -> int:
    """Write a region's journal, of all days or of some; gives the number of blocks. Raises NothingToExport."""
    own_key = await public_key(engine)
    count = 0
    async with engine.connect() as opened:
        # One snapshot, since a day may end meanwhile.
        connection = await opened.execution_options(isolation_level="REPEATABLE READ")
        roots = await journal.roots(connection, region)
        if any(key != own_key for _, _, key in roots):
            raise NothingToExport("the installation has signed with several keys: its secret key was changed")
        ends = [(root, signature) for root, signature, _ in roots]
        with out.open("w", encoding="utf-8", newline="\n") as file:
            file.write(f"{export_head(region, own_key)}\n")
            async for blocks in journal.blocks(connection, region, since, until):
                file.writelines(f"{line}\n" for line in export_lines(blocks, ends))
                count += len(blocks)
    if not count:
        raise NothingToExport(f"the journal has no block of region {region} in that time")
    return count
