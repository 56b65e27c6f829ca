"""A whole service centre for tests: all its processes, a fast clock, and a client for applicants and staff."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import httpx2

from deploy.local.engines import Engines
from deploy.local.platform import Platform
from deploy.local.wiring import Options
from services.departments.sandbox.behaviour import Behaviour
from services.registry import default_systems
from services.runtime.clock import FileClock
from tests.support.shared_engines import platform_on
from tests.support.staff import STAFF, with_staff
from tests.support.waiting import eventually

SYSTEMS = default_systems()

ZONE = ZoneInfo("Asia/Shanghai")
BEGINS = datetime(2026, 3, 2, 9, tzinfo=ZONE)
"""A Monday morning."""

DAY_S = 86_400
RETRY_S = 0.1
RETRY_STATUSES = (httpx2.codes.TOO_MANY_REQUESTS, httpx2.codes.SERVICE_UNAVAILABLE)

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Centre:
    """The running platform as seen from outside."""

    platform: Platform
    client: httpx2.AsyncClient

    async def apply(self, application: Mapping[str, Any], key: str, timeout_s: float = 60) -> Answer:
        """Send an application until it is answered, each time with the same Idempotency-Key. Returns the receipt."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                answer = await self.post(application, key)
                if answer.status_code not in RETRY_STATUSES:
                    assert answer.status_code == httpx2.codes.CREATED, answer.text
                    receipt: Answer = answer.json()
                    return receipt
            except httpx2.TransportError:
                pass  # the outcome is unknown: send it again
            assert time.monotonic() < deadline, f"no answer to an application in {timeout_s:.0f} s"
            await asyncio.sleep(RETRY_S)

    async def post(self, application: Any, key: str | None = None) -> httpx2.Response:
        """Send an application once."""
        headers = {"Idempotency-Key": key} if key else {}
        return await self.client.post(f"{self.platform.api('intake')}/cases", json=application, headers=headers)

    async def show(self, number: str, secret: str) -> httpx2.Response:
        """The answer to an applicant with this case number and secret."""
        address = f"{self.platform.api('intake')}/cases/{number}"
        return await self.client.get(address, headers={"Case-Secret": secret})

    async def follow(self, receipt: Answer, seconds: float = 45) -> Answer:
        """Wait until a case is decided. Returns the case as its applicant sees it then."""
        case: Answer = {}

        async def decided() -> bool:
            shown = await self.show(receipt["number"], receipt["secret"])
            assert shown.status_code == httpx2.codes.OK, shown.text
            case.update(shown.json())
            return bool(case["state"] == "decided")

        await eventually(decided, seconds, f"{receipt['number']} is decided")
        return case

    async def monitor(self, path: str) -> Answer:
        """The answer of monitor to staff."""
        answer = await self.client.get(f"{self.platform.api('monitor')}{path}")
        assert answer.status_code == httpx2.codes.OK, answer.text
        content: Answer = answer.json()
        return content

    async def rows(self, database: str, query: str, *arguments: object) -> list[asyncpg.Record]:
        """The rows of a query in one of the databases."""
        connection = await self.platform.engines.postgres.connect(database)
        try:
            return list(await connection.fetch(query, *arguments))
        finally:
            await connection.close()


def named_in_logs(platform: Platform, applicants: Iterable[Mapping[str, str]]) -> list[str]:
    """Occurrences of applicants' names, and of their numbers without the check character, in the logs."""
    folders = (platform.folder / "logs", *(engine.folder for engine in platform.engines.all))
    logs = [log for folder in folders for log in folder.glob("*.log*")]
    assert {"intake.log", "sandbox-land.log", "kafka.log", "postgres.log"} <= {log.name for log in logs}
    contents = {log.name: log.read_text(errors="replace") for log in logs}
    texts = [text for one in applicants for text in (one["name"], one["id_number"][:-1])]
    return [f"{log}: {text}" for log, content in contents.items() for text in texts if text in content]


@asynccontextmanager
async def running(
    folder: Path, behaviour: Behaviour, days_a_second: float, engines: Engines | None = None
) -> AsyncIterator[Centre]:
    """A centre whose departments all have this behaviour, each with a seed of its own, under a fast clock.

    It has engines of its own, so that a test may kill them, unless it is given some.
    """
    clock = FileClock.create(folder / "clock", BEGINS, speed=0)
    options = with_staff(_options(folder / "clock", behaviour))
    async with platform_on(engines, folder, options) if engines else Platform(folder, options) as platform:
        clock.set(BEGINS, days_a_second * DAY_S)
        async with httpx2.AsyncClient(timeout=15, headers=STAFF) as client:
            yield Centre(platform, client)


def _options(clock: Path, behaviour: Behaviour) -> Options:
    """Departments are polled often, and work of a killed process is taken over after seconds."""
    sandbox = {
        "ONEDOOR_SANDBOX_MEAN_DAYS": str(behaviour.mean_days),
        "ONEDOOR_SANDBOX_SPREAD": str(behaviour.spread),
        "ONEDOOR_SANDBOX_LATE_SHARE": str(behaviour.late_share),
        "ONEDOOR_SANDBOX_LATE_DAYS": str(behaviour.late_days),
        "ONEDOOR_SANDBOX_REFUSED_SHARE": str(behaviour.refused_share),
        "ONEDOOR_SANDBOX_ITEM_DAYS": json.dumps(dict(behaviour.item_days)),
    }
    extra: dict[str, Mapping[str, str]] = {"*": {"ONEDOOR_RELAY_AGE_S": "1", "ONEDOOR_CLOSED_RETENTION_DAYS": "3650"}}
    for system in SYSTEMS:
        extra[f"sandbox-{system}"] = {**sandbox, "ONEDOOR_SANDBOX_SEED": system}
        extra[system] = {
            "ONEDOOR_POLL_INTERVAL_S": "0.25",
            "ONEDOOR_CALL_TIMEOUT_S": "3",
            # The adapter's own limits fit into a call.
            f"ONEDOOR_{system.upper()}_TIMEOUT_S": "1.9",
            "ONEDOOR_LAND_FILE_TIMEOUT_S": "1",
        }
    return Options(clock=str(clock), limited=False, extra=extra)
