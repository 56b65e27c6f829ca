"""Exports a journal to a file."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TextIO

import typer
from sqlalchemy.ext.asyncio import AsyncEngine

from services.files import complete_file
from services.operator.databases import on_service
from services.operator.options import DatabaseOptions
from services.operator.output import file_errors, print_remark, stop
from services.operator.store.journal import DECISIONS, JournalReader, Signed
from services.runtime.journal.blocks import Block, Root, export_head, export_lines


@dataclass(frozen=True, slots=True)
class Journal:
    """A journal of a service. ``name_zh``: what it is called in Chinese."""

    service: str
    reader: JournalReader = DECISIONS
    name: str = "journal"
    name_zh: str = "日志"


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
    async with engine.connect() as connection:
        found = await journal.reader.public_key(connection)
    if found is None:
        raise stop(
            f"{journal.service} has written no {journal.name} yet: an entry is in it after a minute; try again then",
            f"{journal.service} 尚未写入{journal.name_zh}：条目在一分钟后写入，请届时再试",
        )
    return found.hex()


async def _last_root(engine: AsyncEngine, journal: Journal, region: str) -> Root:
    """The root of the last day that is over."""
    async with engine.connect() as connection:
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
    own_key = await public_key(engine, journal)
    count = 0
    async with engine.connect() as opened:
        # One snapshot, since a day may end meanwhile.
        connection = await opened.execution_options(isolation_level="REPEATABLE READ")
        roots = await journal.reader.roots(connection, chain, since, until)
        _check_keys(roots, own_key)
        file.write(f"{export_head(chain, own_key)}\n")
        async for blocks in journal.reader.blocks(connection, chain, since, until):
            _check_keys(blocks, own_key)
            last_day = blocks[-1].content.day
            _write(file, blocks, [root for root in roots if root.content.day < last_day])
            roots = [root for root in roots if root.content.day >= last_day]
            count += len(blocks)
        _write(file, [], roots)
    if not count and not roots:
        raise stop(
            f"the {journal.name} has no block of {chain} in that time: check the code, --since and --until",
            f"{journal.name_zh}在该时段没有 {chain} 的记录：请核对代码、--since 和 --until",
        )
    return count


def _write(file: TextIO, blocks: Sequence[Signed[Block]], roots: Sequence[Signed[Root]]) -> None:
    lines = export_lines(
        [(block.content, block.signature) for block in blocks], [(root.content, root.signature) for root in roots]
    )
    file.writelines(f"{line}\n" for line in lines)


def _check_keys(signed: Sequence[Signed[Block]] | Sequence[Signed[Root]], own_key: str) -> None:
    other = next((one.content.day for one in signed if one.key != own_key), None)
    if other is not None:
        raise stop(
            f"the journal of {other} was signed with another key: the installation's secret key was changed since. "
            "Export the days signed with the present one, by --since and --until",
            f"{other} 的日志由另一密钥签名：此后更换过密钥。请用 --since 和 --until 只导出现密钥签名的日子",
        )
