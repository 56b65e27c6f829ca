"""The HTTP servers of a process: uvicorn with connections that no client can hold up."""

import asyncio
import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from services.runtime import telemetry
from services.runtime.http.connections.connection import IDLE_S, MAX_CONNECTIONS, Connection, SharedState, TimeLimits
from services.runtime.settings import HttpSettings

OTHER_FILES = 256
"""Open files of a process besides connections from clients: to Kafka, to PostgreSQL, on disk."""

log = telemetry.logger(__name__)


class Server(uvicorn.Server):
    """A server that leaves signals to the process and stops when ``should_exit`` is set."""

    def __init__(self, config: uvicorn.Config, limits: TimeLimits = TimeLimits()) -> None:
        super().__init__(config)
        config.http = Connection
        config.ws = "none"
        config.timeout_keep_alive = int(IDLE_S)
        config.limit_concurrency = 2 * MAX_CONNECTIONS  # counts requests under way as well, whose clients may have left
        self.server_state: SharedState = SharedState(limits)
        self.listening = asyncio.Event()
        """Set when clients can connect."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: Any = None) -> None:
        self.server_state.max_connections = _connections_allowed()
        await super().startup(sockets)
        self.listening.set()

    async def on_tick(self, counter: int) -> bool:
        if counter % 10 == 0:  # ten ticks are a second
            now = asyncio.get_running_loop().time()
            for connection in [one for one in self.server_state.connections if one.deadline < now]:  # type: ignore[union-attr]
                connection.expire()  # type: ignore[union-attr]
        return await super().on_tick(counter)


@asynccontextmanager
async def serving(
    public: ASGIApp, operator: ASGIApp, settings: HttpSettings
) -> AsyncIterator[set["asyncio.Task[None]"]]:
    """Serve two applications, each on its port; gives what ends if a server does.

    The operator's port opens when clients can connect to the public one, and closes after it.
    """
    servers = (
        http_server(public, settings.host, settings.port, settings),
        http_server(operator, settings.operator_host, settings.operator_port, settings),
    )
    tasks: list[asyncio.Task[None]] = []
    try:
        for server in servers:
            tasks.append(asyncio.create_task(server.serve()))
            listening = asyncio.create_task(server.listening.wait())
            await asyncio.wait({tasks[-1], listening}, return_when=asyncio.FIRST_COMPLETED)
            listening.cancel()
        yield set(tasks)
    finally:
        for server, task in zip(servers, tasks, strict=False):  # fewer tasks, if a server could not start
            server.should_exit = True
            await task


def http_server(app: ASGIApp, host: str, port: int, settings: HttpSettings) -> Server:
    """The server of an application. It has no log of its own, and starts and stops with the process."""
    return Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=5,
            server_header=False,
            forwarded_allow_ips=list(settings.trusted_proxies),
        ),
        TimeLimits(settings.http_head_s, settings.http_transfer_s),
    )


def _connections_allowed() -> int:
    """The number of connections that this process may open, after raising its limit of open files if necessary."""
    wanted = MAX_CONNECTIONS + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return MAX_CONNECTIONS
    allowed = max(1, soft - OTHER_FILES)
    log.warning("few open files allowed; accepting fewer connections", files=soft, connections=allowed)
    return allowed
