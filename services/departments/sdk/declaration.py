"""The declaration of a department: everything the platform must know to run its adapter.

A department is an installed package with an entry point of the group `GROUP`, named by its system code, that leads to
a `Department`. Declarations are read by every command, so a declaration imports nothing but this module: whatever
costs time to import is named by a reference (``package.module:name``) and imported when it is used.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

GROUP = "onedoor.departments"
"""The entry point group of departments."""

Environment = Mapping[str, str]
"""Environment variables."""

Reference = str
"""An object to import, as entry points name it: ``package.module:name``."""


class LocalSite(Protocol):
    """The machine on which `onedoor up` runs everything, as a declaration may use it.

    The same name gives the same answer, also after a restart. Names are shared by all departments: begin each with
    the system's code.
    """

    @property
    def host(self) -> str:
        """The address on which everything listens."""

    def port(self, name: str) -> int:
        """A free TCP port."""

    def secret(self, name: str) -> str:
        """A random secret of 43 characters."""

    def ssh_key(self, name: str) -> Path:
        """The file of a private Ed25519 key; the public key is beside it, with the ending ``.pub``."""

    def folder(self, name: str) -> Path:
        """A folder."""

    def database_url(self, name: str) -> str:
        """The address of a PostgreSQL database. It exists if it is that of a department's `Ledger`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """The department's own record of its cases, as the audit reads it from the local sandbox."""

    database: str
    """Name of the local database."""
    query: Reference
    """The SQL query: it gives task_id, number, outcome ('approved' or 'refused'), received_at and decided_at of each
    case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """Simulates the department's own system. ``onedoor sandbox <system>`` starts it."""

    settings: Reference
    """Its settings, a subclass of `services.departments.sandbox.settings.SandboxSettings`."""
    running: Reference
    """An asynchronous context manager that takes the settings and the clock. The sandbox works inside it."""
    environment: Callable[[LocalSite], Environment]
    """Its settings on a local site. The ledger's database and the clock are set by the platform."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Department:
    """One department system and its adapter."""

    system: str
    """The system's code: in topics, in the catalogue, as the name of its service. 32 characters at most."""
    name_zh: str
    name_en: str
    adapter: Reference
    """The adapter: a callable that takes the settings and the clock and gives an `Adapter`."""
    settings: Reference
    """The adapter's settings, a subclass of `services.departments.sdk.settings.AdapterSettings`."""
    environment: Callable[[LocalSite], Environment]
    """The adapter's settings on a local site, where the sandbox takes the place of the department's system."""
    sandbox: Sandbox | None = None
    ledger: Ledger | None = None
    default: bool = True
    """Whether ``onedoor up`` runs the department unless other systems are named."""


def sandbox_ledger(system: str) -> Ledger:
    """The ledger of a sandbox that is built on `services.departments.sandbox.backend.SandboxBackend`."""
    return Ledger(database=f"sandbox_{system}", query="services.departments.sandbox.store:AUDITED")


def resolve(reference: Reference) -> Any:
    """The object that a reference names. Raises `ImportError` or `AttributeError`."""
    module, _, name = reference.partition(":")
    return getattr(import_module(module), name)


def module_of(reference: Reference) -> str:
    """The module that a reference names."""
    return reference.partition(":")[0]
