"""The stream of changes: over real HTTP, on a real PostgreSQL."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import Any

import httpx2
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from contracts.envelope import Message
from contracts.messages.alerts import (
    AlertAcknowledged,
    AlertAppealed,
    AlertClosed,
    AlertRaised,
    AlertWithdrawn,
    AppealDecided,
    IssueKind,
    OperationsAlerted,
    Rung,
)
from services.monitor.jobs import feed_reader, follower
from services.monitor.web import stream
from services.runtime.http.app import application
from services.runtime.http.bodies import csv, xlsx
from services.runtime.http.connections.server import Server
from tests.support.http_server import http_server
from tests.support.messages import MONDAY
from tests.support.monitor_process import MonitorProcess, alert_raised, number, write_projection
from tests.support.staff import STAFF
from tests.support.waiting import eventually

TIMEOUT_S = 10.0
COMMERCE = "市场监管局"


@pytest.fixture(autouse=True)
def short_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_reader, "POLL_S", 0.02)


@dataclass(frozen=True)
class Event:
    """One event, or with no name one line of comment."""

    name: str
    data: Any = None
    id: str = ""
    comment: str = ""


@dataclass
class Served:
    """A process's HTTP server, and how to follow it."""

    server: Server
    monitor: MonitorProcess
    address: str

    @asynccontextmanager
    async def following(self, last: str | None = None, **wanted: str) -> AsyncIterator[AsyncIterator[Event]]:
        """The events from now on, or after the given id; the connection is cut at the end."""
        headers = {"Last-Event-ID": last} if last is not None else {}
        async with (
            httpx2.AsyncClient(base_url=self.address, headers=STAFF, timeout=TIMEOUT_S) as client,
            client.stream("GET", "/stream", params=wanted, headers=headers) as answer,
        ):
            assert answer.status_code == httpx2.codes.OK, await answer.aread()
            assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
            async with aclosing(_events(answer)) as events:
                first = await anext(events)
                assert (first.name, first.data) == ("", None) and first.id, "the first event has the position"
                yield events

    def stop(self) -> None:
        self.monitor.process.stopping.set()
        self.server.should_exit = True


async def _events(answer: httpx2.Response) -> AsyncGenerator[Event, None]:
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        elif fields:
            data = json.loads(fields["data"]) if "data" in fields else None
            yield Event(fields.get("event", ""), data, fields.get("id", ""), fields.get("", ""))
            fields = {}


@asynccontextmanager
async def served(monitor: MonitorProcess) -> AsyncIterator[Served]:
    """Monitor's application on its own port."""
    app = application(monitor.process.service, monitor.process)
    async with http_server(app) as (server, address):
        one = Served(server, monitor, address)
        try:
            yield one
        finally:
            one.stop()


async def next_events(events: AsyncIterator[Event], count: int) -> list[Event]:
    """The next events, without heartbeats."""
    found: list[Event] = []
    async with asyncio.timeout(TIMEOUT_S):
        while len(found) < count:
            event = await anext(events)
            if event.name:
                found.append(event)
    return found


def raised(rung: Rung = Rung.YELLOW, owner: str = COMMERCE, region: str = "450103") -> AlertRaised:
    return alert_raised(MONDAY, rung, owner, region)


def names(events: Sequence[Event]) -> list[tuple[str, str]]:
    return [(event.name, event.data["case_id"]) for event in events]


async def test_every_change_of_an_alert_is_streamed(monitor: MonitorProcess) -> None:
    changes: list[tuple[str, Message]] = [
        ("raised", raised()),
        ("acknowledged", AlertAcknowledged(
            commitment="case", rung=Rung.YELLOW, by="li", reason="在办", acknowledged_at=MONDAY
        )),
        ("appealed", AlertAppealed(commitment="case", rung=Rung.YELLOW, by="li", reason="停电", appealed_at=MONDAY)),
        ("decided", AppealDecided(
            commitment="case", rung=Rung.YELLOW, by="wang", upheld=True, reason="属实", decided_at=MONDAY
        )),
        ("withdrawn", AlertWithdrawn(commitment="case", rung=Rung.YELLOW, reason="属实", withdrawn_at=MONDAY)),
        ("closed", AlertClosed(commitment="case", ended_at=MONDAY, region="450103")),
    ]  # fmt: skip
    failure = OperationsAlerted(
        commitment="case", issue=IssueKind.UNVERIFIED, owner=COMMERCE, matter="m", region="450103", raised_at=MONDAY
    )
    async with served(monitor) as site, site.following() as events:
        for name, message in changes:
            await monitor.publish((1, message))
            (event,) = await next_events(events, 1)
            assert event.name == name
            (listed,) = (await monitor.get("/alerts"))["alerts"]
            assert event.data == listed
        for name, message in (("failed", failure), ("settled", failure.replace(settled_at=MONDAY))):
            await monitor.publish((1, message))
            (event,) = await next_events(events, 1)
            assert event.name == name
            assert [event.data] == (await monitor.get("/platform-issues", unsettled=False))


async def test_only_selected_changes_are_streamed(monitor: MonitorProcess) -> None:
    async with (
        served(monitor) as site,
        site.following(region="4501") as nanning,
        site.following(owner=COMMERCE, rung="red") as red,
    ):
        failure = OperationsAlerted(
            commitment="case", issue=IssueKind.UNVERIFIED, owner=COMMERCE, matter="m", region="440305", raised_at=MONDAY
        )
        await monitor.publish((1, failure), (2, raised(region="440305")), (3, raised(Rung.RED, "税务局", "450103")))
        await monitor.publish((4, raised(Rung.RED, region="450202")), (5, raised(region="450103")))
        assert names(await next_events(nanning, 2)) == [("raised", number(3)), ("raised", number(5))]
        assert names(await next_events(red, 1)) == [("raised", number(4))]


async def test_a_late_commit_is_streamed_once_also_to_a_reconnected_client(monitor: MonitorProcess) -> None:
    async with (
        served(monitor) as site,
        monitor.process.database.connect() as early,
        monitor.process.database.connect() as late,
    ):
        async with site.following() as events:
            await write_projection(early, MONDAY, (1, raised()))
            await write_projection(late, MONDAY, (2, raised()))
            await monitor.publish((3, raised()))
            await late.commit()
            # The early transaction is not committed, and all of these lie behind it.
            await early.commit()
            first, second = await next_events(events, 2)
            assert names([first, second]) == [("raised", number(1)), ("raised", number(2))]
        await monitor.publish((4, raised()))
        async with site.following(last=first.id) as events:
            assert names(await next_events(events, 3)) == [("raised", number(n)) for n in (2, 3, 4)]


async def test_a_transaction_that_holds_the_stream_shows_until_it_ends(
    monitor: MonitorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_reader, "HELD_S", 0.0)
    elsewhere = create_async_engine(monitor.process.database.url.set(database="postgres"), poolclass=NullPool)

    async def shown() -> bool:
        return any("pg_stat_activity" in impairment.en for impairment in monitor.process.impairments())

    async def well() -> bool:
        return not await shown()

    async with served(monitor) as site, site.following() as events:
        async with elsewhere.connect() as forgotten:
            await forgotten.execute(text("SELECT pg_current_xact_id()"))
            await monitor.publish((1, raised()))
            await eventually(shown)
        assert names(await next_events(events, 1)) == [("raised", number(1))]
        await eventually(well)


class Writers:
    """Several writers commit at the same time in a random order."""

    def __init__(self, monitor: MonitorProcess, random: Random, cases: int) -> None:
        self._monitor, self._random, self._cases = monitor, random, cases
        self._under_way: list[tuple[AsyncConnection, list[int]]] = []
        self._committed: list[int] = []
        """Cases whose alert may be closed: no open transaction has written it."""

    async def run(self) -> None:
        """Write them all, and then one more by itself, whose event is the last."""
        begun = 0
        while begun < self._cases or self._under_way:
            if begun < self._cases and len(self._under_way) < self._random.randint(1, 5):
                await self._begin(begun)
                begun += 1
            else:
                await self._commit(self._under_way.pop(self._random.randrange(len(self._under_way))))
        await self._monitor.publish((self._cases, raised()))

    async def _begin(self, n: int) -> None:
        connection = await self._monitor.process.database.connect()
        await write_projection(connection, MONDAY, (n, raised()))
        written = [n]
        if self._committed and self._random.random() < 0.4:
            written.append(self._committed.pop(self._random.randrange(len(self._committed))))
            await write_projection(
                connection, MONDAY, (written[1], AlertClosed(commitment="case", ended_at=MONDAY, region="450103"))
            )
        self._under_way.append((connection, written))

    async def _commit(self, one: tuple[AsyncConnection, list[int]]) -> None:
        connection, written = one
        await connection.commit()
        await connection.close()
        self._committed += written


async def test_no_change_is_lost_or_repeated_with_several_writers_and_broken_connections(
    monitor: MonitorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_reader, "MAX_READ", 7)
    random = Random(5)
    writers = Writers(monitor, random, cases=150)
    seen: list[Event] = []
    async with served(monitor) as site, asyncio.TaskGroup() as group:
        async with site.following() as events:
            group.create_task(writers.run())
            seen += await next_events(events, 3)
        while seen[-1].data["case_id"] != number(150):
            async with site.following(last=seen[-1].id) as events:
                seen += await next_events(events, 1)
                while random.random() < 0.8 and seen[-1].data["case_id"] != number(150):
                    seen += await next_events(events, 1)
    ids = [tuple(map(int, event.id.split("."))) for event in seen]
    assert ids == sorted(set(ids)), "nothing twice, and in order"
    now = {event.data["case_id"]: event.name for event in seen}
    assert now == dict(map(tuple, await monitor.rows("SELECT case_id, last_event FROM alerts")))
    assert len(now) == 151 and {"raised", "closed"} == set(now.values())


async def newest(monitor: MonitorProcess) -> str:
    """The id of the last committed change."""
    ((found,),) = await monitor.rows(
        "SELECT changed_xid || '.0.' || number FROM alerts ORDER BY changed_xid DESC, number DESC LIMIT 1"
    )
    return str(found)


async def test_a_client_that_missed_too_much_gets_a_reset(
    monitor: MonitorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_reader, "MAX_READ", 5)
    monkeypatch.setattr(feed_reader, "MAX_MISSED", 10)
    await monitor.publish(*((n, raised()) for n in range(30)))
    async with served(monitor) as site:
        async with site.following(last="1.0.1") as events:
            *_, reset = await next_events(events, 6)
            assert reset.name == "reset" and reset.data["why"]
            await monitor.publish((31, raised()))
            assert names(await next_events(events, 1)) == [("raised", number(31))]
        async with site.following(last=reset.id) as events:
            assert names(await next_events(events, 1)) == [("raised", number(31))]
        async with site.following(last=f"{10**17}.0.1") as events:
            assert [event.name for event in await next_events(events, 1)] == ["reset"]


async def test_too_many_changes_at_once_are_one_reset(monitor: MonitorProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_reader, "MAX_READ", 5)
    monkeypatch.setattr(feed_reader, "MAX_MISSED", 20)
    async with served(monitor) as site, site.following(rung="red") as events:
        await monitor.publish(*((n, raised()) for n in range(300)))
        assert [event.name for event in await next_events(events, 1)] == ["reset"]
        await monitor.publish((301, raised(Rung.RED)))
        assert names(await next_events(events, 1)) == [("raised", number(301))]


async def test_without_events_a_heartbeat_has_the_position(
    monitor: MonitorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "HEARTBEAT_S", 0.05)
    async with served(monitor) as site:
        async with site.following(owner="nobody") as events, asyncio.timeout(TIMEOUT_S):
            await monitor.publish((1, raised()))
            position = await newest(monitor)
            while True:
                beat = await anext(events)
                assert (beat.name, beat.comment) == ("", "no changes")
                if tuple(map(int, beat.id.split("."))) > tuple(map(int, position.split("."))):
                    break
        async with site.following(last=beat.id) as events:
            await monitor.publish((2, raised()))
            assert names(await next_events(events, 1)) == [("raised", number(2))]


async def test_the_stream_of_a_slow_client_ends_and_it_reconnects(
    monitor: MonitorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "MAX_WAITING", 20)
    async with served(monitor) as site:
        async with site.following() as slow:
            await monitor.publish(*((n, raised()) for n in range(200)))
            async with asyncio.timeout(TIMEOUT_S):
                received = [event async for event in slow]
        assert received[-1].comment.startswith("you read too slowly")
        taken = names(received[:-1])
        async with site.following(last=received[-2].id) as events:
            assert len({*taken, *names(await next_events(events, 200 - len(taken)))}) == 200


async def test_the_end_of_the_process_ends_streams_at_once(monitor: MonitorProcess) -> None:
    async with served(monitor) as site, site.following() as events, site.following() as more:
        site.stop()
        async with asyncio.timeout(2):
            ends = [[event.comment async for event in each] for each in (events, more)]
        assert ends == [["the service stops; reconnect with your Last-Event-ID"]] * 2


async def test_followers_are_limited_and_share_one_loop(
    monitor: MonitorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "MAX_FOLLOWERS", 2)

    def loops() -> int:
        return sum(task.get_name() == feed_reader.LOOP for task in asyncio.all_tasks())

    async def stopped() -> bool:
        return loops() == 0

    async with served(monitor) as site:
        assert await stopped()
        async with site.following(), site.following():
            assert loops() == 1
            async with httpx2.AsyncClient(base_url=site.address, headers=STAFF) as client:
                refused = await client.get("/stream")
                assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
                for wrong in ({"Last-Event-ID": "x"}, {"Last-Event-ID": "1.2.3"}):
                    assert (await client.get("/stream", headers=wrong)).status_code == 422
                assert (await client.get("/stream", params={"rung": "blue"})).status_code == 422
        await eventually(stopped)
        async with site.following():
            assert loops() == 1


async def test_the_stream_is_described_as_one(monitor: MonitorProcess) -> None:
    document = application(monitor.process.service, monitor.process).openapi()
    answers = document["paths"]["/stream"]["get"]["responses"]
    assert answers["200"]["content"].keys() == {"text/event-stream"}
    assert answers.keys() == {"200", "401", "403", "422", "503"}
    forms = document["paths"]["/due"]["get"]["responses"]["200"]["content"].keys()
    assert forms == {"application/json", csv.MEDIA_TYPE, xlsx.MEDIA_TYPE}


@pytest.mark.parametrize("path", ["/stream", "/due?form=csv", "/due", "/alerts"])
async def test_a_head_request_ends_where_the_answer_would_not(monitor: MonitorProcess, path: str) -> None:
    await monitor.publish((1, raised()))
    async with (
        served(monitor) as site,
        httpx2.AsyncClient(base_url=site.address, headers=STAFF, timeout=TIMEOUT_S) as client,
    ):
        for _ in range(2):  # on one connection
            answer = await client.head(path)
            assert (answer.status_code, answer.content) == (200, b"")
        assert (await client.head(path, headers={"Authorization": ""})).status_code == 401

        async def no_follower() -> bool:
            return not any(task.get_name() == feed_reader.LOOP for task in asyncio.all_tasks())

        await eventually(no_follower)
