"""Monitor's HTTP API, as an operator's command calls it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2

from services.operator.options import stop
from services.runtime.security.encryption import encrypted_url, is_loopback

TOKEN = "ONEDOOR_API_TOKEN"  # noqa: S105 - the name of a variable
TIMEOUT_S = 30.0


class MonitorApi:
    """Calls monitor. A refusal ends the command with monitor's own words."""

    def __init__(self, address: str, token: str | None) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        # Calls to this machine use no proxy.
        trust_env = not is_loopback(urlsplit(address).hostname or "")
        self._client = httpx2.Client(base_url=address, headers=headers, timeout=TIMEOUT_S, trust_env=trust_env)

    def get(self, path: str, query: Mapping[str, Any]) -> Any:
        """The answer to a query. Raises `typer.Exit`."""
        return self._call("GET", path, params=dict(query))

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """The answer to an action. Raises `typer.Exit`."""
        return self._call("POST", path, json=dict(body))

    def _call(self, method: str, path: str, **content: Any) -> Any:
        try:
            answer = self._client.request(method, path, **content)
        except httpx2.HTTPError as error:
            raise stop(f"monitor at {self._client.base_url} does not answer ({type(error).__name__})") from None
        if answer.is_success:
            return answer.json()
        raise stop(f"monitor refused it ({answer.status_code}): {_reason(answer)}")


def monitor_api(address: str, folder: Path | None) -> MonitorApi:
    """Monitor at this address, or that of the ``onedoor up`` in this folder. Raises `typer.Exit`."""
    if address and folder is None:
        try:
            return MonitorApi(encrypted_url(address), os.environ.get(TOKEN))
        except ValueError as wrong:
            raise stop(f"--monitor: {wrong}") from None
    addresses = (folder or Path("data")) / "addresses"
    try:
        port = int((addresses / "monitor.port").read_text())
    except (OSError, ValueError):
        raise stop(
            f"{addresses.parent} is no folder of 'onedoor up': name its folder with --folder, or monitor with --monitor"
        ) from None
    kept = addresses / "api-token"
    token = os.environ.get(TOKEN) or (kept.read_text() if kept.exists() else None)
    return MonitorApi(f"http://127.0.0.1:{port}", token)


def _reason(answer: httpx2.Response) -> str:
    """The reasons of a problem document (RFC 9457), in one line."""
    try:
        problem = answer.json()
        faults = [f"{fault['field']}: {fault['message']}" for fault in problem.get("errors", ())]
        return "; ".join([*filter(None, (problem["title"], problem.get("detail"))), *faults])
    except (ValueError, KeyError, TypeError, AttributeError):
        return answer.text[:500]
