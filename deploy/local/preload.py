"""The modules that the fork server imports before its first fork."""

from collections.abc import Iterable, Iterator

from services import registry
from services.departments.sdk.declaration import module_of

_ALWAYS = (
    # uvicorn and SQLAlchemy import these by name, and only when they start.
    "uvicorn.loops.uvloop",
    "uvicorn.lifespan.on",
    "uvicorn.protocols.http.httptools_impl",
    "sqlalchemy.dialects.postgresql.asyncpg",
    "asyncpg",
    "alembic.command",
    "services.runtime.process",
    "services.runtime.store.tables",
    "services.start",
    "onedoor.cli",
)


def preload(systems: Iterable[str]) -> tuple[str, ...]:
    """The modules of the core services, and of the adapters and sandboxes of these systems."""
    return (*_ALWAYS, *(f"services.{name}.app" for name in registry.CORE_SERVICES), *_departments(systems))


def _departments(systems: Iterable[str]) -> Iterator[str]:
    for system in systems:
        declared = registry.department(system)
        yield from (module_of(declared.adapter), module_of(declared.settings))
        if declared.sandbox is not None:
            yield module_of(declared.sandbox.serve)
