"""Finds the databases of a command, those of an ``onedoor up`` or those of an address, and runs work on them."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import asyncpg
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from contracts.bilingual import BilingualError
from contracts.faults import texts_of
from services.addresses import NoAddresses, read_addresses
from services.operator.options import DatabaseOptions
from services.operator.output import stop, wrong_option
from services.registry import CORE_SERVICES, FRONT, ISSUER, default_systems
from services.runtime.security.encryption import encrypted_database

T = TypeVar("T")

DEFAULT_FOLDER = Path("data")
PLACE = "{service}"
"""Stands for the service's name in an address of several databases."""


class WrongChoice(BilingualError):
    """The options do not determine a database. The message names the option to give."""


class Unreachable(BilingualError):
    """The database cannot be used. The message names it, without its password."""


def chosen(service: str | None, options: DatabaseOptions) -> dict[str, str]:
    """Service -> address of its database; of all services if none is named.

    A folder takes precedence over an address, which may come from the environment. Without both, the default folder
    of ``onedoor up`` is meant. Raises WrongChoice.
    """
    address, folder = options.address, options.folder
    if address and folder is None:
        _check(address)
        if PLACE in address:
            names = (service,) if service else (*CORE_SERVICES, *default_systems())
            return {name: address.replace(PLACE, name) for name in names}
        return {service or "": address}
    folder = folder or DEFAULT_FOLDER
    try:
        kept = read_addresses(folder)
    except NoAddresses as missing:
        raise WrongChoice(missing.en, missing.zh) from None
    services = dict(kept.services)
    if service is None:
        return services
    beside = {ISSUER: kept.issuer_database, FRONT: kept.front_database}
    if beside.get(service):
        return {service: beside[service]}
    if service not in services:
        known = ", ".join(services)
        raise WrongChoice(
            f"{folder} has no service {service}: it has {known}", f"{folder} 没有服务 {service}：只有 {known}"
        )
    return {service: services[service]}


def _check(address: str) -> None:
    try:
        encrypted_database(address)
    except ValueError as wrong:
        en, zh = texts_of(wrong)
        raise WrongChoice(f"ONEDOOR_DATABASE: {en}", zh) from None


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[AsyncEngine]:
    """An engine for one database. Raises Unreachable, also for database errors in the body."""
    engine = create_async_engine(address, poolclass=NullPool, hide_parameters=True)
    try:
        yield engine
    except (OSError, asyncpg.PostgresError, DBAPIError) as error:
        raise unreachable(address, error) from None
    finally:
        await engine.dispose()


def unreachable(address: str, error: Exception) -> Unreachable:
    """The error for a database that cannot be used, with its address but for the password."""
    shown = make_url(address).render_as_string(hide_password=True)
    en, zh = why_unusable(error)
    return Unreachable(f"the database {shown} cannot be used: {en}", f"数据库 {shown} 无法使用：{zh}")


def on(address: str, work: Callable[[AsyncEngine], Awaitable[T]]) -> T:
    """Run the work on this database. Raises Unreachable."""

    async def main() -> T:
        async with connected(address) as engine:
            return await work(engine)

    return asyncio.run(main())


def on_service(service: str | None, options: DatabaseOptions, work: Callable[[AsyncEngine], Awaitable[T]]) -> T:
    """Run the work on the database of one service. It ends the command if there is not exactly one, or no access."""
    try:
        databases = chosen(service, options)
    except WrongChoice as wrong:
        raise wrong_option(wrong.en, wrong.zh) from None
    if len(databases) > 1:
        known = ", ".join(databases)
        raise wrong_option(f"name one of the services: {known}", f"请指定其中一个服务：{known}", "--service")
    try:
        return on(next(iter(databases.values())), work)
    except Unreachable as error:
        raise stop(error.en, error.zh) from None


def need_own_databases(options: DatabaseOptions, *services: str) -> None:
    """End the command if all of these services would have one database by these options."""
    if options.address and options.folder is None and PLACE not in options.address:
        names, names_zh = " and ".join(services), "、".join(services)
        raise wrong_option(
            f"{names} each have their own: put {PLACE} in it",
            f"{names_zh} 各有数据库，地址中请写 {PLACE}",
            "--database",
        )


def why_unusable(error: BaseException) -> tuple[str, str]:
    """Why a database cannot be used, and what to do, in each language."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        error = error.orig.__cause__ or error.orig
    for kinds, en, zh in _CAUSES:
        if isinstance(error, kinds):
            return en, zh
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return (
        f"{reason}; check that it is running, and up to date ('onedoor migrate')",
        f"{reason}；请确认其已启动且已升级（onedoor migrate）",
    )


_Causes = tuple[tuple[type[Exception] | tuple[type[Exception], ...], str, str], ...]

_CAUSES: _Causes = (
    (
        (ConnectionRefusedError, FileNotFoundError),
        "nothing listens at this address; start the database, or correct the address",
        "该地址没有服务；请启动数据库或更正地址",
    ),
    (socket.gaierror, "there is no machine of this name; correct the address", "找不到该主机；请更正地址"),
    (
        TimeoutError,
        "it does not answer; check that it is running, and that this machine may reach it",
        "没有应答；请确认其已启动，且本机可以访问",
    ),
    (
        asyncpg.InvalidAuthorizationSpecificationError,  # also of a wrong password
        "it refuses the user or the password; correct the address",
        "用户名或密码被拒绝；请更正地址",
    ),
    (
        # A server refuses in the encoding of its own locale, GBK on a Chinese Windows, and asyncpg reads UTF-8 only.
        asyncpg.ConnectionDoesNotExistError,
        "the server ended the connection, perhaps with a refusal that is not in UTF-8; check user, password and name "
        "of the database, and read the reason in the server's log",
        "服务器断开了连接，其原因可能不是 UTF-8 文字；请核对用户名、密码和数据库名，并查看服务器日志中的原因",
    ),
    (
        asyncpg.InvalidCatalogNameError,
        "there is no database of this name; correct the address, or create the database",
        "没有该名称的数据库；请更正地址，或先创建数据库",
    ),
    (
        (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError),
        "it lacks tables of this version; run 'onedoor migrate'",
        "缺少本版本所需的表；请运行 onedoor migrate",
    ),
    (
        asyncpg.InsufficientPrivilegeError,
        "the user has no right to it; grant the right, or name another user",
        "该用户没有权限；请授权或改用其他用户",
    ),
)
