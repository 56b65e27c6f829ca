"""Small processes for the supervisor's tests. Each is given its arguments, like a command."""

import signal
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import FrameType


def obedient(arguments: list[str]) -> None:
    """Says its name, and leaves with status 0 when it is asked to."""

    def leave(number: int, frame: FrameType | None) -> None:
        sys.exit(0)

    signal.signal(signal.SIGTERM, leave)
    print("obedient", *arguments, flush=True)
    while True:
        signal.pause()


def stubborn(arguments: list[str]) -> None:
    """Does not leave when it is asked to."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("stubborn", flush=True)
    while True:
        signal.pause()


def failing(arguments: list[str]) -> None:
    """Ends at once."""
    sys.exit("no luck today")


class _Ready(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health/ready" else 404)
        self.end_headers()


def web(arguments: list[str]) -> None:
    """Is ready, on the port it is given."""
    HTTPServer(("127.0.0.1", int(arguments[0])), _Ready).serve_forever()
