"""Ports, secrets, keys and folders of the processes on this machine, kept so that they are the same after a restart."""

import secrets
from collections.abc import Callable
from pathlib import Path

from deploy.local.processes import HOST, kept_port, secret


class Site:
    """Implements `LocalSite` in one folder. ``database_url`` gives the address of the database of a name."""

    host = HOST

    def __init__(self, folder: Path, database_url: Callable[[str], str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._ports: dict[str, int] = {}
        self.database_url = database_url

    def port(self, name: str) -> int:
        if name not in self._ports:
            self._ports[name] = kept_port(self._folder / f"{name}.port")
        return self._ports[name]

    def secret(self, name: str) -> str:
        return secret(self._folder / name, lambda: secrets.token_urlsafe(32))

    def ssh_key(self, name: str) -> Path:
        key = self._folder / name
        if not key.exists():
            from services.departments.sdk.ssh_keys import ensure_key  # imports asyncssh: half a second, once

            ensure_key(key)
        return key

    def folder(self, name: str) -> Path:
        folder = self._folder / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder
