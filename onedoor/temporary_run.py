"""Runs a demonstration or a replay: the platform in a temporary folder, with its progress on the terminal."""

import asyncio
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path

import httpx2
from rich.console import Console

from contracts.bilingual import BilingualError, both
from deploy.local.failure import PlatformFailed
from deploy.local.processes.child import Notify
from deploy.local.terminal import OutputClosed
from deploy.local.up import run_until_signal
from services.files import file_fault
from services.runtime.http.retry_after import retry_after_s

LONGEST_WAIT_S = 60.0
"""Machine seconds that a request waits for busy services altogether."""


class RunFailed(BilingualError):
    """The run did not come to its end. The message gives the reason."""


def run_in_temporary_folder(
    name: str, console: Console, work: Callable[[Path, Notify], Coroutine[None, None, None]]
) -> int:
    """Run the work with the folder and a function that prints its steps; gives the exit status.

    After a failure the folder stays, for its logs. An unexpected one is raised again. The run ends as well when nobody
    reads its output any more.
    """
    began = time.monotonic()

    def notify(text: str) -> None:
        console.print(f"{time.monotonic() - began:5.1f} s  {text}", markup=False, soft_wrap=True)

    folder = Path(tempfile.mkdtemp(prefix=f"onedoor-{name}-"))
    try:
        run_until_signal(work(folder, notify))
    except OutputClosed:
        shutil.rmtree(folder, ignore_errors=True)
        return 1
    except Exception as failure:
        reason = _reason(failure)
        logs = f"{both('The logs are in', '日志在')} {folder / 'logs'}"
        console.print(f"{reason}\n{logs}" if reason else logs, markup=False, soft_wrap=True)
        if not reason:
            raise
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    return 0


def _reason(failure: Exception) -> str:
    """Why the run has failed, in both languages; empty for an unexpected failure."""
    match failure:
        case RunFailed() | PlatformFailed():
            return str(failure)
        case httpx2.HTTPError():
            kind = type(failure).__name__
            return both(
                f"a service did not answer ({kind}); its log tells why", f"有服务没有应答（{kind}），原因见其日志"
            )
        case OSError():
            return file_fault(failure)
        case _:
            return ""


class WaitingTransport(httpx2.AsyncHTTPTransport):
    """Sends a request again after the time that a busy service names. All requests of a run are safe to repeat."""

    sleep = staticmethod(asyncio.sleep)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        left_s = LONGEST_WAIT_S
        while True:
            response = await super().handle_async_request(request)
            wait_s = retry_after_s(response.status_code, response.headers)
            if not 0 < wait_s <= left_s:
                return response
            left_s -= wait_s
            await response.aclose()
            await self.sleep(wait_s)


def local_client(timeout_s: float, auth: httpx2.Auth | None = None) -> httpx2.AsyncClient:
    """A client of the services of the run. They are on this machine, so it uses no proxy."""
    transport = WaitingTransport(trust_env=False)
    return httpx2.AsyncClient(timeout=timeout_s, transport=transport, trust_env=False, auth=auth)


def write_json(file: Path, result: object) -> None:
    """Write a result for other programs."""
    file.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
