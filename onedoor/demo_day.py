"""A supervisor's day in the demonstration: cases come in, warnings and cards fall, an appeal waits."""

import asyncio
import itertools
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import datetime, timedelta
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urljoin

import httpx2
from rich.console import Console

from contracts.bilingual import both
from contracts.working_time import OfficeHours, published_calendar
from contracts.zone import CHINA
from deploy.local.platform import Platform
from deploy.local.processes.child import Notify
from onedoor.demo_accounts import APPELLANT, Account, ready_accounts
from services.runtime.clock import FileClock

WAVE_DAYS, WAVE_A_DAY = 5, 20
"""Working days on which more cases come in before the day, and how many on each."""

REST_DAYS = 8
"""Working days after them in which most are decided, and those that departments forget become late."""

MORNING = timedelta(hours=9, minutes=30)

WAVE_DAYS_A_SECOND, REST_DAYS_A_SECOND = 1.0, 2.0
"""Speed of the clock before the day."""

SPEED = 60.0
"""Seconds of the clock a second while somebody looks: deadlines come nearer, and the month stays."""

EVERY_S = 20.0
"""Machine seconds between two cases while somebody looks."""

REASON = "申请人补正材料期间不应计时，请核实。"

Apply = Callable[[int], Awaitable[None]]
"""Hands in the application with this number."""

_CALENDAR, _HOURS = published_calendar(), OfficeHours()


async def lead_to_a_day(clock: FileClock, apply: Apply) -> int:
    """Let cases come in and time pass up to the morning of a working day. Returns the number of applications."""
    mornings = _mornings(clock.now())
    number = 0
    for _ in range(WAVE_DAYS):
        await _pass_to(clock, next(mornings), WAVE_DAYS_A_SECOND)
        await asyncio.gather(*(apply(number + one) for one in range(WAVE_A_DAY)))
        number += WAVE_A_DAY
    for morning in itertools.islice(mornings, REST_DAYS):
        await _pass_to(clock, morning, REST_DAYS_A_SECOND)
    clock.set(clock.now(), SPEED)
    return number


async def go_on(clock: FileClock, apply: Apply, first: int) -> None:
    """Let cases come in during office hours, without end, and pass over the nights."""
    for number in itertools.count(first):
        if not _is_open(clock.now()):
            await _pass_to(clock, next(_mornings(clock.now())), REST_DAYS_A_SECOND)
            clock.set(clock.now(), SPEED)
        await apply(number)
        await asyncio.sleep(EVERY_S)


async def _pass_to(clock: FileClock, moment: datetime, days_a_second: float) -> None:
    clock.set(clock.now(), days_a_second * 86_400)
    await asyncio.sleep(max(0.0, clock.machine_seconds(moment)))


def _mornings(after: datetime) -> Iterator[datetime]:
    """The mornings of the working days after a day."""
    midnight = datetime.combine(after.astimezone(CHINA).date(), datetime.min.time(), CHINA)
    days = (midnight + timedelta(days=number) for number in itertools.count(1))
    return (day + MORNING for day in days if _CALENDAR.is_working(day.date()))


def _is_open(moment: datetime) -> bool:
    local = moment.astimezone(CHINA)
    time = timedelta(hours=local.hour, minutes=local.minute)
    return _CALENDAR.is_working(local.date()) and _HOURS.opens <= time < _HOURS.closes


async def accounts_and_appeal(client: httpx2.AsyncClient, platform: Platform, notify: Notify) -> list[Account]:
    """Make accounts ready to log in, one of which appeals against a card."""
    accounts = await ready_accounts(platform.issuer_database)
    appellant = next(account for account in accounts if account.person_id == APPELLANT.person)
    if not await _appeal(client, platform.front, appellant):
        notify(both(f"no card of {APPELLANT.department} to appeal against", f"{APPELLANT.department}没有可申诉的牌"))
    return accounts


async def _appeal(client: httpx2.AsyncClient, front: str, account: Account) -> bool:
    """Appeal against a card of the department, as its head does in a browser. Returns whether there is one."""
    session = Session(client, front)
    await session.log_in(account)
    wanted = {"owner": APPELLANT.department, "state": "standing"}
    listed = await session.request("GET", "/api/monitor/alerts", params=wanted)
    cards = [one for one in listed.raise_for_status().json()["alerts"] if one["rung"] in ("yellow", "red")]
    if not cards:
        return False
    answer = await session.request("POST", f"/api/monitor/alerts/{cards[0]['number']}/appeal", json={"reason": REASON})
    answer.raise_for_status()
    return True


def print_accounts(console: Console, front: str, accounts: Sequence[Account]) -> None:
    """Print where to log in, and by which accounts."""
    ready = f"Open {front} and log in by one of these accounts (account, password):"
    console.print(both(ready, "请打开该地址，用以下账号登录（账号、密码）："), soft_wrap=True)
    for account in accounts:
        line = f"  {account.person_id:8} {account.password:20} {account.name}, {account.role}"
        console.print(line, markup=False, highlight=False, soft_wrap=True)


class Session:
    """The session of a person, as a browser keeps it. Browsers send cookies that need TLS to this machine without TLS
    too, and clients do not."""

    def __init__(self, client: httpx2.AsyncClient, front: str) -> None:
        self._client = client
        self._front = front
        self._cookies: dict[str, str] = {}

    async def log_in(self, account: Account) -> None:
        """Log in by the form of the issuer."""
        page = await self.request("GET", "/session/login", params={"next": "/board"})
        fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.text))
        fields = {name: value.replace("&amp;", "&") for name, value in fields.items()}
        form = {**fields, "person": account.person_id, "password": account.password}
        (await self.request("POST", str(page.url), data=form)).raise_for_status()

    async def request(self, method: str, path: str, **content: Any) -> httpx2.Response:
        """The answer, after all redirects."""
        while True:
            headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items())}
            headers |= {"Origin": self._front, "Sec-Fetch-Site": "same-origin", "Accept": "text/html, application/json"}
            answer = await self._client.request(method, urljoin(self._front, path), headers=headers, **content)
            for line in answer.headers.get_list("set-cookie"):
                self._cookies |= {name: one.value for name, one in SimpleCookie(line).items()}
            if not answer.is_redirect:
                return answer
            method, path, content = "GET", urljoin(str(answer.url), answer.headers["location"]), {}
