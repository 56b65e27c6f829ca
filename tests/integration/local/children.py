"""Small processes for the tests of the supervisor. Each receives its arguments, like a command."""

import signal
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import FrameType


def obedient(arguments: list[str]) -> None:
    """Prints its name, and ends with status 0 on SIGTERM."""

    def end(number: int, frame: FrameType | None) -> None:
        sys.exit(0)

    signal.signal(signal.SIGTERM, end)
    print("obedient", *arguments, flush=True)
    while True:
        signal.pause()


def stubborn(arguments: list[str]) -> None:
    """Ignores SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("stubborn", flush=True)
    while True:
        signal.pause()


def failing(arguments: list[str]) -> None:
    """Fails at once."""
    sys.exit("no luck today")


class _Ready(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health/ready" else 404)
        self.end_headers()


def web(arguments: list[str]) -> None:
    """Answers on a port that it is ready."""
    HTTPServer(("127.0.0.1", int(arguments[0])), _Ready).serve_forever()
