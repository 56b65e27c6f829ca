"""The day of a supervisor in the demonstration: time passes to a working morning, and a head appeals in a session."""

from datetime import datetime
from pathlib import Path

from contracts.bilingual import both
from contracts.zone import CHINA
from onedoor import demo_day
from onedoor.demo_accounts import Account
from onedoor.temporary_run import local_client
from services.runtime.clock import FileClock
from tests.support.front.fronting import Fronting
from tests.support.identity.issuing import PASSWORD

THURSDAY = datetime(2026, 4, 30, 16, tzinfo=CHINA)
"""The last working day before the holidays of May."""


class JumpingClock(FileClock):
    """A clock that shows at once the moment for which somebody waits."""

    def machine_seconds(self, until: datetime) -> float:
        self.set(until, 0)
        return 0.0


async def test_cases_come_in_on_working_mornings_and_then_a_day_begins(tmp_path: Path) -> None:
    FileClock.create(tmp_path / "clock", THURSDAY, speed=0)
    clock = JumpingClock(tmp_path / "clock")
    came: dict[int, datetime] = {}

    async def apply(number: int) -> None:
        came[number] = clock.now().astimezone(CHINA)

    count = await demo_day.lead_to_a_day(clock, apply)
    assert sorted(came) == list(range(count)) and count == demo_day.WAVE_DAYS * demo_day.WAVE_A_DAY
    days = sorted({at.date().isoformat() for at in came.values()})
    assert days == [f"2026-05-{day:02}" for day in (6, 7, 8, 9, 11)], "after the holidays, the make-up day included"
    assert clock.now().astimezone(CHINA).date().isoformat() == "2026-05-21"


async def test_a_person_of_the_demonstration_has_a_session_as_a_browser_has(running: Fronting) -> None:
    account = Account("wang-fang", "王芳", both("head", "负责人"), PASSWORD)
    async with local_client(timeout_s=10) as client:
        session = demo_day.Session(client, running.url)
        await session.log_in(account)
        assert (await session.request("GET", "/board")).status_code == 200
        answer = await session.request("POST", "/api/monitor/alerts/7/appeal", json={"reason": "x"})
    assert answer.status_code == 200
    assert running.monitor.latest.subject is not None, "the request went on under the person's name"
