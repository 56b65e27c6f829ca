"""The processes of onedoor on one machine, and the environment of each."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.processes import HOST
from deploy.local.site import Site
from deploy.local.supervisor import Specification
from services import registry
from services.departments.sdk.declaration import Department, Environment, Sandbox
from services.operator.addresses import Addresses


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
        self._site = Site(folder / "addresses", database_url)
        self._kafka = kafka
        self._database_url = database_url
        self._options = options

    @staticmethod
    def databases(options: Options) -> tuple[str, ...]:
        """The databases that are needed: one for each service, and one for the ledger of each sandbox."""
        return (*(f"onedoor_{name}" for name in options.services), *_ledgers(options).values())

    def addresses(self) -> Addresses:
        """Where operators' commands find these databases."""
        return Addresses(
            services={name: self._database_url(f"onedoor_{name}") for name in self._options.services},
            ledgers={system: self._database_url(name) for system, name in _ledgers(self._options).items()},
        )

    def migrations(self) -> list[Specification]:
        """The tasks that migrate the services' databases."""
        return [
            Specification(f"migrate-{name}", ("migrate", name), self._environment(name, self._service(name)))
            for name in self._options.services
        ]

    def services(self) -> list[Specification]:
        """The services, with all replicas."""
        wanted = ((name, replica) for name in self._options.services for replica in range(1, self._replicas(name) + 1))
        return [self._replica(name, replica) for name, replica in wanted]

    def sandboxes(self) -> list[Specification]:
        """The sandboxes of the departments."""
        declared = [registry.department(system) for system in self._options.systems] if self._options.sandboxes else []
        return [
            Specification(
                f"sandbox-{one.system}",
                ("sandbox", one.system),
                self._environment(f"sandbox-{one.system}", self._sandbox(one, one.sandbox)),
            )
            for one in declared
            if one.sandbox is not None
        ]

    def _replicas(self, name: str) -> int:
        return self._options.replicas.get(name, 1)

    def _replica(self, name: str, replica: int) -> Specification:
        process = name if replica == 1 else f"{name}-{replica}"
        port = self._site.port(process)
        own = {**self._service(name), "ONEDOOR_REPLICA": str(replica), "ONEDOOR_PORT": str(port)}
        return Specification(process, ("serve", name), self._environment(name, own), port)

    def _service(self, name: str) -> Environment:
        return {
            "ONEDOOR_SERVICE": name,
            "ONEDOOR_KAFKA": self._kafka,
            "ONEDOOR_DATABASE": self._database_url(f"onedoor_{name}"),
            # Enough for four replicas of a service. Each more costs every consumer CPU time with every fetch.
            "ONEDOOR_PARTITIONS": "4",
            "ONEDOOR_REPLICATION": str(self._options.brokers),
            "ONEDOOR_HOST": HOST,
            "ONEDOOR_CLOCK": self._options.clock,
            "ONEDOOR_SECRET_KEY": self._site.secret("secret-key"),
            "ONEDOOR_SYSTEMS": ",".join(self._options.systems),
            # The addresses of the departments' own systems, where there is no sandbox, are set by the caller.
            **(self._adapter(name) if self._options.sandboxes else {}),
        }

    def _adapter(self, name: str) -> Environment:
        return registry.department(name).environment(self._site) if name in self._options.systems else {}

    def _sandbox(self, department: Department, sandbox: Sandbox) -> Environment:
        common = {"ONEDOOR_SANDBOX_CLOCK": self._options.clock}
        if department.ledger is not None:
            common["ONEDOOR_SANDBOX_DATABASE"] = self._database_url(department.ledger.database)
        return {**common, **sandbox.environment(self._site)}

    def _environment(self, name: str, own: Environment) -> Environment:
        extra = self._options.extra
        return {**os.environ, **own, **extra.get("*", {}), **extra.get(name, {})}


def _ledgers(options: Options) -> Mapping[str, str]:
    """System -> the name of the database of its ledger, for the departments that are simulated here."""
    declared = [registry.department(system) for system in options.systems] if options.sandboxes else []
    return {one.system: one.ledger.database for one in declared if one.ledger is not None}
