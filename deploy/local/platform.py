"""The whole platform on this machine: engines, databases, services and sandboxes."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from contracts.bilingual import both
from deploy.local.engines import Engines
from deploy.local.engines.engine import Engine
from deploy.local.processes.child import Notify, run_together
from deploy.local.processes.supervisor import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, Supervised, Supervisor
from deploy.local.wiring import Options, Wiring, preload
from services.addresses import write_addresses
from services.runtime.http.site import api_path

READY_SECONDS = 90.0
_POLL_SECONDS = 0.2


class Platform:
    """The platform in one folder. ``async with Platform(folder) as platform`` is entered when everything is ready.

    It starts and stops engines of its own, unless it is given some that run already: then these stay, with the
    platform's databases and topics. Raises `PlatformFailed`, after stopping what had been started.
    """

    def __init__(
        self,
        folder: Path,
        options: Options | None = None,
        notify: Notify = lambda _: None,
        engines: Engines | None = None,
    ) -> None:
        self.folder = folder.resolve()
        self.options = options or Options()
        self._own_engines = engines is None
        self.engines = engines or Engines(self.folder, notify, self.options.brokers, throwaway=self.options.throwaway)
        modules = preload(self.options.systems, issuer=self.options.issuer)
        self.supervisor = Supervisor(self.folder / "logs", modules, notify)
        self._notify = notify
        self._keepers: list[asyncio.Task[None]] = []
        self._starting: defaultdict[Engine, asyncio.Lock] = defaultdict(asyncio.Lock)

    @property
    def processes(self) -> dict[str, Supervised]:
        """The services and sandboxes by name; replicas after the first are called ``monitor-2``."""
        return self.supervisor.processes

    def address(self, name: str) -> str:
        """The address of a service: ``http://host:port``."""
        return self.processes[name].specification.address

    def operator_address(self, name: str) -> str:
        """The address at which operators ask a process: ``http://host:port``."""
        return self.processes[name].specification.operator_address

    def api(self, service: str) -> str:
        """The address of the API of a service."""
        return self.address(service) + api_path(service)

    @property
    def importing_secret(self) -> str:
        """The secret of the program `IMPORTING`, which imports cases: not for logs."""
        return self._wiring.importing_secret

    @property
    def front(self) -> str:
        """The one address of pages and APIs, where people log in."""
        return self._wiring.front_address

    @property
    def issuer_database(self) -> str:
        """The address of the issuer's database, with its password: not for logs."""
        return self._wiring.addresses().issuer_database

    async def start(self) -> None:
        """Start everything and return when it is ready."""
        try:
            self.supervisor.start()  # preloads modules while the engines start
            if self._own_engines:
                await self.engines.start()
                self._keepers = [asyncio.create_task(self._keep_running(engine)) for engine in self.engines.all]
            wiring = self._wiring = Wiring(self.folder, self.engines.kafka, self.engines.database_url, self.options)
            write_addresses(self.folder, wiring.addresses())
            self._notify(both("making the databases", "正在建立各数据库"))
            await run_together(self.engines.postgres.create_database(name) for name in wiring.databases())
            self._notify(both("bringing the databases up to date", "正在升级各数据库"))
            migrations = [*(wiring.migration(name) for name in self.options.services), *wiring.login_migrations()]
            await run_together(self.supervisor.run(migration) for migration in migrations)
            if self.options.directory is not None:
                from deploy.local.first_directory import put_in_force

                await put_in_force(self.options.directory, wiring.addresses())
            self._notify(both("starting the services", "正在启动各服务"))
            services = [replica for name in self.options.services for replica in wiring.replicas(name)]
            for specification in (*wiring.sandboxes(), *wiring.logins(), *services):
                self.supervisor.keep(specification)
            await self.supervisor.all_ready(READY_SECONDS)
        except BaseException:
            await self.stop()
            raise

    async def scale(self, service: str, replicas: int) -> None:
        """Change the number of processes of a service; it may be zero.

        Returns when superfluous processes have ended. New ones are started, and not waited for.
        """
        wanted = {one.name: one for one in (self._wiring.replica(service, n) for n in range(1, replicas + 1))}
        own = [name for name, one in self.processes.items() if one.specification.arguments == ("serve", service)]
        await self.supervisor.drop(*(name for name in own if name not in wanted))
        for name, specification in wanted.items():
            if name not in own:
                self.supervisor.keep(specification)

    @asynccontextmanager
    async def without(self, engine: Engine) -> AsyncIterator[None]:
        """Stop the engine for the duration of the body; then it is started again, as if it had died.

        For work on its folder, and for tests of its absence.
        """
        async with self._starting[engine]:
            await engine.stop()
            yield

    async def stop(self) -> None:
        """Stop everything with a clean shutdown: services, Kafka, PostgreSQL. What fails is raised at the end."""
        for task in self._keepers:
            task.cancel()
        async with AsyncExitStack() as stack:  # in reverse order, and each also after one that has failed
            if self._own_engines:
                stack.push_async_callback(self.engines.stop)
            stack.push_async_callback(self.supervisor.stop)
            await asyncio.gather(*self._keepers, return_exceptions=True)

    async def _keep_running(self, engine: Engine) -> None:
        """Start an engine again when it ends, after growing pauses while the start fails."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            await asyncio.sleep(_POLL_SECONDS)
            async with self._starting[engine]:
                if engine.running:
                    continue
                self._notify(
                    both(f"{engine.name} ended: starting it again, see {engine.log}", "已结束，正在重新启动，见其日志")
                )
                try:
                    await engine.start()
                    pause = FIRST_PAUSE_SECONDS
                    continue
                except Exception as failure:  # a full disk fails before the engine is started
                    again = both(f"cannot be started, again in {pause:.1f} s", f"无法启动，{pause:.1f} 秒后重试")
                    self._notify(f"{engine.name} {again}: {failure}")
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
