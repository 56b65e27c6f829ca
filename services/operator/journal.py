"""``onedoor journal``: monitor's decisions as nobody can rewrite them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from services.operator.monitor_commands import Database, Folder, on_monitor, stop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from datetime import date

    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from services.monitor.journal.blocks import Block, Root

app = typer.Typer(help="The journal of monitor's decisions: export it, and check an export.", no_args_is_help=True)

T = TypeVar("T")

AT_ONCE = 500
"""Blocks that are read with one statement."""

Region = Annotated[str, typer.Option(help="County, by its code of six digits.")]
Day = Annotated[str | None, typer.Option(help="Day, as 2026-03-02.")]


@app.command()
def export(
    region: Region,
    out: Annotated[Path, typer.Option(help="File to write.")],
    since: Day = None,
    until: Day = None,
    database: Database = "",
    folder: Folder = None,
) -> None:
    """Write a region's journal into a file, of all days or of some."""
    first, last = _day(since, "--since"), _day(until, "--until")
    partial = out.with_name(f"{out.name}.partial")
    try:
        count = _on(database, folder, lambda engine: _export(engine, region, first, last, partial))
        partial.replace(out)
    except OSError as fault:
        raise typer.BadParameter(f"{fault.filename}: {fault.strerror}") from None
    typer.echo(f"{count} blocks written to {out}")


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="An export.")],
    key: Annotated[str | None, typer.Option(help="The public key that is trusted, 64 hexadecimal digits.")] = None,
) -> None:
    """Check an export: exit status 1 if anything was changed, removed, added or moved."""
    from services.monitor.journal.verify import main

    raise typer.Exit(main([str(file), *(("--key", key) if key else ())]))


@app.command()
def verifier() -> None:
    """Print the program that checks an export by itself, to be given along with it."""
    from services.monitor.journal import verify

    typer.echo(Path(verify.__file__).read_text(encoding="utf-8"), nl=False)


@app.command()
def key(database: Database = "", folder: Folder = None) -> None:
    """Print the public key that days are signed with. Give it to whoever checks, by another way than the export."""
    typer.echo(_on(database, folder, _key))


def _on(database: str, folder: Path | None, work: "Callable[[AsyncEngine], Awaitable[T]]") -> T:
    """Do it on monitor's database."""
    try:
        return on_monitor(database, folder, work)
    except _NothingKept as nothing:
        raise stop(str(nothing)) from None


class _NothingKept(Exception):
    """There is nothing to export; the message says why."""


def _day(text: str | None, option: str) -> "date | None":
    from datetime import date

    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise typer.BadParameter("say a day as 2026-03-02", param_hint=option) from None


async def _key(engine: "AsyncEngine") -> str:
    from sqlalchemy import text

    async with engine.connect() as connection:
        found: bytes | None = await connection.scalar(text("SELECT key FROM journal_reached"))
    if found is None:
        raise _NothingKept("monitor has not written into its journal yet: a decision stands in it after a minute")
    return found.hex()


async def _export(engine: "AsyncEngine", region: str, since: "date | None", until: "date | None", out: Path) -> int:
    from services.monitor.journal.blocks import export_head, export_lines

    own = await _key(engine)
    count = 0
    async with engine.connect() as opened:
        # Of one moment: a day may end meanwhile.
        connection = await opened.execution_options(isolation_level="REPEATABLE READ")
        roots = await _roots(connection, region)
        if any(key != own for _, _, key in roots):
            raise _NothingKept("the installation has signed with several keys: its secret key was changed")
        ends = [(root, signature) for root, signature, _ in roots]
        with out.open("w", encoding="utf-8", newline="\n") as file:
            file.write(f"{export_head(region, own)}\n")
            async for blocks in _blocks(connection, region, since, until):
                file.writelines(f"{line}\n" for line in export_lines(blocks, ends))
                count += len(blocks)
    if not count:
        raise _NothingKept(f"there is nothing of region {region} in the journal then")
    return count


async def _roots(connection: "AsyncConnection", region: str) -> "list[tuple[Root, bytes, str]]":
    from sqlalchemy import text

    from services.monitor.journal.blocks import Root

    query = text("SELECT * FROM journal_roots WHERE region = :region ORDER BY day")
    return [
        (Root(row.region, row.day, row.first, row.last, row.entries, row.hash), row.signature, row.key.hex())
        for row in await connection.execute(query, {"region": region})
    ]


async def _blocks(
    connection: "AsyncConnection", region: str, since: "date | None", until: "date | None"
) -> "AsyncIterator[list[Block]]":
    from datetime import date

    from sqlalchemy import text

    from services.monitor.journal.blocks import Block

    query = text("""
        SELECT region, number, day, previous, entries FROM journal
        WHERE region = :region AND number > :after AND day >= :since AND day <= :until ORDER BY number LIMIT :limit
    """)
    wanted = {"region": region, "since": since or date.min, "until": until or date.max, "limit": AT_ONCE}
    after = 0
    while rows := (await connection.execute(query, {**wanted, "after": after})).all():
        yield [Block(row.region, row.number, row.day, row.previous, tuple(row.entries)) for row in rows]
        after = rows[-1].number
