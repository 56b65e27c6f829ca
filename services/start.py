"""Starts one process of the platform: a service, the migration of databases, or a department's sandbox."""

import asyncio
import os
from collections.abc import Iterator, Sequence

import uvloop

from contracts.bilingual import both
from contracts.faults import both_of
from services import registry
from services.departments.sdk.declaration import resolve
from services.front.migrations import FRONT_MIGRATIONS
from services.identity.migrations import ISSUER_MIGRATIONS
from services.load import load
from services.runtime import telemetry
from services.runtime.clock import open_clock
from services.runtime.configuration import WrongSetting, read
from services.runtime.process import run
from services.runtime.security.encryption import encrypted_database
from services.runtime.settings import Settings
from services.runtime.stop_signal import stop_signal
from services.runtime.store import tables

_OTHERS = {registry.ISSUER: ISSUER_MIGRATIONS, registry.FRONT: FRONT_MIGRATIONS}
"""The migrations of the processes without messages."""


def serve(service: str) -> None:
    """Run a service, the issuer or the front by its settings until it is asked to stop. Raises `WrongSetting`."""
    if service == registry.ISSUER:
        from services.identity.app import run as run_issuer  # no other process needs its libraries
        from services.identity.settings import IdentitySettings

        run_issuer(read(IdentitySettings))
        return
    if service == registry.FRONT:
        from services.front.app import run as run_front  # no other process needs its libraries
        from services.front.settings import FrontSettings

        run_front(read(FrontSettings))
        return
    os.environ.setdefault("ONEDOOR_SERVICE", service)
    is_department = service in registry.departments()
    if is_department:  # it reads the topics of its own system only
        os.environ.setdefault("ONEDOOR_SYSTEMS", service)
    settings = read(Settings)
    if is_department and service not in settings.systems:
        systems = ",".join(settings.systems)
        raise WrongSetting(both(f"ONEDOOR_SYSTEMS = {systems!r}: must name {service} too", f"须同时写明 {service}"))
    run(load(service), settings)


def migrate(services: Sequence[str], database: str) -> Iterator[str]:
    """Migrate the databases of these services; yields each name when it is done. If none is named, those of all that
    process messages.

    ``{service}`` in the address stands for the name. Raises `WrongSetting`.
    """
    names = services or registry.services()
    if not database:
        form = "postgresql+asyncpg://user:password@host/name"
        raise WrongSetting(both(f"ONEDOOR_DATABASE is not set: {form}", f"未设置 ONEDOOR_DATABASE：{form}"))
    if len(names) > 1 and "{service}" not in database:
        en = "ONEDOOR_DATABASE: each service has a database of its own: put {service} in it"
        raise WrongSetting(both(en, "每个服务各有数据库，地址中请写 {service}"))
    try:
        encrypted_database(database)
    except ValueError as wrong:
        raise WrongSetting(f"ONEDOOR_DATABASE: {both_of(wrong)}") from None
    for name in names:
        migrations = _OTHERS[name] if name in _OTHERS else load(name).migrations
        tables.migrate(name, migrations, database.replace("{service}", name))
        yield name


def sandbox(system: str) -> None:
    """Run a department's sandbox by its settings until it is asked to stop. Raises `WrongSetting`."""
    declared = registry.department(system).sandbox if system in registry.sandboxes() else None
    if declared is None:
        known = ", ".join(registry.sandboxes())
        raise WrongSetting(
            both(f"{system!r} has no sandbox; these have: {known}", f"{system!r} 没有模拟系统；有的是：{known}")
        )
    settings = read(resolve(declared.settings))
    telemetry.configure(f"sandbox-{system}", "1", "INFO")

    async def main() -> None:
        async with resolve(declared.running)(settings, open_clock(settings.clock)):
            await stop_signal().wait()

    with telemetry.failures_logged(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
