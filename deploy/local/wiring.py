"""The processes of onedoor on one machine, the environment of each, and the modules that they share."""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from contracts.messages.documents import PostsPublished
from deploy.local.clients import IMPORTING_SECRET, PAGES, PAGES_SECRET, WALL, WALL_SECRET, write_clients
from deploy.local.processes.supervisor import Specification
from deploy.local.site import HOST, Site
from services import registry
from services.addresses import Addresses
from services.departments.sdk.declaration import Department, Environment, Sandbox, module_of
from services.monitor.core.notifications.directory_file import DirectoryFile

ISSUER = "ONEDOOR_ISSUER"
_UNLIMITED = {
    "ONEDOOR_APPLICATIONS_A_MINUTE": "0",
    "ONEDOOR_TRACKING_A_MINUTE": "0",
    "ONEDOOR_TOKENS_A_MINUTE": "0",
    "ONEDOOR_DEVICES_A_MINUTE": "0",
    "ONEDOOR_LOGIN_PAGES_A_MINUTE": "0",
}


@dataclass(frozen=True, slots=True)
class Options:
    """How onedoor runs on this machine.

    ``clock`` is ``system`` or the path of a clock file. ``replicas`` is the number of processes of a service, where it
    is not one. ``extra`` adds environment variables to the service (``intake``) or sandbox (``sandbox-tax``) of that
    name; under the name ``*`` to all.
    """

    clock: str = "system"
    systems: tuple[str, ...] = field(default_factory=registry.default_systems)
    replicas: Mapping[str, int] = field(default_factory=dict)
    brokers: int = 1
    """Number of Kafka nodes, 1 or 3. Of three, any one may be lost."""
    sandboxes: bool = True
    """Whether sandboxes take the place of the departments' own systems."""
    extra: Mapping[str, Environment] = field(default_factory=dict)
    issuer: bool = False
    """Whether people can log in: the issuer that comes with onedoor and the front run as well. Without them `ISSUER`
    has to name another issuer."""
    directory: DirectoryFile | PostsPublished | None = None
    """A directory, or its posts alone, to put in force before the services start, unless they have one."""
    limited: bool = True
    """Whether the requests of each client are limited. Sample applicants are all one client."""
    throwaway: bool = False
    """Whether the folder is deleted afterwards, so that processes may end without an orderly shutdown."""

    @property
    def services(self) -> tuple[str, ...]:
        """The services that run: the core ones, and one for each system."""
        return (*registry.CORE_SERVICES, *self.systems)


class Wiring:
    """Addresses, secrets and environments, kept in the folder so that they survive a restart.

    ``database_url`` gives the address of the database of that name.
    """

    def __init__(self, folder: Path, kafka: str, database_url: Callable[[str], str], options: Options) -> None:
        self._folder = folder / "addresses"
        self._site = Site(self._folder, database_url)
        self._kafka = kafka
        self._options = options
        departments = map(registry.department, options.systems)
        self._simulated = {one.system: one for one in departments if options.sandboxes}

    @property
    def _ledgers(self) -> Mapping[str, str]:
        """System -> the name of the database of its ledger, for the departments that are simulated here."""
        return {system: one.ledger.database for system, one in self._simulated.items() if one.ledger is not None}

    def databases(self) -> tuple[str, ...]:
        """The databases that are needed: one for each service, and one for the ledger of each sandbox."""
        logins = (registry.ISSUER, registry.FRONT) if self._options.issuer else ()
        return (*(f"onedoor_{name}" for name in (*self._options.services, *logins)), *self._ledgers.values())

    def addresses(self) -> Addresses:
        """The addresses of these databases, for operators' commands."""
        return Addresses(
            services={name: self._site.database_url(f"onedoor_{name}") for name in self._options.services},
            ledgers={system: self._site.database_url(name) for system, name in self._ledgers.items()},
            front_database=self._site.database_url(f"onedoor_{registry.FRONT}") if self._options.issuer else "",
            issuer_database=self._site.database_url(f"onedoor_{registry.ISSUER}") if self._options.issuer else "",
            issuer=self._options.extra.get("*", {}).get(ISSUER) or self._login_issuer,
        )

    @property
    def importing_secret(self) -> str:
        """The secret of the program that imports cases."""
        return self._site.secret(IMPORTING_SECRET)

    def migration(self, service: str) -> Specification:
        """The task that migrates a service's database."""
        return Specification(
            f"migrate-{service}", ("migrate", service), self._environment(service, self._service(service))
        )

    def replicas(self, service: str) -> list[Specification]:
        """The processes of a service, in the number that the options give."""
        return [self.replica(service, number) for number in range(1, self._options.replicas.get(service, 1) + 1)]

    def replica(self, service: str, number: int) -> Specification:
        """A process of a service by its number, from 1. Those after the first are called ``monitor-2``."""
        name = service if number == 1 else f"{service}-{number}"
        own = {**self._service(service), **self._ports(name), "ONEDOOR_REPLICA": str(number)}
        return self._serving(name, service, own)

    def login_migrations(self) -> list[Specification]:
        """The tasks that migrate the databases of the issuer and of the front; none where people do not log in."""
        return [
            Specification(f"migrate-{name}", ("migrate", name), self._environment(name, own))
            for name, own in self._logins().items()
        ]

    def logins(self) -> list[Specification]:
        """The issuer of logins and the front; none where people do not log in."""
        return [self._serving(name, name, own) for name, own in self._logins().items()]

    @property
    def front_address(self) -> str:
        """The one address of pages and APIs, and of the issuer. It has a name, since passkeys belong to names."""
        return f"http://localhost:{self._site.port(registry.FRONT)}"

    def _logins(self) -> Mapping[str, Environment]:
        return {registry.ISSUER: self._issuer(), registry.FRONT: self._front()} if self._options.issuer else {}

    def _front(self) -> Environment:
        services = {
            name: {
                "addresses": [f"http://{HOST}:{replica.port}" for replica in self.replicas(name)],
                "pages": registry.PAGES.get(name, ()),
                "public": registry.PUBLIC_PAGES.get(name, ()),
            }
            for name in self._options.services
        }
        return {
            "ONEDOOR_ADDRESS": self.front_address,
            "ONEDOOR_ISSUER": self.front_address,
            "ONEDOOR_ISSUER_ADDRESSES": f"http://{HOST}:{self._site.port(registry.ISSUER)}",
            "ONEDOOR_CLIENT_ID": PAGES,
            "ONEDOOR_CLIENT_SECRET": self._site.secret(PAGES_SECRET),
            "ONEDOOR_WALLS": json.dumps({WALL: self._site.secret(WALL_SECRET)}),
            "ONEDOOR_SERVICES": json.dumps(services),
            "ONEDOOR_DATABASE": self._site.database_url(f"onedoor_{registry.FRONT}"),
            **self._ports(registry.FRONT),
            "ONEDOOR_SECRET_KEY": self._site.secret("front-key"),
        }

    @property
    def _login_issuer(self) -> str:
        """The address of the issuer whose logins count: of another one, where the environment names it."""
        return os.environ.get(ISSUER) or self.front_address

    def _issuer(self) -> Environment:
        return {
            "ONEDOOR_ISSUER": self.front_address,
            "ONEDOOR_DATABASE": self._site.database_url(f"onedoor_{registry.ISSUER}"),
            **self._ports(registry.ISSUER),
            "ONEDOOR_SECRET_KEY": self._site.secret("issuer-key"),
            "ONEDOOR_CLIENTS": str(write_clients(self._folder, self._site)),
            "ONEDOOR_KAFKA": self._kafka,
            "ONEDOOR_DOCUMENTS_KEY": self._site.secret("documents-key"),
        }

    def sandboxes(self) -> list[Specification]:
        """The sandboxes of the departments."""
        return [
            Specification(
                f"sandbox-{system}",
                ("sandbox", system),
                self._environment(f"sandbox-{system}", self._sandbox(department, department.sandbox)),
            )
            for system, department in self._simulated.items()
            if department.sandbox is not None
        ]

    def _serving(self, name: str, service: str, own: Environment) -> Specification:
        arguments, environment = ("serve", service), self._environment(service, own)
        return Specification(name, arguments, environment, self._site.port(name), self._site.port(_operator(name)))

    def _ports(self, name: str) -> Environment:
        """The addresses at which this process listens."""
        return {
            "ONEDOOR_HOST": HOST,
            "ONEDOOR_PORT": str(self._site.port(name)),
            "ONEDOOR_OPERATOR_HOST": HOST,
            "ONEDOOR_OPERATOR_PORT": str(self._site.port(_operator(name))),
        }

    def _service(self, name: str) -> Environment:
        return {
            ISSUER: self._login_issuer,
            "ONEDOOR_SERVICE": name,
            "ONEDOOR_KAFKA": self._kafka,
            "ONEDOOR_DATABASE": self._site.database_url(f"onedoor_{name}"),
            # Enough for four replicas of a service. Each more costs every consumer CPU time with every fetch.
            "ONEDOOR_PARTITIONS": "4",
            "ONEDOOR_REPLICATION": str(self._options.brokers),
            "ONEDOOR_CLOCK": self._options.clock,
            "ONEDOOR_SECRET_KEY": self._site.secret("secret-key"),
            "ONEDOOR_DOCUMENTS_KEY": self._site.secret("documents-key"),
            "ONEDOOR_SYSTEMS": ",".join(self._options.systems),
            # The addresses of the departments' own systems, where there is no sandbox, are set by the caller.
            **(self._simulated[name].environment(self._site) if name in self._simulated else {}),
        }

    def _sandbox(self, department: Department, sandbox: Sandbox) -> Environment:
        common = {"ONEDOOR_SANDBOX_CLOCK": self._options.clock}
        if department.ledger is not None:
            common["ONEDOOR_SANDBOX_DATABASE"] = self._site.database_url(department.ledger.database)
        return {**common, **sandbox.environment(self._site)}

    def _environment(self, name: str, own: Environment) -> Environment:
        extra = self._options.extra
        unlimited = {} if self._options.limited else _UNLIMITED
        return {**os.environ, **own, **unlimited, **extra.get("*", {}), **extra.get(name, {})}


def _operator(name: str) -> str:
    """The name of the operator's port of this process among the ports of the site."""
    return f"{name}-operator"


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
"""Modules that every installation needs."""


def preload(systems: Iterable[str], *, issuer: bool = False) -> Iterator[str]:
    """The modules that the fork server imports: those of the core services, adapters and sandboxes of these systems."""
    yield from _ALWAYS
    if issuer:
        yield f"services.{registry.ISSUER}.app"
        yield f"services.{registry.FRONT}.app"
    yield from (f"services.{name}.app" for name in registry.CORE_SERVICES)
    for department in map(registry.department, systems):
        yield from (module_of(department.adapter), module_of(department.settings))
        if department.sandbox is not None:
            yield module_of(department.sandbox.running)
