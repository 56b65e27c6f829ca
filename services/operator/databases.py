"""Finds the databases of a command, those of an ``onedoor up`` or those of an address, and runs work on them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import asyncpg
import typer
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from services.addresses import NoAddresses, read_addresses
from services.operator.options import DatabaseOptions, stop
from services.registry import CORE_SERVICES, default_systems
from services.runtime.security.encryption import encrypted_database

T = TypeVar("T")

DEFAULT_FOLDER = Path("data")
PLACE = "{service}"
"""Stands for the service's name in an address of several databases."""


class WrongChoice(Exception):
    """The options do not determine a database. The message names the option to give."""


class Unreachable(Exception):
    """The database cannot be used. The message names it, without its password."""


def chosen(service: str | None, options: DatabaseOptions) -> dict[str, str]:
    """Service -> address of its database; of all services if none is named.

    A folder takes precedence over an address, which may come from the environment. Without both, the default folder
    of ``onedoor up`` is meant. Raises WrongChoice.
    """
    address, folder = options
    if address and folder is None:
        _check(address)
        if PLACE in address:
            names = (service,) if service else (*CORE_SERVICES, *default_systems())
            return {name: address.replace(PLACE, name) for name in names}
        return {service or "": address}
    folder = folder or DEFAULT_FOLDER
    try:
        services = read_addresses(folder).services
    except NoAddresses as missing:
        raise WrongChoice(str(missing)) from None
    if service is None:
        return dict(services)
    if service not in services:
        raise WrongChoice(f"{folder} has no service {service}: it has {', '.join(services)}")
    return {service: services[service]}


def _check(address: str) -> None:
    try:
        encrypted_database(address)
    except ValueError as wrong:
        raise WrongChoice(f"ONEDOOR_DATABASE: {wrong}") from None


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
    return Unreachable(f"{shown}: {_why(error)}. Is it running, and up to date ('onedoor migrate')?")


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
        raise typer.BadParameter(str(wrong)) from None
    if len(databases) > 1:
        raise typer.BadParameter(f"name one of the services: {', '.join(databases)}", param_hint="--service")
    try:
        return on(next(iter(databases.values())), work)
    except Unreachable as error:
        raise stop(str(error)) from None


def _why(error: Exception) -> str:
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return str(cause).splitlines()[0] if str(cause) else type(cause).__name__
