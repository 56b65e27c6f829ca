"""Checks the record of access in the database of a service: its rows against its signed chain."""

from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import typer
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.bilingual import both
from services.operator.databases import on_service
from services.operator.journal.export import Journal, export
from services.operator.options import DatabaseOptions
from services.runtime.clock import machine_now
from services.runtime.journal import verify
from services.runtime.journal.blocks import day_of
from services.runtime.journal.reader import ACCESS
from services.runtime.settings import RECORD_RETENTION
from services.runtime.store import access_record


def record_of(service: str) -> Journal:
    """The record of access of a service."""
    return Journal(service, ACCESS)


def verify_record(
    options: DatabaseOptions, service: str, key: str | None, since: date | None, until: date | None
) -> int:
    """Print whether the record is as it was written; the exit status of `services.runtime.journal.verify`."""
    today = day_of(machine_now())
    since = since or today - timedelta(days=RECORD_RETENTION - 2)
    with TemporaryDirectory() as folder:
        file = Path(folder) / f"record of {service}.jsonl"
        outside, until = on_service(service, options, lambda engine: _export(engine, service, since, until, file))
        days = ["--since", f"{since}"] + (["--until", f"{until}"] if until is not None else [])
        status = verify.main([*(["--key", key] if key is not None else []), *days, "--", str(file)])
    if outside:
        numbers = ", ".join(map(str, outside))
        en = f"rows {numbers} are in no block: they were added after the chain had passed their moment"
        typer.echo(f"BROKEN: {both(en, f'第 {numbers} 行不在任何区块中：它们是事后加入的')}")
        return verify.BROKEN
    return status


async def _export(
    engine: AsyncEngine, service: str, since: date, until: date | None, file: Path
) -> tuple[list[int], date | None]:
    """Write the record to a file. Returns rows that are in no block, and the day up to which the file has to reach."""
    with file.open("w", encoding="utf-8", newline="\n") as out:
        await export(engine, record_of(service), service, since, until, out)
    async with engine.connect() as connection:
        outside = await access_record.outside_of_the_chain(connection)
        if until is None and await access_record.began_before(connection, day_of(machine_now())):
            until = day_of(machine_now()) - timedelta(days=1)
    return outside, until
