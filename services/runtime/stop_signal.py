"""The signals that ask a process to stop."""

import asyncio
import signal as signals


def stop_signal() -> asyncio.Event:
    """An event that is set when the process receives SIGTERM or SIGINT. Call it in the event loop."""
    stop = asyncio.Event()
    for number in (signals.SIGTERM, signals.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop
