"""The acts of ``onedoor wall`` in the database of the front."""

import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeVar

import typer
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from contracts.rights.table import Act
from services.front.store import walls
from services.operator.databases import need_own_databases, on_service
from services.operator.login.actor import Caller, calling, recorded
from services.operator.login.tokens import issuer_of
from services.operator.options import DatabaseOptions
from services.operator.output import print_remark, print_result, stop, wrong_option
from services.registry import FRONT
from services.runtime.clock import machine_now
from services.runtime.security.access_record import AccessEntry

T = TypeVar("T")

MOST_CHARACTERS = 60
"""The longest name of a display."""

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""The digits and letters of codes: none that people take for another (Crockford's base 32)."""

_GROUPS, _GROUP = 3, 4

_COLUMNS = ("display", "program", "added", "added_by", "opened", "last_used", "revoked", "revoked_by")


def add_display(options: DatabaseOptions, name: str, program: str) -> None:
    """Add a display, and print the code that opens it. Raises `typer.Exit`."""
    shown = _named(name)
    caller = _caller(options)
    groups = ["".join(secrets.choice(_ALPHABET) for _ in range(_GROUP)) for _ in range(_GROUPS)]

    async def work(connection: AsyncConnection) -> None:
        await walls.add(connection, shown, program, "".join(groups), _by(caller), machine_now())

    _on_front(options, recorded(work, lambda _: caller.entry(display=shown, program=program)))
    address = issuer_of(options)
    print_remark(
        f"open {address}/session/wall at the display and type this code; it works once, within 15 minutes",
        f"请在大屏的浏览器打开 {address}/session/wall 并键入此码；15 分钟内有效，只能用一次",
    )
    typer.echo("-".join(groups))


def revoke_display(options: DatabaseOptions, name: str) -> None:
    """Revoke a display. Raises `typer.Exit`."""
    shown = _named(name)
    caller = _caller(options)

    async def work(connection: AsyncConnection) -> bool:
        return await walls.revoke(connection, shown, _by(caller), machine_now())

    def entry(revoked: bool) -> AccessEntry | None:
        return caller.entry(revoked=shown) if revoked else None

    if not _on_front(options, recorded(work, entry)):
        raise stop(
            f"no display {shown} is in use; 'onedoor wall list' shows all",
            f"没有使用中的大屏 {shown}；用 onedoor wall list 查看全部大屏",
        )
    print_result(f"{shown} revoked", "已撤销")


def list_displays(options: DatabaseOptions) -> None:
    """Print all displays, tab separated."""
    found = _on_front(options, walls.listed)
    typer.echo("\t".join(_COLUMNS))
    for one in found:
        moments = (one.added_at, one.opened_at, one.used_at, one.revoked_at)
        added, opened, used, revoked = map(_moment, moments)
        cells = (one.name, one.program, added, one.added_by or "-", opened, used, revoked, one.revoked_by or "-")
        typer.echo("\t".join(cells))


def _moment(at: datetime | None) -> str:
    return at.isoformat(timespec="seconds") if at is not None else "-"


def _named(name: str) -> str:
    shown = " ".join(name.split())
    if not shown or len(shown) > MOST_CHARACTERS or not shown.isprintable():
        raise wrong_option(
            f"write a name of at most {MOST_CHARACTERS} characters",
            f"请填写名称，最多 {MOST_CHARACTERS} 个字符",
            "DISPLAY",
        )
    return shown


def _caller(options: DatabaseOptions) -> Caller:
    """The person who gives the command. Monitor's database has the directory that gives the right."""
    need_own_databases(options, FRONT, "monitor")
    return calling(options, "monitor", Act.MANAGE_WALLS)


def _by(caller: Caller) -> str | None:
    return None if caller.actor is None else str(caller.actor)


def _on_front(options: DatabaseOptions, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
    async def on(database: AsyncEngine) -> T:
        async with database.begin() as connection:
            return await work(connection)

    return on_service(FRONT, options, on)
