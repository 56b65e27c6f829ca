"""The issuer follows the directory on the real Kafka: who may log in, and who may manage people."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import ClientSession
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.envelope import Document
from contracts.messages.documents import Absence, PostsPublished, PublishedPost
from contracts.zone import CHINA
from services.identity.core.accounts import people_of
from services.identity.store.listing import Wanted
from services.identity.web.people.acts import listed
from services.runtime.clock import machine_now
from services.runtime.failures import Failures
from services.runtime.kafka.documents import TOPIC, Documents
from services.runtime.kafka.topics import Topics
from services.runtime.settings import Settings
from services.runtime.store.database import open_database
from tests.support.identity.browser import Browser
from tests.support.identity.issuing import PASSWORD, Issuing, issuing
from tests.support.identity.program import Program, content
from tests.support.waiting import eventually

KEY = SecretStr("d" * 32)

MANAGERS = tuple(PublishedPost(role="centre_manager", person=one) for one in ("zheng", "qian"))
CLERK = PublishedPost(role="window_clerk", person="wang-fang")
IMPORTING = PublishedPost(role="importing_system", person="importing")
AUDITOR = PublishedPost(role="auditor", person="shen")
TODAY = machine_now().astimezone(CHINA).date()


class Monitor:
    """The service that publishes the directory."""

    def __init__(self, kafka: str, database: str, prefix: str) -> None:
        settings = Settings(
            service="monitor",
            kafka=kafka,
            topic_prefix=prefix,
            systems=("tax",),
            database=SecretStr(database),
            secret_key=KEY,
            documents_key=KEY,
        )
        self._database = open_database(database, "onedoor test", 2)
        self._topics = Topics(settings, [TOPIC])
        self._documents = Documents(settings, self._database, Failures(), lambda _: None)

    async def publish(self, running: Issuing, *posts: PublishedPost, leave: tuple[Absence, ...] = ()) -> None:
        """Publish this directory, and wait until the issuer has it in force."""
        published = PostsPublished(posts=posts, leave=leave)

        async def in_force(_: AsyncConnection) -> Document | None:
            return published

        async def followed() -> bool:
            await self._documents.publish(in_force)
            found = await listed(running.issuer, Wanted(), 100)
            there = {one.person_id for one in found if one.left_at is None}
            return running.issuer.access.holders is not None and there == people_of(published, TODAY)

        await eventually(followed, 15)

    async def __aenter__(self) -> "Monitor":
        await self._topics.ensure()
        self._following = asyncio.create_task(self._documents.run(self._topics.ensure))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._following.cancel()
        await asyncio.gather(self._following, return_exceptions=True)
        await self._topics.close()
        await self._database.dispose()


@pytest.fixture
def prefix() -> str:
    return f"{uuid4().hex[:8]}-"


@pytest.fixture
async def monitor(kafka_address: str, monitor_database: str, prefix: str) -> AsyncIterator[Monitor]:
    async with Monitor(kafka_address, monitor_database, prefix) as monitor:
        yield monitor


@pytest.fixture
async def running(
    issuer_database: str, kafka_address: str, monitor: Monitor, prefix: str, tmp_path: Path
) -> AsyncIterator[Issuing]:
    """An issuer that follows the directory, with the accounts of all people of these tests."""
    own: dict[str, Any] = {"kafka": kafka_address, "topic_prefix": prefix, "documents_key": KEY}
    async with issuing(issuer_database, tmp_path, **own) as running:
        for person in ("wang-fang", "zheng", "qian", "shen", "he"):
            await running.with_password(person)
        yield running


class Person:
    """A person who has logged in, and calls the API of the issuer."""

    def __init__(self, running: Issuing, person_id: str) -> None:
        self._running = running
        self._person_id = person_id

    async def call(self, method: str, path: str, **body: str) -> tuple[int, Any]:
        """The status and the content of the answer."""
        async with ClientSession(self._running.url, headers=await self._headers()) as http:
            sent = body if method == "POST" else None
            async with http.request(method, f"/api/identity{path}", json=sent) as answer:
                return answer.status, await answer.json() if answer.content_length else None

    async def read(self, path: str) -> tuple[int, str]:
        """The status and the text of a page."""
        async with ClientSession(self._running.url, headers=await self._headers()) as http, http.get(path) as answer:
            return answer.status, await answer.text()

    async def _headers(self) -> dict[str, str]:
        async with Browser(self._running.url) as browser:
            token = (await Program(browser).tokens(self._person_id))["access_token"]
            return {"Authorization": f"Bearer {token}", "Accept-Language": "en"}


async def test_a_person_who_leaves_the_directory_loses_the_live_login_and_comes_back(
    running: Issuing, monitor: Monitor, browser: Browser, pages: Program
) -> None:
    await monitor.publish(running, *MANAGERS, CLERK, IMPORTING, PublishedPost(role="window_clerk", person="li-na"))
    tokens = await pages.tokens()
    await monitor.publish(running, *MANAGERS, IMPORTING)
    assert content(await pages.refresh(tokens["refresh_token"]))["error"] == "invalid_grant"
    assert (await browser.get(pages.request())).location.startswith("/login")
    assert "人员名录" in (await browser.get("/login")).text
    assert (await browser.log_in("wang-fang", PASSWORD)).status == 401
    assert (await running.recorded())[0][:3] == ("login", "left", "wang-fang")
    await monitor.publish(running, *MANAGERS, CLERK)
    assert (await browser.log_in("wang-fang", PASSWORD)).status == 303
    happened = [entry[:3] for entry in await running.recorded() if entry.outcome == "by the directory"]
    assert ("returned", "by the directory", "wang-fang") in happened
    assert ("added", "by the directory", "li-na") in happened
    assert "importing" not in {entry.person_id for entry in await running.recorded()}


async def test_an_account_that_was_disabled_by_hand_stays_disabled_whatever_the_directory_says(
    running: Issuing, monitor: Monitor, browser: Browser, pages: Program
) -> None:
    await monitor.publish(running, *MANAGERS, CLERK)
    tokens = await pages.tokens()
    manager = Person(running, "zheng")
    assert (await manager.call("POST", "/people/wang-fang/disable", reason="suspended"))[0] == 204
    assert content(await pages.refresh(tokens["refresh_token"]))["error"] == "invalid_grant"
    await monitor.publish(running, *MANAGERS)
    await monitor.publish(running, *MANAGERS, CLERK)
    assert (await browser.log_in("wang-fang", PASSWORD)).status == 401
    status, found = await manager.call("GET", "/people?text=wang")
    assert status == 200 and [(one["person"], one["state"]) for one in found["people"]] == [("wang-fang", "disabled")]
    assert (await manager.call("POST", "/people/wang-fang/enable", reason="back"))[0] == 204
    assert (await browser.log_in("wang-fang", PASSWORD)).status == 303
    assert (await manager.call("POST", "/people/zheng/disable", reason="a mistake"))[0] == 409
    reasons = [(one.event, one.by, one.reason) for one in await running.recorded() if one.by is not None]
    assert reasons == [("enabled", "zheng", "back"), ("disabled", "zheng", "suspended")]


async def test_an_enrolment_takes_two_managers_and_ends_what_let_the_person_in_before(
    running: Issuing, monitor: Monitor, browser: Browser, pages: Program
) -> None:
    await monitor.publish(running, *MANAGERS, CLERK)
    tokens = await pages.tokens()
    asking, giving = Person(running, "zheng"), Person(running, "qian")
    for _ in range(2):
        status, asked = await asking.call("POST", "/people/wang-fang/enrolment", reason="the telephone is lost")
        assert status == 200 and asked["code"] is None
    waiting = (await giving.call("GET", "/people?waiting=true"))[1]["people"]
    assert [(one["person"], one["asked"]["person"]) for one in waiting] == [("wang-fang", "zheng")]
    code = (await giving.call("POST", "/people/wang-fang/enrolment", reason="seen in person"))[1]["code"]
    assert (await pages.refresh(tokens["refresh_token"])).status == 200, "nothing ends before the code is used"
    words = "blue kettle under the stairs"
    async with Browser(running.url) as own:
        page = await own.get("/enrol")
        assert (await own.submit(page, "/enrol", code=code.lower(), password=words, repeat=words)).status == 200
    assert (await browser.log_in("wang-fang", PASSWORD)).status == 401
    given = [one for one in await running.recorded() if one.outcome == "code"]
    assert [(one.by, one.asked_by, one.person_id) for one in given] == [("qian", "zheng", "wang-fang")]


async def test_a_manager_unlocks_ends_logins_and_withdraws_an_enrolment(
    running: Issuing, monitor: Monitor, browser: Browser, pages: Program
) -> None:
    await monitor.publish(running, *MANAGERS, CLERK)
    manager, second = Person(running, "zheng"), Person(running, "qian")

    async def do(act: str) -> int:
        return (await manager.call("POST", f"/people/wang-fang/{act}", reason="asked at the window"))[0]

    tokens = await pages.tokens()
    assert await do("end-sessions") == 204
    assert content(await pages.refresh(tokens["refresh_token"]))["error"] == "invalid_grant"
    async with Browser(running.url) as guessing:
        for _ in range(8):
            await guessing.log_in("wang-fang", "a wrong password")
        assert (await manager.call("GET", "/people?text=wang"))[1]["people"][0]["state"] == "locked"
        assert await do("unlock") == 204
        assert (await guessing.log_in("wang-fang", PASSWORD)).status == 303
    await manager.call("POST", "/people/wang-fang/enrolment", reason="lost")
    code = (await second.call("POST", "/people/wang-fang/enrolment", reason="seen"))[1]["code"]
    assert await do("withdraw-enrolment") == 204
    page = await browser.get("/enrol")
    words = "blue kettle under the stairs"
    assert (await browser.submit(page, "/enrol", code=code, password=words, repeat=words)).status == 403
    assert await do("dance") in (404, 422)
    assert {one.by for one in await running.recorded() if one.reason == "asked at the window"} == {"zheng"}


async def test_an_auditor_reads_the_logins_and_nobody_else_does(running: Issuing, monitor: Monitor) -> None:
    await monitor.publish(running, *MANAGERS, CLERK, AUDITOR)
    async with Browser(running.url) as guessing:
        await guessing.log_in("wang-fang", "a wrong password")
    status, record = await Person(running, "shen").call("GET", "/record?person=wang-fang")
    assert status == 200 and [entry["outcome"] for entry in record["entries"]] == ["wrong password"]
    status, page = await Person(running, "shen").read("/record/identity?person=wang-fang")
    assert status == 200 and "wrong password" in page
    assert (await Person(running, "zheng").read("/record/identity"))[0] == 403
    for person, path in (("zheng", "/record"), ("wang-fang", "/record"), ("shen", "/people"), ("wang-fang", "/people")):
        assert (await Person(running, person).call("GET", path))[0] == 403, (person, path)
    assert (await Person(running, "shen").call("POST", "/people/zheng/disable", reason="x"))[0] == 403


async def test_a_deputy_manages_people_during_the_leave_and_not_after_it(running: Issuing, monitor: Monitor) -> None:
    manager = PublishedPost(role="centre_manager", person="zheng", deputy="he")
    deputy, yesterday = Person(running, "he"), TODAY - timedelta(days=1)
    await monitor.publish(running, manager, CLERK, leave=(Absence(person="zheng", since=yesterday, until=yesterday),))
    running.clock.ahead = timedelta(days=-1)
    assert (await deputy.call("GET", "/people"))[0] == 200
    running.clock.ahead = timedelta()
    assert (await deputy.call("GET", "/people"))[0] == 403
    await monitor.publish(running, manager, CLERK, leave=(Absence(person="zheng", since=yesterday, until=TODAY),))

    async def done() -> bool:
        return (await deputy.call("POST", "/people/wang-fang/disable", reason="for zheng"))[0] == 204

    await eventually(done)
    assert (await running.recorded())[0][-4:] == ("he", "zheng", "for zheng", None)


async def test_without_kafka_nobody_manages_people_here_and_is_told_why(issuer_database: str, tmp_path: Path) -> None:
    async with issuing(issuer_database, tmp_path) as running:
        await running.with_password("zheng")
        status, problem = await Person(running, "zheng").call("GET", "/people")
        assert status == 503 and "ONEDOOR_KAFKA" in problem["detail"]
