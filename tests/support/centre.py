"""A whole service centre for tests: every process of it, a clock that runs fast, and applicants who apply."""

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

from deploy.local.platform import Platform
from deploy.local.wiring import Options
from services.departments.sandbox.behaviour import Behaviour
from services.registry import default_systems
from services.runtime.clock import FileClock
from tests.support.waiting import eventually

SYSTEMS = default_systems()

ZONE = ZoneInfo("Asia/Shanghai")
BEGINS = datetime(2026, 3, 2, 9, tzinfo=ZONE)
"""A Monday morning."""

DAY_S = 86_400
LOOK_S = 0.1
COME_AGAIN = (httpx2.codes.TOO_MANY_REQUESTS, httpx2.codes.SERVICE_UNAVAILABLE)

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Centre:
    """The running platform as people outside see it."""

    platform: Platform
    client: httpx2.AsyncClient

    async def apply(self, application: Mapping[str, Any], key: str, patience_s: float = 60) -> Answer:
        """Hand in an application as a careful program does: again, with the same key, until there is an answer."""
        deadline = time.monotonic() + patience_s
        while True:
            try:
                answer = await self.post(application, key)
                if answer.status_code not in COME_AGAIN:
                    assert answer.status_code == httpx2.codes.CREATED, answer.text
                    receipt: Answer = answer.json()
                    return receipt
            except httpx2.TransportError:
                pass  # nobody there, or gone before the answer: nothing is known, so it is said again
            assert time.monotonic() < deadline, f"no answer to an application in {patience_s:.0f} s"
            await asyncio.sleep(LOOK_S)

    async def post(self, application: Any, key: str | None = None) -> httpx2.Response:
        """Hand in an application once."""
        headers = {"Idempotency-Key": key} if key else {}
        return await self.client.post(f"{self.platform.address('intake')}/cases", json=application, headers=headers)

    async def show(self, number: str, secret: str) -> httpx2.Response:
        """What is shown of a case to whoever has this secret."""
        address = f"{self.platform.address('intake')}/cases/{number}"
        return await self.client.get(address, headers={"Case-Secret": secret})

    async def follow(self, receipt: Answer, seconds: float = 45) -> Answer:
        """Look after a case until it is decided and monitor's deadlines are known; how it stands then."""
        case: Answer = {}

        async def decided() -> bool:
            shown = await self.show(receipt["number"], receipt["secret"])
            assert shown.status_code == httpx2.codes.OK, shown.text
            case.update(shown.json())
            return bool(case["state"] == "decided")

        await eventually(decided, seconds, f"{receipt['number']} is decided")
        return case

    async def monitor(self, path: str) -> Answer:
        """What monitor answers to staff."""
        answer = await self.client.get(f"{self.platform.address('monitor')}{path}")
        assert answer.status_code == httpx2.codes.OK, answer.text
        content: Answer = answer.json()
        return content

    async def rows(self, database: str, query: str, *arguments: object) -> list[asyncpg.Record]:
        """What stands in one of the databases."""
        connection = await self.platform.engines.postgres.connect(database)
        try:
            return list(await connection.fetch(query, *arguments))
        finally:
            await connection.close()


def named_in_logs(folder: Path, applicants: Iterable[Mapping[str, str]]) -> list[str]:
    """Where a log of this installation names an applicant or, but for its check character, an applicant's number."""
    logs = [*folder.glob("logs/*.log*"), *folder.glob("kafka/*.log*"), *folder.glob("postgres/*.log*")]
    assert {"intake.log", "sandbox-land.log", "kafka.log", "postgres.log"} <= {log.name for log in logs}
    contents = {log.name: log.read_text(errors="replace") for log in logs}
    words = [word for who in applicants for word in (who["name"], who["id_number"][:-1])]
    return [f"{log}: {word}" for log, content in contents.items() for word in words if word in content]


@asynccontextmanager
async def running(folder: Path, manner: Behaviour, days_a_second: float) -> AsyncIterator[Centre]:
    """A centre whose offices all work in this manner (each with a seed of its own), under a fast clock."""
    clock = FileClock.create(folder / "clock", BEGINS, speed=0)
    async with Platform(folder, _options(folder / "clock", manner)) as platform:
        clock.set(BEGINS, days_a_second * DAY_S)
        async with httpx2.AsyncClient(timeout=15) as client:
            yield Centre(platform, client)


def _options(clock: Path, manner: Behaviour) -> Options:
    """Offices look often; what a killed process has left undone is taken up by another after seconds."""
    office = {
        "ONEDOOR_SANDBOX_MEAN_DAYS": str(manner.mean_days),
        "ONEDOOR_SANDBOX_SPREAD": str(manner.spread),
        "ONEDOOR_SANDBOX_LATE_SHARE": str(manner.late_share),
        "ONEDOOR_SANDBOX_LATE_DAYS": str(manner.late_days),
        "ONEDOOR_SANDBOX_REFUSED_SHARE": str(manner.refused_share),
        "ONEDOOR_SANDBOX_ITEM_DAYS": json.dumps(dict(manner.item_days)),
    }
    extra: dict[str, Mapping[str, str]] = {"*": {"ONEDOOR_RELAY_AGE_S": "1", "ONEDOOR_CLOSED_RETENTION_DAYS": "3650"}}
    for system in SYSTEMS:
        extra[f"sandbox-{system}"] = {**office, "ONEDOOR_SANDBOX_SEED": system}
        extra[system] = {"ONEDOOR_POLL_INTERVAL_S": "0.1", "ONEDOOR_CALL_TIMEOUT_S": "3"}
    return Options(clock=str(clock), extra=extra)
