"""Notifications of alerts, on a real PostgreSQL, a real mail server and a real server of web hooks."""

import asyncio
import base64
import json
import socket
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from aiohttp import web
from pydantic import SecretStr
from sqlalchemy import event, text
from standardwebhooks import Webhook

from contracts.envelope import Message, envelop
from contracts.messages.alerts import (
    AlertAcknowledged,
    AlertAppealed,
    AlertClosed,
    AlertRaised,
    AlertWithdrawn,
    AppealDecided,
    Rung,
)
from services.monitor.app import SERVICE
from services.monitor.core.notifications.directory_file import DirectoryFile
from services.monitor.core.state import MonitoredCase
from services.monitor.notifications import digest_sender
from services.monitor.notifications.digest_builder import DigestBuilder
from services.monitor.notifications.digest_collector import MAX_ALERTS, DigestCollector
from services.monitor.notifications.digest_sender import DigestSender
from services.monitor.settings import MonitorSettings
from services.monitor.store.notifications import directory_store
from services.monitor.store.projection import project
from services.runtime.clock import FileClock
from services.runtime.http.app import application
from services.runtime.process import ServiceProcess
from services.runtime.settings import Settings
from services.runtime.store.database import DedicatedConnection
from services.runtime.store.documents import Superseded
from services.runtime.yaml_file import read_yaml
from tests.integration.monitor.receivers import Hooks, Post, hook_server, mail_server
from tests.support.monitor_histories import at

FRIDAY = at("2026-03-06 16:00")
SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
NOW = timedelta()

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


class Centre:
    """Monitor's notification jobs on a database of its own. A test runs each of them when it wants."""

    def __init__(
        self, process: ServiceProcess[MonitoredCase], clock: FileClock, folder: Path, post: Post, hooks: Hooks
    ) -> None:
        self.process = process
        self.clock = clock
        self.file = folder / "digests.jsonl"
        self.post = post
        self.hooks = hooks
        channels = {
            "mail": f"mailto://127.0.0.1:{post.port}/?from=onedoor@example.gov.cn&to={{address}}&format=text",
            "hook": {"hook": f"{hooks.url}/hook/{{address}}", "secret": SECRET},
            "file": {"file": str(self.file)},
        }
        self.settings = MonitorSettings.model_validate({"channels": channels})
        self.sender = self.another_sender()

    def another_sender(self) -> DigestSender:
        return DigestSender(self.process.database, self.settings.channels, 5.0)

    def collector(self) -> DigestCollector:
        return DigestCollector(self.process.database, self.clock)

    def builder(self, quiet: timedelta = NOW, longest: timedelta = timedelta(hours=1)) -> DigestBuilder:
        return DigestBuilder(self.process.database, self.clock, quiet, longest)

    async def say(self, *messages: tuple[int, Message]) -> None:
        """As a batch does."""
        published = [
            envelop(message, id=uuid4(), source="/test", subject=number(case), time=self.clock.now())
            for case, message in messages
        ]
        line = DedicatedConnection(self.process.database)
        async with line.acquire() as driver:
            for statement, arguments in project(published):
                await driver.execute(statement, *arguments)
        await line.close()

    async def alerts(self, *cases: int, rung: Rung = Rung.YELLOW, owner: str = "Tax") -> None:
        await self.say(*((case, self.raised(rung, owner)) for case in cases))

    def raised(self, rung: Rung = Rung.YELLOW, owner: str = "Tax") -> AlertRaised:
        now = self.clock.now()
        place = {"owner": owner, "matter": "transfer-property", "region": "450302"}
        return AlertRaised.model_validate(
            {"commitment": "case", "rung": rung, "due_at": now, "raised_at": now, **place}
        )

    async def directory(self, text: str = DIRECTORY) -> int | None:
        async with self.process.database.begin() as connection:
            return await directory_store.put(connection, read_yaml(DirectoryFile, text.encode()), "test")

    async def collect(self) -> None:
        while await self.collector().run_once():
            pass

    async def notify(self) -> None:
        """Everything that is due, to everybody."""
        await self.collect()
        while await self.builder().run_once():
            pass
        while await self.sender.run_once():
            pass

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        async with self.process.database.connect() as connection:
            return [tuple(row) for row in await connection.execute(text(query))]

    async def execute(self, statement: str) -> None:
        async with self.process.database.begin() as connection:
            await connection.execute(text(statement))

    async def entries(self) -> Counter[tuple[str, str, int]]:
        """Counts entries by person, kind and level."""
        return Counter(
            (person, kind, level)
            for person, kind, level in await self.rows("SELECT person, kind, level FROM digest_entries")
        )

    async def notify_at(self) -> datetime | None:
        ((moment,),) = await self.rows("SELECT notify_at FROM alerts")
        return moment  # type: ignore[no-any-return]

    def http(self) -> httpx2.AsyncClient:
        transport = httpx2.ASGITransport(
            application(self.process.service, self.process, self.process.faults), client=("127.0.0.1", 4711)
        )
        return httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000")


def number(case: int) -> str:
    return f"0000-0000-{case:04}-1"


@pytest.fixture
async def centre(database_url: str, tmp_path: Path) -> AsyncIterator[Centre]:
    clock = FileClock.create(tmp_path / "clock", FRIDAY, speed=0)
    settings = Settings(
        service="monitor",
        systems=("tax",),
        database=SecretStr(database_url),
        secret_key=SecretStr("k" * 32),
        clock=str(tmp_path / "clock"),
    )
    host = ServiceProcess(SERVICE, settings)
    async with mail_server() as post, hook_server() as hooks:
        yield Centre(host, clock, tmp_path, post, hooks)
    await host.database.dispose()


def lines(file: Path) -> list[Any]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []


# -- collecting --------------------------------------------------------------------------------------------------------


async def test_a_flood_is_one_digest_a_person_and_one_mail(centre: Centre) -> None:
    await centre.directory()
    await centre.alerts(*range(3000))
    await centre.notify()
    (mail,) = centre.post.mails
    assert mail["To"] == "wang@example.gov.cn"
    assert mail["Subject"] == "onedoor 督办：黄牌3000件"
    body = mail.get_content()
    assert "Tax：黄牌3000件" in body and "另有2950条" in body
    assert body.count("0000-0000-") == 50
    assert await centre.entries() == {("wang", "rung", 0): 3000}
    ((id, sent_at),) = await centre.rows("SELECT id, sent_at FROM digest_deliveries")
    assert mail["X-Onedoor-Delivery"] == str(id) and sent_at is not None
    await centre.notify()
    assert len(centre.post.mails) == 1, "nobody is notified twice"


async def test_alerts_wait_until_a_directory_is_in_force(centre: Centre) -> None:
    await centre.alerts(1)
    collector = centre.collector()
    for _ in range(2):
        assert not await collector.run_once()
    assert await centre.entries() == {} and await centre.notify_at() == FRIDAY
    assert await centre.directory() == 1
    await collector.run_once()
    await centre.notify()
    assert len(centre.post.mails) == 1


async def test_statements_do_not_grow_with_the_alerts(centre: Centre) -> None:
    await centre.directory()
    counts: list[int] = []

    def count(*_: object) -> None:
        counts[-1] += 1

    event.listen(centre.process.database.sync_engine, "before_cursor_execute", count)
    for cases in (range(1, 3), range(1000, 1000 + MAX_ALERTS)):
        await centre.alerts(*cases)
        counts.append(0)
        await centre.collector().run_once()
    assert counts[0] == counts[1] <= 7


async def test_an_alert_escalates_by_working_hours_until_it_is_acknowledged(centre: Centre) -> None:
    await centre.directory()
    await centre.alerts(1)
    await centre.notify()
    monday = at("2026-03-09 11:30")  # four hours of business later: one and a half on Friday
    assert await centre.notify_at() == monday
    centre.clock.set(monday - timedelta(seconds=1), 0)
    await centre.notify()
    assert await centre.entries() == {("wang", "rung", 0): 1}
    centre.clock.set(monday, 0)
    await centre.notify()
    assert await centre.entries() == {("wang", "rung", 0): 1, ("smith", "rung", 1): 1}
    published = json.loads(centre.hooks.posted[0][1])["data"]
    assert published["subject"] == "onedoor: 1 yellow card" and "escalated 1 times" in published["text"]

    await centre.say(
        (1, AlertAcknowledged(commitment="case", rung=Rung.YELLOW, by="smith", reason="on it", acknowledged_at=monday))
    )
    centre.clock.set(monday + timedelta(days=30), 0)
    await centre.notify()
    assert sum((await centre.entries()).values()) == 2


async def test_escalation_ends_with_the_highest_role(centre: Centre) -> None:
    await centre.directory()
    await centre.alerts(1)
    for days in range(10):
        centre.clock.set(FRIDAY + timedelta(days=days), 0)
        await centre.notify()
    assert await centre.entries() == {("wang", "rung", 0): 1, ("smith", "rung", 1): 1, ("chen", "rung", 2): 1}
    assert await centre.notify_at() is None
    assert [line["data"]["person"] for line in lines(centre.file)] == ["chen"]


async def test_a_rung_does_not_escalate_while_a_higher_one_stands(centre: Centre) -> None:
    await centre.directory()
    await centre.alerts(1, rung=Rung.YELLOW)
    await centre.collect()
    await centre.alerts(1, rung=Rung.RED)
    centre.clock.set(centre.clock.now() + timedelta(days=7), 0)
    await centre.collect()
    assert await centre.rows("SELECT rung, max(level) FROM digest_entries GROUP BY rung ORDER BY rung") == [
        ("red", 0),
        ("yellow", 0),
    ]
    assert await centre.rows("SELECT rung FROM alerts WHERE notify_at IS NOT NULL") == [("red",)]


async def test_an_answered_commitment_makes_no_entry(centre: Centre) -> None:
    await centre.directory()
    await centre.say((1, centre.raised()), (1, AlertClosed(commitment="case", ended_at=FRIDAY, region="450302")))
    await centre.notify()
    assert await centre.entries() == {}


# -- withdrawn, appealed -----------------------------------------------------------------------------------------------


def withdrawn(moment: datetime) -> AlertWithdrawn:
    return AlertWithdrawn(commitment="case", rung=Rung.YELLOW, reason="it was in time", withdrawn_at=moment)


async def test_an_alert_withdrawn_before_its_digest_is_built_makes_no_entry(centre: Centre) -> None:
    await centre.directory()
    await centre.say((1, centre.raised()), (1, withdrawn(FRIDAY)))
    await centre.notify()
    assert await centre.entries() == {}
    await centre.alerts(2, 3)
    await centre.collect()  # collected, and not built yet
    await centre.say((2, withdrawn(FRIDAY)))
    await centre.notify()
    (mail,) = centre.post.mails
    assert mail["Subject"] == "onedoor 督办：黄牌1件" and number(3) in mail.get_content()

    await centre.alerts(4)
    await centre.collect()
    await centre.say((4, withdrawn(FRIDAY)))
    await centre.notify()
    assert len(centre.post.mails) == 1, "no entry is left"
    assert await centre.rows("SELECT count(*) FROM digests WHERE built_at IS NULL") == [(0,)]


async def test_a_withdrawal_is_sent_to_the_recipients_of_the_alert(centre: Centre) -> None:
    await centre.directory()
    await centre.alerts(1)
    await centre.notify()
    await centre.say((1, withdrawn(FRIDAY)))
    await centre.notify()
    assert [mail["Subject"] for mail in centre.post.mails] == ["onedoor 督办：黄牌1件", "onedoor 督办：撤销1件"]
    assert "黄牌已撤销" in centre.post.mails[1].get_content()
    assert await centre.notify_at() is None


async def test_supervisors_are_notified_of_an_appeal_and_everybody_concerned_of_the_decision(centre: Centre) -> None:
    await centre.directory()
    await centre.alerts(1)
    await centre.notify()
    of = {"commitment": "case", "rung": Rung.YELLOW}
    appealed = AlertAppealed.model_validate({**of, "by": "chen", "reason": "handed in late", "appealed_at": FRIDAY})
    await centre.say((1, appealed))
    await centre.notify()
    assert await centre.entries() == {("wang", "rung", 0): 1, ("smith", "appeal", 0): 1}
    assert json.loads(centre.hooks.posted[0][1])["data"]["counts"] == {"appeal": 1}
    assert await centre.notify_at() == at("2026-03-09 11:30"), "an appeal does not stop the climb"

    decided = AppealDecided.model_validate(
        {**of, "by": "smith", "upheld": True, "reason": "so it was", "decided_at": FRIDAY}
    )
    await centre.say((1, decided), (1, withdrawn(FRIDAY)))
    await centre.notify()
    entries = await centre.entries()
    assert {person for person, kind, _ in entries if kind == "decision"} == {"wang", "smith", "chen"}
    assert not any(kind == "withdrawn" for _, kind, _ in entries), "the decision says so"
    assert "对黄牌的申诉成立" in lines(centre.file)[0]["data"]["text"]


# -- building ----------------------------------------------------------------------------------------------------------


async def test_a_digest_is_built_when_it_is_quiet_or_open_for_long(centre: Centre) -> None:
    await centre.directory()
    await centre.alerts(1)
    await centre.collect()
    half_a_minute, five = timedelta(seconds=30), timedelta(minutes=5)

    async def is_built() -> bool:
        await centre.builder(half_a_minute, five).run_once()
        return await centre.rows("SELECT built_at IS NOT NULL FROM digests") == [(True,)]

    assert not await is_built()
    await centre.execute("UPDATE digests SET last_entry_at = now() - interval '29 s'")
    assert not await is_built()
    await centre.alerts(2)
    await centre.execute("UPDATE digests SET last_entry_at = now() - interval '40 s'")
    await centre.collect()  # joins it, and begins the quiet anew
    assert not await is_built()
    await centre.execute("UPDATE digests SET opened_at = now() - interval '301 s'")
    assert await is_built()
    assert await centre.entries() == {("wang", "rung", 0): 2}
    await centre.alerts(3)
    await centre.collect()
    assert len(await centre.rows("SELECT number FROM digests")) == 2, "a digest that is built gets no more entries"


# -- several replicas, and crashes -------------------------------------------------------------------------------------


async def test_two_replicas_notify_everybody_once(centre: Centre) -> None:
    await centre.directory()
    owners = [f"Office {n}" for n in range(3)]
    for rung in (Rung.WARNING, Rung.RED):
        await centre.say(*((case, centre.raised(rung, owners[case % 3])) for case in range(2500)))
    steps = (centre.collector, centre.builder, centre.another_sender)
    replicas = [[step().run_once for step in steps] for _ in range(3)]

    async def run(steps: Sequence[Any]) -> None:
        for step in steps:
            while await step():
                pass

    await asyncio.gather(*(run(steps) for steps in replicas))
    await centre.notify()
    entries = await centre.entries()
    assert entries == {("wang", "rung", 0): 2500, ("smith", "rung", 0): 2500}
    sent = await centre.rows("SELECT count(*), count(*) FILTER (WHERE attempts = 1) FROM digest_deliveries")
    assert sent == [(len(centre.post.mails) + len(centre.hooks.posted),) * 2]
    ids = [headers["webhook-id"] for headers, _ in centre.hooks.posted]
    assert len(set(ids)) == len(ids)


async def test_a_crash_before_the_commit_repeats_a_delivery_with_the_same_id(
    centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    await centre.directory()
    await centre.alerts(1, rung=Rung.RED)
    await centre.collect()
    await centre.builder().run_once()

    class Killed(Exception):
        pass

    async def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(DigestSender, "_mark_sent", die)
        with pytest.raises(Killed):
            await centre.sender.run_once()
    await centre.sender.run_once()
    assert len(centre.hooks.posted) == 1, "while the lease lasts nobody else sends it"
    await centre.execute("UPDATE digest_deliveries SET next_attempt_at = now()")  # the lease is over
    await centre.sender.run_once()
    await centre.sender.run_once()
    first, second = (headers["webhook-id"] for headers, _ in centre.hooks.posted)
    assert first == second
    assert await centre.rows("SELECT attempts, sent_at IS NOT NULL, next_attempt_at FROM digest_deliveries") == [
        (2, True, None)
    ]


# -- channels ----------------------------------------------------------------------------------------------------------


async def test_a_web_hook_is_signed_as_the_standard_says(centre: Centre) -> None:
    await centre.directory()
    await centre.alerts(1, rung=Rung.RED)
    await centre.notify()
    ((headers, body),) = centre.hooks.posted
    published = Webhook(SECRET).verify(body, headers)
    assert published["type"] == "onedoor.digest.v1"
    assert published["data"]["subject"] == "onedoor: 1 red card" and number(1) in published["data"]["text"]
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(SECRET).verify(body + b" ", headers)


async def test_a_failed_delivery_backs_off_and_is_given_up(centre: Centre) -> None:
    await centre.directory()
    await centre.alerts(1, rung=Rung.RED)
    centre.hooks.answers = [lambda: web.Response(status=500)]
    await centre.notify()
    pauses = []
    for _ in range(9):
        ((error, pause),) = await centre.rows(
            "SELECT error, round(extract(epoch FROM next_attempt_at - clock_timestamp())) FROM digest_deliveries"
        )
        assert error == "the web hook answered 500"
        pauses.append(int(pause))
        await centre.execute("UPDATE digest_deliveries SET next_attempt_at = now()")
        await centre.sender.run_once()
    assert pauses == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]
    async with centre.http() as http:
        (open_,) = (await http.get("/digests", params={"state": "unsent"})).json()["digests"]
        assert open_["deliveries"][0]["attempts"] == 10
        assert (await http.get("/digests", params={"state": "failed"})).json()["digests"] == []
        assert (await http.post(f"/digests/{open_['number']}/retry")).status_code == httpx2.codes.NOT_FOUND

        await centre.execute(
            "UPDATE digest_deliveries SET retry_since = now() - interval '1 day', next_attempt_at = now()"
        )
        await centre.sender.run_once()
        (failed,) = (await http.get("/digests", params={"state": "failed"})).json()["digests"]
        (address,) = failed["deliveries"]
        assert address["given_up_at"] is not None and address["next_attempt_at"] is None
        await centre.sender.run_once()
        assert len(centre.hooks.posted) == 11, "nobody tries any more"

        centre.hooks.answers = [web.Response]
        assert (await http.post(f"/digests/{failed['number']}/retry")).status_code == httpx2.codes.ACCEPTED
        await centre.sender.run_once()
        assert (await http.get("/digests", params={"state": "unsent"})).json()["digests"] == []
    assert len({headers["webhook-id"] for headers, _ in centre.hooks.posted}) == 1


async def test_a_redirect_is_not_followed(centre: Centre) -> None:
    await centre.directory()
    await centre.alerts(1, rung=Rung.RED)
    centre.hooks.answers = [lambda: web.Response(status=307, headers={"Location": "/stolen"})]
    await centre.notify()
    assert centre.hooks.elsewhere == 0
    assert await centre.rows("SELECT error FROM digest_deliveries") == [("the web hook answered 307",)]


@pytest.mark.parametrize("refuses", ["550 no such mailbox", "451 come back later"])
async def test_a_refused_mail_is_repeated_until_it_is_accepted(centre: Centre, refuses: str) -> None:
    await centre.directory()
    await centre.alerts(1)
    centre.post.refuses = refuses
    await centre.notify()
    ((error, sent_at),) = await centre.rows("SELECT error, sent_at FROM digest_deliveries")
    assert error.startswith("failure") and sent_at is None
    centre.post.refuses = None
    await centre.execute("UPDATE digest_deliveries SET next_attempt_at = now()")
    await centre.sender.run_once()
    (mail,) = centre.post.mails
    assert await centre.rows("SELECT id::text, error FROM digest_deliveries") == [(mail["X-Onedoor-Delivery"], None)]


async def test_an_unreachable_channel_a_missing_one_and_a_missing_person_are_visible_failures(
    centre: Centre, tmp_path: Path
) -> None:
    await centre.directory()
    await centre.alerts(1, owner="Lost")
    await centre.notify()
    assert await centre.rows("SELECT error FROM digest_deliveries") == [
        ("there is no channel 'pigeon': ONEDOOR_CHANNELS does not name it",)
    ]
    await centre.alerts(2, owner="Lost")
    await centre.collect()
    left = DIRECTORY.replace('  - {id: nowhere, name: 钱立, addresses: ["pigeon:roof"]}\n', "")
    left = left.replace("  - {role: head, department: Lost, person: nowhere}\n", "")
    assert await centre.directory(left) == 2
    await centre.notify()
    found = await centre.rows("SELECT error FROM digest_deliveries WHERE address = ''")
    assert found == [("this person has left the directory",)]

    centre.file.mkdir()
    await centre.alerts(3, rung=Rung.OVERSIGHT)
    await centre.notify()
    assert ("the file is not written: Is a directory",) in await centre.rows("SELECT error FROM digest_deliveries")


async def test_a_silent_receiver_is_a_failure(centre: Centre) -> None:
    await centre.directory()
    await centre.alerts(1, rung=Rung.RED)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and never answers
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        channels = MonitorSettings.model_validate({"channels": {"hook": {"hook": url, "secret": SECRET}}}).channels
        centre.sender = DigestSender(centre.process.database, channels, 0.2)
        await centre.notify()
    assert await centre.rows("SELECT error FROM digest_deliveries") == [("no answer within 0.2 s",)]


# -- what staff see ----------------------------------------------------------------------------------------------------


async def test_staff_see_the_directory_and_the_recipients(centre: Centre) -> None:
    asked = {"rung": "yellow", "owner": "Tax", "region": "450302", "item": "transfer-property"}
    async with centre.http() as http:
        for path in ("/directory", "/directory/recipients"):
            assert (await http.get(path, params=asked if path.endswith("recipients") else {})).status_code == 404
        await centre.directory()
        found = (await http.get("/directory")).json()
        assert (found["number"], found["summary"]) == (1, "test")
        assert read_yaml(DirectoryFile, DIRECTORY.encode()) == DirectoryFile.model_validate(found["directory"])
        for more, expected in (
            ({}, ["wang"]),
            ({"level": 1}, ["smith"]),
            ({"level": 3}, []),
            ({"rung": "red", "at": "2026-03-02T09:00:00+08:00"}, ["smith"]),
        ):
            people = (await http.get("/directory/recipients", params={**asked, **more})).json()
            assert [person["id"] for person in people] == expected
        assert (await http.get("/directory/recipients", params={**asked, "rung": "blue"})).status_code == 422


async def test_digests_are_paged(centre: Centre) -> None:
    await centre.directory()
    for case in range(5):
        await centre.alerts(case)
        await centre.notify()
    async with centre.http() as http:
        walked = []
        after: dict[str, int] = {}
        while True:
            page = (await http.get("/digests", params={"limit": 2, **after})).json()
            walked += [one["number"] for one in page["digests"]]
            if page["next"] is None:
                break
            after = {"after": page["next"]}
    assert len(walked) == 5 and walked == sorted(walked, reverse=True)


async def test_all_alerts_of_a_digest_can_be_acknowledged_at_once(centre: Centre) -> None:
    await centre.directory()
    await centre.alerts(*range(5))
    await centre.notify()
    numbers = sorted(row[0] for row in await centre.rows("SELECT number FROM alerts"))
    assert f"第{numbers[0]}号" in centre.post.mails[0].get_content()
    ((digest,),) = await centre.rows("SELECT number FROM digests")
    async with centre.http() as http:
        first = (await http.get(f"/digests/{digest}/alerts", params={"limit": 3})).json()
        assert first == {"alerts": numbers[:3], "next": numbers[2]}
        rest = (await http.get(f"/digests/{digest}/alerts", params={"limit": 3, "after": first["next"]})).json()
        assert rest == {"alerts": numbers[3:], "next": None}


async def test_only_staff_is_answered(centre: Centre) -> None:
    transport = httpx2.ASGITransport(
        application(centre.process.service, centre.process, centre.process.faults), client=("192.0.2.7", 4711)
    )
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as http:
        answers = [
            await http.get(path) for path in ("/directory", "/directory/recipients", "/digests", "/digests/1/alerts")
        ]
        answers.append(await http.post("/digests/1/retry"))
    assert {answer.status_code for answer in answers} == {403}


async def test_a_directory_that_followed_another_one_is_not_put_in_its_place(centre: Centre) -> None:
    published = read_yaml(DirectoryFile, DIRECTORY.encode())
    async with centre.process.database.begin() as connection:
        assert await directory_store.put(connection, published, "first", after=0) == 1
        assert await directory_store.put(connection, published, "again", after=1) is None
    with pytest.raises(Superseded):
        async with centre.process.database.begin() as connection:
            await directory_store.put(connection, published, "late", after=0)


def test_a_day_of_attempts_is_given_up() -> None:
    assert timedelta(days=1) == digest_sender.GIVE_UP and digest_sender.LONGEST_PAUSE < digest_sender.GIVE_UP
