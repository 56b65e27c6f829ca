"""Faults inside a whole process: while it starts, while it runs, while it stops, and two of one name."""

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.runtime.external_system import InvalidNotification, Notification
from tests.support.runtime.processes import Start, command, raw, send, until
from tests.support.runtime.toy import FakeSystem, case
from tests.support.waiting import eventually


async def test_processes_with_default_settings_do_not_fence_each_other(start: Start) -> None:
    async with start() as first, start() as second:
        await send(first.settings, *(raw("count", case(n)) for n in range(100)))
        await until(second, lambda tally: tally.instructions == ("count",), range(100))
        for host in (first, second):
            assert not await host.faults() and not host.impairments()


async def test_a_step_of_stopping_that_fails_does_not_keep_the_next_ones_from_running(
    start: Start, database: AsyncEngine
) -> None:
    async def fail() -> None:
        raise RuntimeError("a fault while stopping")

    system = FakeSystem()
    system.close = fail  # type: ignore[method-assign]
    async with start(system) as host:
        await command(host, "publish 1")
        host.consumer.subscription.stop = fail
    async with database.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM unpublished")) == 0
        sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'onedoor toy'"

        async def closed() -> bool:
            return int(await connection.scalar(text(sessions)) or 0) == 0

        await eventually(closed)


async def test_a_process_that_cannot_start_leaves_no_connection_open(start: Start, database: AsyncEngine) -> None:
    async def fail() -> None:
        raise RuntimeError("a fault while starting")

    system = FakeSystem()
    system.open = fail  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="while starting"):
        async with start(system):
            ...
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'onedoor toy'"
    async with database.connect() as connection:

        async def closed() -> bool:
            return int(await connection.scalar(text(sessions)) or 0) == 0

        await eventually(closed)


async def test_a_job_that_fails_again_and_again_shows_until_it_is_well(start: Start) -> None:
    class Blocked(FakeSystem):
        async def poll(self, limit: int) -> list[Notification | InvalidNotification]:
            if self.fault is not None:
                raise self.fault
            return []

    system = Blocked()
    system.fault = UnicodeEncodeError("utf-8", "\udccb", 0, 1, "surrogates not allowed")
    async with start(system) as host:

        async def shown() -> bool:
            return any("poll: failed" in one.en and "UnicodeEncodeError" in one.en for one in host.impairments())

        await eventually(shown)
        system.fault = None

        async def well() -> bool:
            return not host.impairments()

        await eventually(well)
