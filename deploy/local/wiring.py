"""Which processes make up onedoor on one machine, and what each is told by its environment."""

import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.processes import HOST, kept_port, secret
from deploy.local.supervisor import Specification
from services.operator.addresses import Addresses

CORE_SERVICES = ("intake", "routing", "monitor")
SYSTEMS = ("tax", "commerce", "land")
RECORDED = "recorded"
"""The department of a replay: it answers what is on record."""

PRELOAD = (
    # What uvicorn and SQLAlchemy import only when they start, by name.
    "uvicorn.loops.uvloop",
    "uvicorn.lifespan.on",
    "uvicorn.protocols.http.httptools_impl",
    "sqlalchemy.dialects.postgresql.asyncpg",
    "asyncpg",
    "alembic.command",
    "services.runtime.process",
    "services.runtime.store.tables",
    *(f"services.{name}.app" for name in CORE_SERVICES),
    *(f"services.departments.{name}.app" for name in (*SYSTEMS, RECORDED)),
    *(f"services.departments.{name}.sandbox" for name in SYSTEMS),
    "onedoor.cli",
)
"""Modules that the zygote imports before the first fork."""

Environment = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Options:
    """How onedoor is to run on this machine.

    ``clock`` is ``system`` or the path of a clock file. ``replicas`` says how many processes a service has, if not
    one. ``extra`` adds environment variables to the service of that name (``intake``) or sandbox
    (``sandbox-tax``); under the name ``*``, to all.
    """

    clock: str = "system"
    systems: tuple[str, ...] = SYSTEMS
    replicas: Mapping[str, int] = field(default_factory=dict)
    brokers: int = 1
    """Nodes of Kafka, 1 or 3. Of three, any one may be lost."""
    sandboxes: bool = True
    """Whether stand-ins take the place of the departments' own systems."""
    extra: Mapping[str, Environment] = field(default_factory=dict)
    throwaway: bool = False
    """Whether the folder is deleted afterwards, so that nothing need be put in order at the end."""

    @property
    def services(self) -> tuple[str, ...]:
        """The services that run: the core ones, and an adapter a system."""
        return (*CORE_SERVICES, *self.systems)


class Wiring:
    """Addresses, secrets and environments, kept in the folder so that they are the same after a restart.

    ``database_url`` gives the address of the database of that name.
    """

    def __init__(self, folder: Path, kafka: str, database_url: Callable[[str], str], options: Options) -> None:
        self._folder = folder / "addresses"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._kafka = kafka
        self._database_url = database_url
        self._options = options
        self._ports: dict[str, int] = {}

    @staticmethod
    def databases(options: Options) -> tuple[str, ...]:
        """The databases there must be: one a service, one an office of a department."""
        offices = options.systems if options.sandboxes else ()
        return (*(f"onedoor_{name}" for name in options.services), *(f"office_{name}" for name in offices))

    def addresses(self) -> Addresses:
        """Where operators' commands find these databases."""
        return Addresses(
            services={name: self._database_url(f"onedoor_{name}") for name in self._options.services},
            ledgers={
                system: self._database_url(f"office_{system}")
                for system in (self._options.systems if self._options.sandboxes else ())
            },
        )

    def migrations(self) -> list[Specification]:
        """One-time tasks that bring the services' databases up to date."""
        return [
            Specification(f"migrate-{name}", ("migrate", name), self._environment(name, self._service(name)))
            for name in self._options.services
        ]

    def services(self) -> list[Specification]:
        """The services, each as often as it is wanted."""
        wanted = ((name, replica) for name in self._options.services for replica in range(1, self._replicas(name) + 1))
        return [self._replica(name, replica) for name, replica in wanted]

    def sandboxes(self) -> list[Specification]:
        """The stand-ins for the departments' own systems."""
        if not self._options.sandboxes:
            return []
        return [
            Specification(
                f"sandbox-{system}", ("sandbox", system), self._environment(f"sandbox-{system}", self._sandbox(system))
            )
            for system in self._options.systems
            if system in SYSTEMS
        ]

    def _replicas(self, name: str) -> int:
        return self._options.replicas.get(name, 1)

    def _replica(self, name: str, replica: int) -> Specification:
        process = name if replica == 1 else f"{name}-{replica}"
        port = self._port(process)
        own = {**self._service(name), "ONEDOOR_REPLICA": str(replica), "ONEDOOR_PORT": str(port)}
        return Specification(process, ("serve", name), self._environment(name, own), port)

    def _service(self, name: str) -> Environment:
        return {
            "ONEDOOR_SERVICE": name,
            "ONEDOOR_KAFKA": self._kafka,
            "ONEDOOR_DATABASE": self._database_url(f"onedoor_{name}"),
            # Enough for four replicas of a service; each more costs every consumer with every fetch.
            "ONEDOOR_PARTITIONS": "4",
            "ONEDOOR_REPLICATION": str(self._options.brokers),
            "ONEDOOR_HOST": HOST,
            "ONEDOOR_CLOCK": self._options.clock,
            "ONEDOOR_SECRET_KEY": self._secret("secret-key"),
            "ONEDOOR_SYSTEMS": ",".join(self._options.systems),
            **(self._adapter(name) if self._options.sandboxes else {}),
        }

    def _adapter(self, name: str) -> Environment:
        """Where an adapter finds the stand-in; a real department's system is named by the caller's environment."""
        match name:
            case "tax":
                return {
                    "ONEDOOR_TAX_URL": f"http://{HOST}:{self._port('sandbox-tax')}",
                    "ONEDOOR_TAX_CLIENT_SECRET": self._secret("tax-client-secret"),
                }
            case "commerce":
                return {"ONEDOOR_COMMERCE_EXCHANGE": self._database_url("office_commerce")}
            case "land":
                return {
                    "ONEDOOR_LAND_HOST": HOST,
                    "ONEDOOR_LAND_PORT": str(self._port("sandbox-land")),
                    "ONEDOOR_LAND_KEY": str(self._key("land-key")),
                    "ONEDOOR_LAND_HOST_KEY": f"{self._key('sandbox-land/host_key')}.pub",
                }
            case "recorded":
                return {"ONEDOOR_RECORDED_BOOK": self._database_url("office_recorded")}
            case _:
                return {}

    def _sandbox(self, system: str) -> Environment:
        office = {
            "ONEDOOR_SANDBOX_DATABASE": self._database_url(f"office_{system}"),
            "ONEDOOR_SANDBOX_CLOCK": self._options.clock,
        }
        match system:
            case "tax":
                own = {
                    "ONEDOOR_SANDBOX_PORT": str(self._port("sandbox-tax")),
                    "ONEDOOR_SANDBOX_CLIENT_SECRET": self._secret("tax-client-secret"),
                }
            case "commerce":
                own = {"ONEDOOR_SANDBOX_EXCHANGE": self._database_url("office_commerce")}
            case "land":
                own = {
                    "ONEDOOR_SANDBOX_PORT": str(self._port("sandbox-land")),
                    "ONEDOOR_SANDBOX_AUTHORIZED_KEY": f"{self._key('land-key')}.pub",
                    "ONEDOOR_SANDBOX_FOLDER": str(self._key("sandbox-land/host_key").parent),
                }
            case _:
                raise ValueError(f"no stand-in for {system}")
        return {**office, **own}

    def _environment(self, name: str, own: Environment) -> Environment:
        extra = self._options.extra
        return {**os.environ, **own, **extra.get("*", {}), **extra.get(name, {})}

    def _port(self, name: str) -> int:
        if name not in self._ports:
            self._ports[name] = kept_port(self._folder / f"{name}.port")
        return self._ports[name]

    def _key(self, name: str) -> Path:
        """An SSH key pair; the public part is beside it, with the ending ``.pub``."""
        key = self._folder / name
        if not key.exists():
            from services.departments.land.keys import ensure_key  # costs half a second, the first time only

            ensure_key(key)
        return key

    def _secret(self, name: str) -> str:
        return secret(self._folder / name, lambda: secrets.token_urlsafe(32))
