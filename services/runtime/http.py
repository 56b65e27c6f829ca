"""The HTTP server of a process that looks after its signals itself."""

from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn


class Server(uvicorn.Server):
    """A server that leaves the process's signals to the process: it stops when ``should_exit`` is set."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
