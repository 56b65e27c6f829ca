"""The notification jobs, on a Friday afternoon."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.monitor.notifications.jobs import FRIDAY, NotificationJobs
from tests.integration.monitor.notifications.receivers import hook_server, mail_server
from tests.support.monitor_process import MonitorProcess


@pytest.fixture
async def jobs(monitor: MonitorProcess, tmp_path: Path) -> AsyncIterator[NotificationJobs]:
    monitor.clock.set(FRIDAY, 0)
    async with mail_server() as mail, hook_server() as hooks:
        yield NotificationJobs(monitor, tmp_path, mail, hooks)
