"""Which databases are audited, and since when their ledgers are whole."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

import asyncpg

from services.operator.addresses import read_addresses
from services.operator.audit.settings import AuditSettings
from services.operator.databases import DEFAULT_FOLDER, PLACE, Unreachable, WrongChoice, chosen
from services.registry import CORE_SERVICES, department, departments
from services.runtime.clock import Clock, open_clock

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

LONGEST_S = 3600.0
"""Seconds after which a statement is given up."""

MARGIN = timedelta(days=1)
"""What will be forgotten within a day is not counted on any more: each service forgets when it comes to it."""


@dataclass(frozen=True, slots=True)
class LedgerQuery:
    """A department's own ledger: its address, and the query that reads it."""

    address: str
    query: str


@dataclass(frozen=True, slots=True)
class Targets:
    """All that is read. ``closed_books``: the departments whose books cannot be read, and why."""

    services: Mapping[str, str]
    systems: tuple[str, ...]
    books: Mapping[str, LedgerQuery]
    closed_books: Mapping[str, str]
    clock: Clock
    closed_kept: timedelta
    said_kept: timedelta

    async def kept_since(self, tables: "Tables") -> datetime:
        """The moment of lawful time since when nothing has been forgotten of what happened to a case.

        Closed cases are forgotten by lawful time. Messages are forgotten by machine time: by the system's clock the
        two are one; under a clock that is set, ledgers count as whole so long as the oldest message is too young
        to have had any before it forgotten.
        """
        since = self.clock.now() - self.closed_kept + MARGIN
        machine = datetime.now(UTC)
        if abs(self.clock.now() - machine) < MARGIN:
            return max(since, machine - self.said_kept + MARGIN)
        oldest = [
            await tables.services[name].fetchval("SELECT min(created_at) FROM outbox")
            for name in (*CORE_SERVICES, *self.systems)
        ]
        forgotten = any(at is not None and at < machine - self.said_kept + MARGIN for at in oldest)
        return self.clock.now() if forgotten else since


def targets(folder: Path | None, address: str, settings: AuditSettings) -> Targets:
    """What to read: of a folder of ``onedoor up``, or of an address with the services' names in it.

    Raises `WrongChoice` with what to set.
    """
    if address and folder is None and PLACE not in address:
        raise WrongChoice("ONEDOOR_DATABASE: each service has a database of its own: put {service} in it")
    local = folder or (None if address else DEFAULT_FOLDER)
    systems = settings.systems or (_systems_of(local) if local else ())
    if not systems:
        raise WrongChoice("ONEDOOR_SYSTEMS is not set: name the department systems, comma separated")
    names = (*CORE_SERVICES, *systems)
    services = {name: found for name in names for found in chosen(name, address, folder).values()}
    if unknown := sorted({*settings.audit_books, *settings.audit_queries} - {*systems}):
        raise WrongChoice(f"ONEDOOR_AUDIT_BOOKS or ONEDOOR_AUDIT_QUERIES: {unknown[0]} is none of ONEDOOR_SYSTEMS")
    books, closed = {}, {}
    for system in systems:
        declared = department(system).ledger if system in departments() else None
        query = settings.audit_queries.get(system) or (declared.query if declared else "")
        if system in settings.audit_books:
            if not query:
                raise WrongChoice(f"ONEDOOR_AUDIT_QUERIES: nothing says how the ledger of {system} is read")
            found = settings.audit_books[system].get_secret_value()
            if urlsplit(found).scheme not in ("postgresql", "postgresql+asyncpg"):
                raise WrongChoice(
                    f"ONEDOOR_AUDIT_BOOKS: {system} must be like postgresql+asyncpg://user:password@host/name"
                )
            books[system] = LedgerQuery(found, query)
        elif local is not None:
            if found := read_addresses(local).ledgers.get(system, ""):
                books[system] = LedgerQuery(found, query)
            else:
                closed[system] = "not named in ONEDOOR_AUDIT_BOOKS"
        else:
            closed[system] = "not named in ONEDOOR_AUDIT_BOOKS"
    try:
        clock = open_clock(settings.clock)
    except ValueError as wrong:
        raise WrongChoice(f"ONEDOOR_CLOCK: {wrong}") from None
    return Targets(
        services=services,
        systems=systems,
        books=books,
        closed_books=closed,
        clock=clock,
        closed_kept=timedelta(days=settings.closed_retention_days),
        said_kept=timedelta(days=settings.outbox_retention_days),
    )


def _systems_of(folder: Path) -> tuple[str, ...]:
    """The department systems of an ``onedoor up``: whatever service is not a core one."""
    return tuple(name for name in chosen(None, "", folder) if name not in CORE_SERVICES)


@dataclass(frozen=True, slots=True)
class Tables:
    """A connection to each database. ``closed_books`` as in `Targets`, with those that turned out not to be there."""

    services: Mapping[str, Connection]
    books: Mapping[str, Connection]
    closed_books: Mapping[str, str]


@asynccontextmanager
async def opened(places: Targets) -> AsyncIterator[Tables]:
    """Connections that cannot write. Raises `Unreachable` if a service's database is; a department's may be."""
    async with AsyncExitStack() as stack:
        services = {}
        for name, address in places.services.items():
            try:
                services[name] = await stack.enter_async_context(_connection(address))
            except (OSError, asyncpg.PostgresError) as error:
                raise Unreachable(
                    f"the database of {name} at {_shown(address)}: {error}. Is it running, and up to date?"
                ) from None
        books, closed = {}, dict(places.closed_books)
        for system, ledger in places.books.items():
            try:
                connection = await stack.enter_async_context(_connection(ledger.address))
                await connection.fetchrow(f"SELECT * FROM ({ledger.query}) AS books LIMIT 0")
                books[system] = connection
            except (OSError, asyncpg.PostgresError) as error:
                closed[system] = f"{_shown(ledger.address)}: {error}"
        yield Tables(services, books, closed)


@asynccontextmanager
async def _connection(address: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(
        address.replace("+asyncpg", ""),
        timeout=10,
        command_timeout=LONGEST_S,
        server_settings={
            "application_name": "onedoor audit",
            "default_transaction_read_only": "on",
            "jit": "off",
            "TimeZone": "UTC",
        },
    )
    try:
        yield connection
    finally:
        await connection.close(timeout=10)


def _shown(address: str) -> str:
    """The address without its password."""
    parts = urlsplit(address)
    return f"{parts.hostname}:{parts.port or 5432}{parts.path}"
