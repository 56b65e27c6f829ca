"""Monitor's notification jobs with real receivers: a mail server, a server of web hooks, and a file."""

import base64
import json
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from contracts.messages.alerts import AlertRaised, Rung
from services.monitor.core.notifications.directory_file import DirectoryFile
from services.monitor.notifications.digest_builder import DigestBuilder
from services.monitor.notifications.digest_collector import DigestCollector
from services.monitor.notifications.digest_sender import DigestSender
from services.monitor.settings import MonitorSettings
from services.monitor.store.notifications import directory_store
from services.runtime.files.document import read_document
from tests.integration.monitor.notifications.receivers import HookServer, MailServer
from tests.support.messages import at
from tests.support.monitor_process import MonitorProcess, alert_raised

FRIDAY = at("2026-03-06 16:00")
SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()

DIRECTORY = """\
version: "2026-11"
people:
  - {id: wang, name: 王芳, addresses: ["mail:wang@example.gov.cn"]}
  - {id: smith, name: J. Smith, language: en, addresses: ["hook:smith"]}
  - {id: chen, name: 陈静, addresses: ["file:chen"]}
  - {id: nowhere, name: 钱立, addresses: ["pigeon:roof"]}
posts:
  - {role: clerk, person: wang}
  - {role: head, department: Tax, person: wang}
  - {role: head, department: Lost, person: nowhere}
  - {role: supervisor, person: smith}
  - {role: director, person: chen}
"""


class NotificationJobs:
    """The jobs on the database of a monitor. A test runs each of them when it wants."""

    def __init__(self, monitor: MonitorProcess, folder: Path, mail: MailServer, hooks: HookServer) -> None:
        self.monitor = monitor
        self.clock = monitor.clock
        self.database = monitor.process.database
        self.publish, self.rows, self.execute = monitor.publish, monitor.rows, monitor.execute
        self.file = folder / "digests.jsonl"
        self.mail = mail
        self.hooks = hooks
        channels = {
            "mail": f"mailto://127.0.0.1:{mail.port}/?from=onedoor@example.gov.cn&to={{address}}&format=text",
            "hook": {"hook": f"{hooks.url}/hook/{{address}}", "secret": SECRET},
            "file": {"file": str(self.file)},
        }
        self.settings = MonitorSettings.model_validate({"channels": channels})
        self.sender = self.another_sender()

    def another_sender(self) -> DigestSender:
        return DigestSender(self.database, self.settings.channels, timeout_s=30.0)

    def collector(self) -> DigestCollector:
        return DigestCollector(self.database, self.clock)

    def builder(self, quiet: timedelta = timedelta(), longest: timedelta = timedelta(hours=1)) -> DigestBuilder:
        return DigestBuilder(self.database, self.clock, quiet, longest)

    def raised(self, rung: Rung = Rung.YELLOW, owner: str = "Tax") -> AlertRaised:
        return alert_raised(self.clock.now(), rung, owner, "450302")

    async def alerts(self, *cases: int, rung: Rung = Rung.YELLOW, owner: str = "Tax") -> None:
        """Raise an alert now for each of these cases."""
        await self.publish(*((case, self.raised(rung, owner)) for case in cases))

    async def directory(self, text: str = DIRECTORY) -> int | None:
        """Put this directory in force."""
        async with self.database.begin() as connection:
            return await directory_store.put(connection, read_document(DirectoryFile, text.encode()), "test")

    async def collect(self) -> None:
        while await self.collector().run_once():
            pass

    async def notify(self) -> None:
        """Collect and build all digests, and send what is due."""
        await self.collect()
        while await self.builder().run_once():
            pass
        while await self.sender.run_once():
            pass

    async def entries(self) -> Counter[tuple[str, str, int]]:
        """Counts entries by person, kind and level."""
        return Counter(map(tuple, await self.rows("SELECT person, kind, level FROM digest_entries")))

    async def notify_at(self) -> datetime | None:
        """When the next notification of the only alert is due."""
        ((moment,),) = await self.rows("SELECT notify_at FROM alerts")
        return moment  # type: ignore[no-any-return]

    def lines(self) -> list[Any]:
        """The lines of the file."""
        return [json.loads(line) for line in self.file.read_text(encoding="utf-8").splitlines()]
