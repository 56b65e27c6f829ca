"""Exports monitor's journal to a file."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TextIO

import typer
from sqlalchemy.ext.asyncio import AsyncEngine

from services.files import complete_file
from services.operator.databases import on_service
from services.operator.options import DatabaseOptions
from services.operator.output import file_errors, print_remark, stop
from services.operator.store import journal
from services.operator.store.journal import Signed
from services.runtime.journal.blocks import Block, Root, export_head, export_lines


def print_public_key(options: DatabaseOptions) -> None:
    """Print the public key of the installation."""
    typer.echo(on_service("monitor", options, _public_key))


def print_root(options: DatabaseOptions, region: str) -> None:
    """Print the last day of a region that is over, and its root. A day without blocks has that of the day before."""
    last = on_service("monitor", options, lambda engine: _last_root(engine, region))
    typer.echo(f"{last.day} {last.hash.hex()}")
    if not last.entries:
        print_remark(
            f"no decision was made on {last.day}, so that its root is that of the day before: publish it with its day",
            f"{last.day} 没有任何决定，其日根与前一日相同：请连同日期一起公布",
        )


def export_journal(options: DatabaseOptions, region: str, since: date | None, until: date | None, out: Path) -> int:
    """Write a region's journal to a file, completely or not at all, and give the number of its blocks."""
    with file_errors(), complete_file(out) as file:
        return on_service("monitor", options, lambda engine: _export(engine, region, since, until, file))


async def _public_key(engine: AsyncEngine) -> str:
    """The public key that blocks and days are signed with, in hexadecimal digits."""
    async with engine.connect() as connection:
        found = await journal.public_key(connection)
    if found is None:
        raise stop(
            "monitor has written no journal yet: a decision is in it after a minute; try again then",
            "monitor 尚未写入日志：决定在一分钟后写入，请届时再试",
        )
    return found.hex()


async def _last_root(engine: AsyncEngine, region: str) -> Root:
    """The root of the last day that is over."""
    async with engine.connect() as connection:
        found = await journal.last_root(connection, region)
    if found is None:
        raise stop(
            f"the journal has no day of region {region} that is over: check the code, or wait, since the first day is "
            "signed after midnight in China",
            f"日志中没有区域 {region} 已结束的日子：请核对代码，或等待，首日在北京时间零点后签名",
        )
    return found


async def _export(engine: AsyncEngine, region: str, since: date | None, until: date | None, file: TextIO) -> int:
    own_key = await _public_key(engine)
    count = 0
    async with engine.connect() as opened:
        # One snapshot, since a day may end meanwhile.
        connection = await opened.execution_options(isolation_level="REPEATABLE READ")
        roots = await journal.roots(connection, region, since, until)
        _check_keys(roots, own_key)
        file.write(f"{export_head(region, own_key)}\n")
        async for blocks in journal.blocks(connection, region, since, until):
            _check_keys(blocks, own_key)
            last_day = blocks[-1].content.day
            _write(file, blocks, [root for root in roots if root.content.day < last_day])
            roots = [root for root in roots if root.content.day >= last_day]
            count += len(blocks)
        _write(file, [], roots)
    if not count and not roots:
        raise stop(
            f"the journal has no block of region {region} in that time: check the code, --since and --until",
            f"日志在该时段没有区域 {region} 的记录：请核对代码、--since 和 --until",
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
