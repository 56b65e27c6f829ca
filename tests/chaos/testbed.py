"""A whole service centre with every way between its services, engines and departments open to mischief."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from deploy.local.engine import Engine
from deploy.local.platform import Platform
from deploy.local.postgres import Postgres
from deploy.local.processes import HOST, kept_port
from deploy.local.wiring import Options
from services.registry import default_systems
from services.runtime.clock import FileClock
from tests.chaos.proxies import Link, advertising

SYSTEMS = default_systems()

BEGINS = datetime(2026, 3, 2, 16, 35, tzinfo=ZoneInfo("Asia/Shanghai"))
"""A Monday, less than an hour before the close of business: a step of an hour makes what is open late."""

REPLICAS = 2
ENGINES = ("kafka", "postgres")
DISK_MB = 6000
SPARE_BYTES = 512 * 1024
"""What is left on a disk that is full, so that the fault comes in the middle of a write."""


@dataclass(frozen=True)
class Site:
    """The running platform, and the means to harm it."""

    platform: Platform
    clock: FileClock
    links: dict[str, Link]
    disks: "dict[str, Disk]"

    @property
    def doors(self) -> list[str]:
        """Where applications can be handed in."""
        processes = self.platform.processes.values()
        return [one.specification.address for one in processes if one.specification.arguments[-1:] == ("intake",)]

    @property
    def services(self) -> tuple[str, ...]:
        return self.platform.options.services

    def engine(self, name: str) -> Engine:
        """An engine by its name."""
        return next(engine for engine in self.platform.engines.all if engine.name == name)

    def pid(self, name: str) -> int | None:
        """The number of a process by its name, while it runs."""
        for engine in self.platform.engines.all:
            if engine.name == name:
                return engine.process.pid if engine.process and engine.running else None
        process = self.platform.processes.get(name)
        return process.pid if process else None

    @property
    def victims(self) -> list[str]:
        """The names of all processes: services, stand-ins, engines."""
        return [*self.platform.processes, *(engine.name for engine in self.platform.engines.all)]

    def url(self, database: str) -> str:
        """The address of a database for asyncpg, past the links: for who looks on."""
        return self.platform.engines.postgres.url(database, "postgresql")


class Disk:
    """A file system in memory whose size can be changed while it is in use: a disk that is full, and is not."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def mounted(self) -> "Iterator[Disk]":
        """Mounted while the body runs."""
        self._folder.mkdir(parents=True, exist_ok=True)
        _mount("-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(self._folder))
        try:
            yield self
        finally:
            subprocess.run(["/bin/umount", "-l", str(self._folder)], check=True)

    def fill(self) -> None:
        """Leave next to no room."""
        figures = os.statvfs(self._folder)
        used = (figures.f_blocks - figures.f_bfree) * figures.f_frsize
        _mount("-o", f"remount,size={(used + SPARE_BYTES) // 1024}k", str(self._folder))

    def make_room(self) -> None:
        """Have as much room again as at the beginning."""
        _mount("-o", f"remount,size={DISK_MB}m", str(self._folder))


def can_mount(folder: Path) -> bool:
    """Whether this process may mount file systems."""
    try:
        with Disk(folder).mounted():
            return True
    except subprocess.CalledProcessError:
        return False


def _mount(*arguments: str) -> None:
    subprocess.run(["/bin/mount", *arguments], check=True, capture_output=True)


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Site]:
    """The whole centre in this folder, every service twice, under a clock of its own."""
    async with AsyncExitStack() as stack:
        disks = {}
        if await asyncio.to_thread(can_mount, folder / "probe"):
            disks = {name: stack.enter_context(Disk(folder / name).mounted()) for name in ENGINES}
        links = {link.name: await stack.enter_async_context(link) for link in _links(folder)}
        clock = FileClock.create(folder / "clock", BEGINS)
        options = Options(
            clock=str(folder / "clock"),
            replicas=dict.fromkeys((*("intake", "routing", "monitor"), *SYSTEMS), REPLICAS),
            throwaway=True,
            extra=_environments(folder, links),
        )
        platform = await stack.enter_async_context(Platform(folder, options))
        yield Site(platform, clock, links, disks)


def _links(folder: Path) -> list[Link]:
    """One a dependency. The port on the far side is read anew for each connection: it may change with a restart."""

    def port(path: str) -> int:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        file = folder / path
        return int(file.read_text()) if file.exists() else kept_port(file)

    def to_postgres() -> int:
        return port("postgres/port")

    def to_kafka() -> int:
        return port("kafka/port")

    kafka = Link("kafka", to_kafka, advertising(to_kafka, lambda: kafka.port))
    return [
        kafka,
        Link("postgres", to_postgres),
        Link("commerce", to_postgres),
        Link("tax", lambda: port("addresses/sandbox-tax.port")),
        Link("land", lambda: port("addresses/sandbox-land.port")),
    ]


def _environments(folder: Path, links: dict[str, Link]) -> dict[str, dict[str, str]]:
    """The services are told the links in place of what they depend on; and to be quick about what failed."""
    postgres = Postgres(folder / "postgres", lambda _: None)

    def database(name: str, link: str) -> str:
        postgres.port = links[link].port
        return postgres.url(name)

    extra: dict[str, dict[str, str]] = {
        name: {
            "ONEDOOR_KAFKA": f"{HOST}:{links['kafka'].port}",
            "ONEDOOR_DATABASE": database(f"onedoor_{name}", "postgres"),
            "ONEDOOR_CALL_TIMEOUT_S": "6",
            "ONEDOOR_POLL_INTERVAL_S": "0.5",
        }
        for name in ("intake", "routing", "monitor", *SYSTEMS)
    }
    extra["intake"]["ONEDOOR_CATALOGUE"] = str(Path(__file__).with_name("catalogue.yaml"))
    extra["tax"] |= {"ONEDOOR_TAX_URL": f"http://{HOST}:{links['tax'].port}", "ONEDOOR_TAX_TIMEOUT_S": "4"}
    extra["land"] |= {"ONEDOOR_LAND_PORT": str(links["land"].port), "ONEDOOR_LAND_TIMEOUT_S": "4"}
    extra["commerce"] |= {
        "ONEDOOR_COMMERCE_EXCHANGE": database("sandbox_commerce", "commerce"),
        "ONEDOOR_COMMERCE_TIMEOUT_S": "4",
    }
    extra |= {
        f"sandbox-{system}": {"ONEDOOR_SANDBOX_AT_ONCE": "true", "ONEDOOR_SANDBOX_SEED": system} for system in SYSTEMS
    }
    return extra
