"""The databases that are audited, and since when their outboxes are complete."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias

import asyncpg
from sqlalchemy.engine import make_url

from contracts.bilingual import both
from contracts.faults import texts_of
from services.addresses import read_addresses
from services.departments.sdk.declaration import resolve
from services.operator.audit.queries import case_queries
from services.operator.audit.settings import AuditSettings
from services.operator.databases import DEFAULT_FOLDER, PLACE, Unreachable, WrongChoice, chosen, unreachable
from services.operator.options import DatabaseOptions
from services.registry import CORE_SERVICES, department, departments
from services.runtime.clock import Clock, open_clock
from services.runtime.security.encryption import encrypted_database

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

LONGEST_S = 3600.0
"""Seconds after which a statement is cancelled."""

MARGIN = timedelta(days=1)
"""Rows that expire within a day count as deleted already, since services delete at different times."""


@dataclass(frozen=True, slots=True)
class LedgerQuery:
    """A department's own ledger: its address, and the query that reads it."""

    address: str
    query: str

    def statement(self, template: str) -> str:
        """A statement that reads the ledger, from one that has ``%ledger%`` in place of the query."""
        return template.replace("%ledger%", self.query)


@dataclass(frozen=True, slots=True)
class Targets:
    """All databases that are read.

    ``unread_ledgers`` has the departments whose ledger cannot be read, and why.
    """

    services: Mapping[str, str]
    systems: tuple[str, ...]
    ledgers: Mapping[str, LedgerQuery]
    unread_ledgers: Mapping[str, str]
    clock: Clock
    closed_retention: timedelta
    outbox_retention: timedelta

    async def kept_since(self, tables: "Connections") -> datetime:
        """The moment of the shared clock since when all messages and all cases are on record.

        Closed cases are deleted by the shared clock, messages by machine time. With the system's clock the two are one.
        With a clock file, outboxes count as complete while the oldest message is too young to have been deleted.
        """
        since = self.clock.now() - self.closed_retention + MARGIN
        machine = datetime.now(UTC)
        if abs(self.clock.now() - machine) < MARGIN:
            return max(since, machine - self.outbox_retention + MARGIN)
        oldest = [
            await tables.services[name].fetchval(case_queries.OLDEST_MESSAGE)
            for name in (*CORE_SERVICES, *self.systems)
        ]
        incomplete = any(at is not None and at < machine - self.outbox_retention + MARGIN for at in oldest)
        return self.clock.now() if incomplete else since


def targets(options: DatabaseOptions, settings: AuditSettings) -> Targets:
    """The databases of a folder of ``onedoor up``, or of an address in which ``{service}`` stands for the name.

    Raises `WrongChoice`, which names the setting to change.
    """
    address, folder, _ = options
    if address and folder is None and PLACE not in address:
        raise WrongChoice(
            "ONEDOOR_DATABASE: each service has a database of its own: put {service} in it",
            "每个服务各有数据库，地址中请写 {service}",
        )
    local = folder or (None if address else DEFAULT_FOLDER)
    systems = settings.systems or (_systems_of(local) if local else ())
    if not systems:
        raise WrongChoice(
            "ONEDOOR_SYSTEMS is not set: name the department systems, comma separated",
            "未设置 ONEDOOR_SYSTEMS：请写明部门业务系统，以逗号分隔",
        )
    names = (*CORE_SERVICES, *systems)
    services = {name: found for name in names for found in chosen(name, options).values()}
    if unknown := sorted({*settings.audit_ledgers, *settings.audit_queries} - {*systems}):
        raise WrongChoice(
            f"ONEDOOR_AUDIT_LEDGERS or ONEDOOR_AUDIT_QUERIES: {unknown[0]} is none of ONEDOOR_SYSTEMS, which are "
            f"{', '.join(systems)}; correct one of them",
            f"{unknown[0]} 不在 ONEDOOR_SYSTEMS 之中，请更正其一",
        )
    local_ledgers = read_addresses(local).ledgers if local else {}
    ledgers, unread = {}, {}
    for system in systems:
        declared = department(system).ledger if system in departments() else None
        query = settings.audit_queries.get(system) or (resolve(declared.query) if declared else "")
        if system in settings.audit_ledgers:
            if not query:
                raise WrongChoice(
                    f"ONEDOOR_AUDIT_QUERIES: there is no query that reads the ledger of {system}; give one",
                    f"缺少读取 {system} 台账的查询，请补充",
                )
            found = settings.audit_ledgers[system].get_secret_value()
            try:
                encrypted_database(found)
            except ValueError as wrong:
                en, zh = texts_of(wrong)
                raise WrongChoice(f"ONEDOOR_AUDIT_LEDGERS: {system}: {en}", zh) from None
            ledgers[system] = LedgerQuery(found, query)
        elif system in local_ledgers:
            ledgers[system] = LedgerQuery(local_ledgers[system], query)
        else:
            unread[system] = both("not named in ONEDOOR_AUDIT_LEDGERS", "ONEDOOR_AUDIT_LEDGERS 未写明")
    return Targets(
        services=services,
        systems=systems,
        ledgers=ledgers,
        unread_ledgers=unread,
        clock=open_clock(settings.clock),
        closed_retention=timedelta(days=settings.closed_retention_days),
        outbox_retention=timedelta(days=settings.outbox_retention_days),
    )


def _systems_of(folder: Path) -> tuple[str, ...]:
    """The department systems of an ``onedoor up``: every service that is not a core one."""
    return tuple(name for name in chosen(None, DatabaseOptions("", folder)) if name not in CORE_SERVICES)


@dataclass(frozen=True, slots=True)
class Connections:
    """A connection to each database. ``unread_ledgers`` is as in `Targets`, plus the ledgers that cannot be reached."""

    services: Mapping[str, Connection]
    ledgers: Mapping[str, Connection]
    unread_ledgers: Mapping[str, str]


@asynccontextmanager
async def opened(targets: Targets) -> AsyncIterator[Connections]:
    """Read-only connections. Raises `Unreachable` if a service's database is; a ledger may be unreachable."""
    async with AsyncExitStack() as stack:
        services = {}
        for name, address in targets.services.items():
            try:
                services[name] = await stack.enter_async_context(_connection(address))
            except (OSError, asyncpg.PostgresError) as error:
                reason = unreachable(address, error)
                raise Unreachable(f"{name}: {reason.en}", reason.zh) from None
        ledgers, unread = {}, dict(targets.unread_ledgers)
        for system, ledger in targets.ledgers.items():
            try:
                connection = await stack.enter_async_context(_connection(ledger.address))
                await connection.fetchrow(ledger.statement(case_queries.LEDGER_COLUMNS))
                ledgers[system] = connection
            except (OSError, asyncpg.PostgresError) as error:
                unread[system] = str(unreachable(ledger.address, error))
        yield Connections(services, ledgers, unread)


@asynccontextmanager
async def _connection(address: str) -> AsyncIterator[Connection]:
    url = make_url(address)
    _, arguments = url.get_dialect()().create_connect_args(url)
    connection = await asyncpg.connect(
        **arguments,
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
