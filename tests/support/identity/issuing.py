"""The issuer as a server on a port of its own, with a clock that a test moves."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from socket import AF_INET, SO_REUSEADDR, SOCK_STREAM, SOL_SOCKET, socket
from typing import Any

from argon2 import PasswordHasher
from sqlalchemy import Connection

from services.identity.app import application
from services.identity.jobs.passwords import Passwords
from services.identity.jobs.signing import Signing
from services.identity.settings import IdentitySettings, read_clients
from services.identity.store import people, record
from services.identity.store.record import Entry
from services.identity.web.issuer import Issuer
from services.runtime.clock import machine_now
from services.runtime.http.connections.server import http_server
from services.runtime.store.database import open_database
from tests.support.waiting import eventually

PAGES_BACK = "http://127.0.0.1:9/login/back"
PAGES_AFTER = "http://127.0.0.1:9/after"
PROGRAM_SECRET = "the-secret-of-the-importing-system"
PASSWORD = "seven lamps on the river"

CLIENTS = f"""
clients:
  - client_id: pages
    name: Pages of onedoor
    name_zh: 一门通页面
    grants: [authorization_code]
    redirect_uris: ["{PAGES_BACK}"]
    logout_uris: ["{PAGES_AFTER}"]
    scopes: [openid, cases]
  - client_id: other
    name: Other pages
    name_zh: 其他页面
    grants: [authorization_code]
    redirect_uris: ["http://127.0.0.1:9/other"]
    scopes: [openid]
  - client_id: command-line
    name: Command line
    name_zh: 命令行
    grants: [device_code]
    scopes: [openid, operate]
  - client_id: importing
    name: Importing system
    name_zh: 导入系统
    secret_sha256: {hashlib.sha256(PROGRAM_SECRET.encode()).hexdigest()}
    grants: [client_credentials]
    scopes: [import, read]
"""


class MovedClock:
    """The moment at which the test began, and what it has added to it."""

    def __init__(self) -> None:
        self._began = machine_now()
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return self._began + self.ahead


class Issuing:
    """A running issuer and its database."""

    def __init__(self, issuer: Issuer, clock: MovedClock, process: str) -> None:
        self.issuer = issuer
        self.clock = clock
        self.url = issuer.url
        self.process = process
        """The address of the process itself."""

    async def enrolment(self, person_id: str, name: str = "王芳") -> str:
        """The code of a new link of enrolment for this person, whose account is made if there is none."""
        code = f"code-of-{person_id}-{self.clock().timestamp()}"

        def work(connection: Connection) -> None:
            people.add(connection, person_id, name, self.clock())
            people.open_enrolment(connection, person_id, code, self.clock())

        await self.issuer.run(work)
        return code

    async def with_password(self, person_id: str, name: str = "王芳") -> None:
        """An account with the password `PASSWORD`."""
        password_hash = await self.issuer.passwords.hashed(PASSWORD)

        def work(connection: Connection) -> None:
            people.add(connection, person_id, name, self.clock())
            people.set_password(connection, person_id, password_hash)

        await self.issuer.run(work)

    async def recorded(self) -> list[Entry]:
        """The record, newest first."""
        return await self.issuer.run(lambda connection: record.entries(connection, 100))


@asynccontextmanager
async def issuing(
    database_url: str,
    folder: Path,
    programs: str = CLIENTS,
    url: str | None = None,
    clock: MovedClock | None = None,
    port: int = 0,
    **own: Any,
) -> AsyncIterator[Issuing]:
    """An issuer that serves until the end, with these settings of its own. Its hashes of passwords are cheap.

    ``url`` is its address where people reach it behind another server.
    """
    clients = folder / "clients.yaml"
    clients.write_text(programs, encoding="utf-8")
    with socket(AF_INET, SOCK_STREAM) as listening:
        listening.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port))
        port = listening.getsockname()[1]
        settings = IdentitySettings(
            issuer=url or f"http://localhost:{port}",
            database=database_url,
            secret_key="k" * 32,
            clients=clients,
            **own,
        )
        clock = clock or MovedClock()
        issuer = Issuer(
            settings,
            read_clients(clients),
            open_database(database_url, "onedoor test", 10),
            Signing(settings.secret_key),
            Passwords(PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)),
            clock,
        )
        server = http_server(application(issuer), settings.host, settings.port, settings)
        serving = asyncio.create_task(server.serve(sockets=[listening]))

        async def started() -> bool:
            return server.started

        await eventually(started)
        try:
            yield Issuing(issuer, clock, f"http://127.0.0.1:{port}")
        finally:
            server.should_exit = True
            await serving
            await issuer.database.dispose()
