"""A whole service centre whose connections, disks, processes and clock can be disturbed."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from deploy.local.engines.engine import Engine
from deploy.local.engines.postgres import Postgres
from deploy.local.platform import Platform
from deploy.local.site import HOST, kept_port
from deploy.local.wiring import Options
from services.registry import default_systems
from services.runtime.clock import FileClock
from tests.chaos.faults.proxies import Proxy, advertise_proxy
from tests.support.cases.simulated_case import CATALOGUE
from tests.support.staff import with_staff

SYSTEMS = default_systems()

BEGINS = datetime(2026, 3, 2, 16, 35, tzinfo=ZoneInfo("Asia/Shanghai"))
"""A Monday, less than an hour before the close of business: a step of an hour makes what is open late."""

FILING = "department: tax\n    kind: filing\n    limits: {committed: 0, statutory: 1}"
REPLICAS = 2
ENGINES = ("kafka", "postgres")
WRONG_CLOCKS = 0.01
"""Share of the cases of each department whose times are those of a wrong clock."""

DISK_MB = 6000
SPARE_BYTES = 512 * 1024
"""Space left on a full disk, so that the fault occurs in the middle of a write."""


@dataclass(frozen=True)
class Testbed:
    """The running platform, and the means to disturb it."""

    platform: Platform
    clock: FileClock
    proxies: dict[str, Proxy]
    disks: "dict[str, Disk]"

    @property
    def intake_addresses(self) -> list[str]:
        """The addresses of all processes of intake."""
        processes = self.platform.processes.values()
        return [one.specification.address for one in processes if one.specification.arguments[-1:] == ("intake",)]

    @property
    def services(self) -> tuple[str, ...]:
        return self.platform.options.services

    def engine(self, name: str) -> Engine:
        """An engine by its name."""
        return next(engine for engine in self.platform.engines.all if engine.name == name)

    def pid(self, name: str) -> int | None:
        """The process id of a process by its name, or None while it does not run."""
        for engine in self.platform.engines.all:
            if engine.name == name:
                return engine.process.pid if engine.process and engine.running else None
        process = self.platform.processes.get(name)
        return process.pid if process else None

    @property
    def process_names(self) -> list[str]:
        """The names of all processes: services, sandboxes, engines."""
        return [*self.platform.processes, *(engine.name for engine in self.platform.engines.all)]

    def url(self, database: str) -> str:
        """The address of a database for asyncpg, which bypasses the proxies: for the checks."""
        return self.platform.engines.postgres.url(database, "postgresql")


class Disk:
    """A file system in memory whose size can be changed in use, so that it is full for a while."""

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
        """Shrink the file system until it is full."""
        figures = os.statvfs(self._folder)
        used = (figures.f_blocks - figures.f_bfree) * figures.f_frsize
        _mount("-o", f"remount,size={(used + SPARE_BYTES) // 1024}k", str(self._folder))

    def make_room(self) -> None:
        """Give it its original size again."""
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
async def running(folder: Path) -> AsyncIterator[Testbed]:
    """The whole centre in this folder, with two replicas of every service and its own clock."""
    async with AsyncExitStack() as stack:
        disks = {}
        if await asyncio.to_thread(can_mount, folder / "probe"):
            disks = {name: stack.enter_context(Disk(folder / name).mounted()) for name in ENGINES}
        proxies = {proxy.name: await stack.enter_async_context(proxy) for proxy in _proxies(folder)}
        clock = FileClock.create(folder / "clock", BEGINS)
        options = Options(
            clock=str(folder / "clock"),
            replicas=dict.fromkeys((*("intake", "routing", "monitor"), *SYSTEMS), REPLICAS),
            limited=False,
            throwaway=True,
            extra=_environments(folder, proxies),
        )
        platform = await stack.enter_async_context(Platform(folder, with_staff(options)))
        yield Testbed(platform, clock, proxies, disks)


def _proxies(folder: Path) -> list[Proxy]:
    """One proxy a dependency. The upstream port is read for each connection, because a restart may change it."""

    def port(path: str) -> int:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        file = folder / path
        return int(file.read_text()) if file.exists() else kept_port(file)

    def to_postgres() -> int:
        return port("postgres/port")

    def to_kafka() -> int:
        return port("kafka/port")

    kafka = Proxy("kafka", to_kafka, advertise_proxy(to_kafka, lambda: kafka.port))
    return [
        kafka,
        Proxy("postgres", to_postgres),
        Proxy("commerce", to_postgres),
        Proxy("tax", lambda: port("addresses/sandbox-tax.port")),
        Proxy("land", lambda: port("addresses/sandbox-land.port")),
    ]


def _catalogue(folder: Path) -> Path:
    """The measured catalogue, in which tax must decide on the spot: a clock that steps past the close of business makes
    it late."""
    text = CATALOGUE.read_text(encoding="utf-8")
    before, item, after = text.partition(
        "department: tax\n    kind: committed\n    limits: {committed: 2, statutory: 10}"
    )
    assert item
    file = folder / "catalogue.yaml"
    file.write_text(before + FILING + after, encoding="utf-8")
    return file


def _environments(folder: Path, proxies: dict[str, Proxy]) -> dict[str, dict[str, str]]:
    """Settings that direct each service to the proxies instead of its dependencies, with short timeouts."""
    postgres = Postgres(folder / "postgres", lambda _: None)

    def database(name: str, proxy: str) -> str:
        postgres.port = proxies[proxy].port
        return postgres.url(name)

    extra: dict[str, dict[str, str]] = {
        name: {
            "ONEDOOR_KAFKA": f"{HOST}:{proxies['kafka'].port}",
            "ONEDOOR_DATABASE": database(f"onedoor_{name}", "postgres"),
            "ONEDOOR_CALL_TIMEOUT_S": "6",
            "ONEDOOR_POLL_INTERVAL_S": "0.5",
        }
        for name in ("intake", "routing", "monitor", *SYSTEMS)
    }
    extra["intake"]["ONEDOOR_CATALOGUE"] = str(_catalogue(folder))
    extra["tax"] |= {"ONEDOOR_TAX_URL": f"http://{HOST}:{proxies['tax'].port}", "ONEDOOR_TAX_TIMEOUT_S": "4"}
    extra["land"] |= {
        "ONEDOOR_LAND_PORT": str(proxies["land"].port),
        "ONEDOOR_LAND_TIMEOUT_S": "4",
        "ONEDOOR_LAND_FILE_TIMEOUT_S": "1",
    }
    extra["commerce"] |= {
        "ONEDOOR_COMMERCE_EXCHANGE": database("sandbox_commerce", "commerce"),
        "ONEDOOR_COMMERCE_TIMEOUT_S": "4",
    }
    extra |= {
        f"sandbox-{system}": {
            "ONEDOOR_SANDBOX_AT_ONCE": "true",
            "ONEDOOR_SANDBOX_SEED": system,
            "ONEDOOR_SANDBOX_MISTAKE_SHARE": str(WRONG_CLOCKS),
            "ONEDOOR_SANDBOX_MISTAKES": '["wrong-clock"]',
        }
        for system in SYSTEMS
    }
    return extra
