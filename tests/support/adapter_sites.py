"""The shipped adapters, each with its sandbox: a real server of its kind."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from services.departments.commerce import sandbox as commerce
from services.departments.commerce.adapter import CommerceAdapter
from services.departments.commerce.settings import CommerceSettings
from services.departments.conformance.suite import START
from services.departments.land import sandbox as land
from services.departments.land.adapter import LandAdapter
from services.departments.land.settings import LandSettings
from services.departments.sandbox.behaviour import Behaviour
from services.departments.sandbox.ledger import LedgerEntry
from services.departments.sandbox.store import Ledger
from services.departments.sdk.adapter import Adapter
from services.departments.sdk.ssh_keys import ensure_key
from services.departments.tax import sandbox as tax
from services.departments.tax.adapter import TaxAdapter
from services.departments.tax.settings import TaxSettings
from services.runtime.clock import FileClock

SECRET = "a secret of the tests"


class BaseSite:
    """The common part of all sites. Use as an asynchronous context manager."""

    adapter: Adapter
    name: str

    def __init__(self, database: str, folder: Path) -> None:
        self.database = database
        self.folder = folder
        self.clock = FileClock.create(folder / "clock", START, speed=0)
        self.away_from: datetime | None = None
        self.poll_s = 0.01
        self._port = 0
        """The port of the system, kept when it starts again."""
        self._behaviour = Behaviour()
        self._system = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self.start()
        await self.adapter.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.adapter.close()
        await self.stop()

    async def set_behaviour(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        await self.stop()
        await self.start()

    async def stop(self) -> None:
        await self._system.aclose()

    async def start(self) -> None:
        raise NotImplementedError

    def set_clock(self, at: datetime) -> None:
        self.clock.set(at, 0)

    async def ledger(self) -> Mapping[str, LedgerEntry]:
        engine = create_async_engine(self.database, poolclass=NullPool)
        return await Ledger(engine, self.name, "").entries()

    def sandbox_settings(self) -> dict[str, Any]:
        return {
            "database": self.database,
            "poll_s": self.poll_s,
            "away_from": self.away_from,
            **asdict(self._behaviour),
        }


class TaxSite(BaseSite):
    name = "tax"
    url: str

    async def start(self) -> None:
        settings = tax.TaxSandboxSettings(
            **self.sandbox_settings(), port=self._port, client_secret=SECRET, no_answer_s=3
        )
        self.url = await self._system.enter_async_context(tax.running(settings, self.clock))
        if not self._port:
            self._port = int(self.url.rpartition(":")[2])
            self.adapter = TaxAdapter(TaxSettings(url=self.url, client_secret=SECRET, timeout_s=1.5), self.clock)


class CommerceSite(BaseSite):
    """The exchange tables are in the ledger's database. Stopping the system makes the database unavailable too."""

    name = "commerce"

    def __init__(self, database: str, folder: Path) -> None:
        super().__init__(database, folder)
        settings = CommerceSettings(exchange=database, timeout_s=5, wait_s=0.5)
        self.adapter = CommerceAdapter(settings, self.clock)

    async def start(self) -> None:
        await self._admit(allowed=True)
        settings = commerce.CommerceSandboxSettings(**self.sandbox_settings(), exchange=self.database)
        await self._system.enter_async_context(commerce.running(settings, self.clock))

    async def stop(self) -> None:
        await super().stop()
        await self._admit(allowed=False)

    async def __aexit__(self, *_: object) -> None:
        await super().__aexit__()
        await self._admit(allowed=True)

    async def _admit(self, *, allowed: bool) -> None:
        url = make_url(self.database)
        engine = create_async_engine(url.set(database="postgres"), poolclass=NullPool, isolation_level="AUTOCOMMIT")
        async with engine.connect() as connection:
            await connection.execute(text(f'ALTER DATABASE "{url.database}" ALLOW_CONNECTIONS {allowed}'))
            if not allowed:
                statement = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
                await connection.execute(text(statement), {"name": url.database})


class LandSite(BaseSite):
    name = "land"

    def __init__(self, database: str, folder: Path) -> None:
        super().__init__(database, folder)
        self.key = folder / "client_key"
        self.public_key = ensure_key(self.key)

    async def start(self) -> None:
        settings = land.LandSandboxSettings(
            **self.sandbox_settings(), port=self._port, authorized_key=self.public_key, folder=self.folder / "land"
        )
        port = await self._system.enter_async_context(land.running(settings, self.clock))
        if not self._port:
            self._port = port
            self.adapter = LandAdapter(self.settings(), self.clock)

    def settings(self, **others: Any) -> LandSettings:
        values: dict[str, Any] = {
            "port": self._port,
            "key": self.key,
            "host_key": self.folder / "land" / "host_key.pub",
            "timeout_s": 5,
            "wait_s": 0.5,
        }
        return LandSettings(**values | others)


SITES: tuple[type[BaseSite], ...] = (TaxSite, CommerceSite, LandSite)
