"""The front as a server on a port of its own, before an issuer and a service, with a clock that a test moves."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from socket import AF_INET, SOCK_STREAM, socket
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from services.front.app import front_of
from services.front.core.routes import Backend
from services.front.jobs.sessions import Sessions
from services.front.settings import FrontSettings
from services.front.web.front import Front
from services.runtime.failures import Failures
from services.runtime.http.connections.server import http_server
from services.runtime.security.access_tokens import AccessToken, TokenVerifier
from tests.support.front.upstream import Upstream, upstream
from tests.support.identity.browser import Answer, Browser
from tests.support.identity.issuing import PASSWORD, Issuing, MovedClock, issuing
from tests.support.waiting import eventually

SECRET = "the-secret-of-the-pages"

PROGRAMS = """
clients:
  - client_id: pages
    name: Pages of onedoor
    name_zh: 一门通页面
    secret_sha256: {hash}
    grants: [authorization_code]
    redirect_uris: ["{address}/session/back"]
    logout_uris: ["{address}/session/ended"]
    scopes: [openid]
  - client_id: wall
    name: Wall displays
    name_zh: 大屏
    secret_sha256: {hash}
    grants: [client_credentials]
    scopes: [wall]
"""


@dataclass
class Replica:
    """A process of the front."""

    front: Front
    url: str

    @property
    def sessions(self) -> Sessions:
        return self.front.sessions


@dataclass
class Fronting:
    """A running front, with its issuer and the service ``monitor``."""

    url: str
    settings: FrontSettings
    issuing: Issuing
    clock: MovedClock
    monitor: Upstream
    replicas: list[Replica]
    without_issuer: Callable[[], AbstractAsyncContextManager[None]]
    """Stops the issuer's process for the duration of the body."""

    async def log_in(self, browser: Browser, path: str = "/board", person_id: str = "wang-fang") -> Answer:
        """Log in from a page to which a login is needed. Returns the answer that leads back to it."""
        return await follow(browser, await browser.get(path), person_id)

    async def access_token(self, browser: Browser) -> AccessToken:
        """What the token says with which a page is asked for now."""
        assert (await browser.get("/board")).status == 200
        token = self.monitor.latest.subject
        assert token is not None
        return await TokenVerifier(self.issuing.url, "onedoor", self.clock).verify(token)


async def to_the_front(
    browser: Browser, answer: Answer, person_id: str = "wang-fang", password: str = PASSWORD
) -> Answer:
    """Follow a login from the redirect to it until the issuer leads back to the front."""
    while answer.status == 303 and urlsplit(answer.location).path != "/session/back":
        if urlsplit(answer.location).path == "/login":
            answer = await browser.log_in(person_id, password, answer.location)
        else:
            answer = await browser.get(answer.location)
    assert answer.status == 303, answer.text
    return answer


async def follow(browser: Browser, answer: Answer, person_id: str = "wang-fang", password: str = PASSWORD) -> Answer:
    """Follow a login from the redirect to it until the answer that leads back to a page."""
    back = await to_the_front(browser, answer, person_id, password)
    return await browser.get(back.location)


@asynccontextmanager
async def fronting(
    database: str,
    issuer_database: str,
    folder: Path,
    *,
    replicas: int = 1,
    outside: bool = False,
    port: int = 0,
    upstream_limits: dict[str, float] | None = None,
    **settings: Any,
) -> AsyncIterator[Fronting]:
    """A front that serves until the end. ``outside``: the issuer has its own address. ``port``: that of the front,
    any if 0."""
    async with AsyncExitStack() as stack:
        listening = [stack.enter_context(socket(AF_INET, SOCK_STREAM)) for _ in range(replicas)]
        for number, one in enumerate(listening):
            one.bind(("127.0.0.1", port + number if port else 0))
        url = f"http://localhost:{listening[0].getsockname()[1]}"
        clock = MovedClock()
        programs = PROGRAMS.format(hash=hashlib.sha256(SECRET.encode()).hexdigest(), address=url)
        begin = partial(issuing, issuer_database, folder, programs, None if outside else url, clock)
        issuing_stack = await stack.enter_async_context(AsyncExitStack())
        issuer = await issuing_stack.enter_async_context(begin())

        @asynccontextmanager
        async def without_issuer() -> AsyncIterator[None]:
            await issuing_stack.aclose()
            yield
            await issuing_stack.enter_async_context(begin(port=urlsplit(issuer.process).port or 0))

        monitor = await stack.enter_async_context(upstream())
        backend = Backend(addresses=(monitor.address,), pages=("board", "alerts"), public=("published",))
        given: dict[str, Any] = {
            "address": url,
            "issuer": issuer.url,
            "client_secret": SecretStr(SECRET),
            "issuer_addresses": () if outside else (issuer.process,),
            "services": {"monitor": backend},
            "database": database,
            "secret_key": SecretStr("f" * 32),
            "walls": {"wall": SecretStr(SECRET)},
        }
        chosen = FrontSettings(**(given | settings))
        running = []
        for one in listening:
            front, _ = await stack.enter_async_context(front_of(chosen, Failures(), clock, **(upstream_limits or {})))
            await stack.enter_async_context(_served(front, one, chosen))
            running.append(Replica(front, f"http://localhost:{one.getsockname()[1]}"))
        await issuer.with_password("wang-fang")
        yield Fronting(url, chosen, issuer, clock, monitor, running, without_issuer)


@asynccontextmanager
async def _served(front: Front, listening: socket, settings: FrontSettings) -> AsyncIterator[None]:
    server = http_server(front, "127.0.0.1", listening.getsockname()[1], settings)
    serving = asyncio.create_task(server.serve(sockets=[listening]))

    async def started() -> bool:
        return server.started

    await eventually(started)
    try:
        yield
    finally:
        server.should_exit = True
        await serving
