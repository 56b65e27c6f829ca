"""The issuer as a server on a port of its own, with a clock that a test moves."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from socket import AF_INET, SO_REUSEADDR, SOCK_STREAM, SOL_SOCKET, socket
from typing import Any

from argon2 import PasswordHasher
from pydantic import SecretStr
from sqlalchemy import Connection

from services.identity.app import issuer_of
from services.identity.core.clients import Clients
from services.identity.jobs.passwords import Passwords
from services.identity.jobs.signing import Signing
from services.identity.settings import IdentitySettings
from services.identity.store import enrolments, people, record
from services.identity.store.record import Entry
from services.identity.web.issuer import Issuer
from services.identity.web.routes import applications
from services.runtime.clock import machine_now
from services.runtime.failures import Failures
from services.runtime.files.document import read_document
from services.runtime.http.connections.server import http_server
from services.runtime.security.access import Access
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


def issuer_without_database(access: Access) -> Issuer:
    """An issuer that can be asked by those who have the right, and has nothing to answer with."""
    url = "postgresql+asyncpg://127.0.0.1:1/none"
    settings = IdentitySettings.model_construct(
        issuer="https://login.example.gov.cn",
        secret_key=SecretStr("k" * 32),
        tokens_a_minute=0,
        devices_a_minute=0,
        login_pages_a_minute=0,
    )
    clients = read_document(Clients, CLIENTS.encode())
    signing = Signing(SecretStr("k" * 32))
    return Issuer(settings, clients, open_database(url, "none", 2), signing, _cheap(), machine_now, access)


def _cheap() -> Passwords:
    """Passwords whose hashes cost little."""
    return Passwords(PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))


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
            enrolments.open_with(connection, person_id, code, self.clock())

        await self.issuer.run(work)
        return code

    async def with_password(self, person_id: str, name: str = "王芳") -> None:
        """An account with the password `PASSWORD`."""
        password_hash = await self.issuer.passwords.hashed(PASSWORD)

        def work(connection: Connection) -> None:
            if not people.add(connection, person_id, name, self.clock()):
                people.give_name(connection, person_id, name)
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
    async with AsyncExitStack() as stack:
        listening = stack.enter_context(socket(AF_INET, SOCK_STREAM))
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
        issuer = await stack.enter_async_context(issuer_of(settings, Failures(), clock, _cheap()))
        server = http_server(applications(issuer).public, settings.host, settings.port, settings)
        serving = asyncio.create_task(server.serve(sockets=[listening]))

        async def started() -> bool:
            return server.started

        await eventually(started)
        try:
            yield Issuing(issuer, clock, f"http://127.0.0.1:{port}")
        finally:
            server.should_exit = True
            await serving
