"""The HTTP server of a process, on a port of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.types import ASGIApp

from services.runtime.http.connections.server import Server
from tests.support.waiting import eventually


@asynccontextmanager
async def http_server(app: ASGIApp) -> AsyncIterator[tuple[Server, str]]:
    """Serve this application; gives the server and its address. It is stopped in order at the end."""
    config = uvicorn.Config(app, port=0, log_config=None, lifespan="off", timeout_graceful_shutdown=5)
    server = Server(config)
    serving = asyncio.create_task(server.serve())

    async def started() -> bool:
        return server.started

    await eventually(started)
    try:
        yield server, f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving
