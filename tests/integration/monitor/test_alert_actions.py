"""Actions on alerts over HTTP: rights, and the results in the list, the outbox and the state."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

import httpx2
import pytest

from contracts.envelope import TimerFired
from contracts.messages.documents import Absence, PostsPublished, PublishedPost
from contracts.rights.holders import Holders
from contracts.rights.table import Role
from services.monitor.core.notifications.directory_file import DirectoryFile
from services.monitor.store.notifications import directory_store
from services.runtime.security.access import FRESH, Access
from services.runtime.security.access_tokens import TokenVerifier
from tests.support.messages import MONDAY, at
from tests.support.monitor_histories import BUSINESS, REPORTED_OPEN
from tests.support.monitor_process import MonitorProcess, number
from tests.support.staff import AUDIENCE, ISSUER, POSTS, with_everybody

LATE = at("2026-03-04 10:00")
CASE, OTHER = number(1), number(2)


def directory() -> DirectoryFile:
    people = [
        {"id": name, "name": name, "addresses": [f"file:{name}"]} for name in ("clerk", "head", "super", "far", "top")
    ]
    posts = [
        {"role": "clerk", "department": "Market office", "person": "clerk"},
        {"role": "head", "department": "Market office", "person": "head"},
        {"role": "supervisor", "region": "4403", "person": "super"},
        {"role": "supervisor", "region": "45", "person": "far"},
        {"role": "director", "person": "top"},
    ]
    return DirectoryFile.model_validate({"version": "1", "people": people, "posts": posts})


@pytest.fixture
async def http(monitor: MonitorProcess) -> AsyncIterator[httpx2.AsyncClient]:
    """Two cases whose licences are late, both with a yellow card, and a directory in force; a month later."""
    for case in (CASE, OTHER):
        await monitor.process_messages(case, BUSINESS.accepted(MONDAY), BUSINESS.delivered("licence", MONDAY))
        await monitor.process_messages(case, TimerFired(), REPORTED_OPEN, time=LATE)
    async with monitor.process.database.begin() as connection:
        await directory_store.put(connection, directory(), "the first")
    monitor.process.access.holders = Holders(with_everybody(directory()).published())
    monitor.clock.set(at("2026-04-01 10:00"), 0)
    processing = asyncio.create_task(monitor.process.queue.run())
    yield monitor.http
    processing.cancel()
    await asyncio.gather(processing, return_exceptions=True)
    await monitor.process.processor.drain()


def by(person: str) -> dict[str, Any]:
    """The arguments of a request of this person."""
    return {"headers": ISSUER.header(person)}


async def card(http: httpx2.AsyncClient, case: str = CASE) -> dict[str, Any]:
    """The yellow card of that case's licence."""
    page = (await http.get("/alerts", params={"case": case, "rung": "yellow"})).json()
    (found,) = page["alerts"]
    assert found["commitment"] == "step/licence"
    return dict(found)


async def published(monitor: MonitorProcess, kind: str) -> int:
    """How many messages of this type the outbox has."""
    ((count,),) = await monitor.rows(
        "SELECT count(*) FROM outbox WHERE strpos(event, :kind) > 0", kind=f'"onedoor.{kind}.v1"'
    )
    return int(count)


async def test_alerts_are_acknowledged_together_each_by_itself(
    monitor: MonitorProcess, http: httpx2.AsyncClient
) -> None:
    first, other = (await card(http, CASE))["number"], (await card(http, OTHER))["number"]
    wanted = {"reason": "已督促承办人", "alerts": [first, 999_999, other, first]}
    answer = await http.post("/alerts/acknowledgements", json=wanted, **by("head"))
    assert answer.status_code == 200, answer.text
    assert [(one["alert"], one["acknowledged"]) for one in answer.json()] == [
        (first, True),
        (999_999, False),
        (other, True),
    ]
    assert answer.json()[1]["why_zh"]
    found = await card(http)
    assert (found["acknowledged_by"], found["acknowledgement"]) == ("head", "已督促承办人")
    notify_at = await monitor.rows("SELECT notify_at FROM alerts WHERE number = :number", number=first)
    assert notify_at == [(None,)], "it does not escalate"
    assert (await http.post("/alerts/acknowledgements", json=wanted, **by("head"))).json() == answer.json()
    assert await published(monitor, "alert.acknowledged") == 2


async def test_for_a_supervisor_of_another_region_the_case_does_not_exist(http: httpx2.AsyncClient) -> None:
    alert = (await card(http))["number"]
    wanted = {"reason": "x", "alerts": [alert, 999_999]}
    answers = (await http.post("/alerts/acknowledgements", json=wanted, **by("far"))).json()
    assert [(one["acknowledged"], one["why"]) for one in answers] == 2 * [(False, "there is no such alert")]
    for path, unknown, more in (
        (f"/alerts/{alert}/appeal/decision", "/alerts/999999/appeal/decision", {"upheld": True}),
        (f"/commitments/{CASE}/holds", "/commitments/0000-0000-0000-0/holds", {}),
        (f"/commitments/{CASE}/holds/h/end", "/commitments/0000-0000-0000-0/holds/h/end", {}),
    ):
        refused, missing = [await http.post(at, json={"reason": "x"} | more, **by("far")) for at in (path, unknown)]
        assert (refused.status_code, refused.json()) == (404, missing.json()), path
    for path, unknown in (
        (f"/commitments/{CASE}", "/commitments/0000-0000-0000-0"),
        (f"/commitments/{CASE}/explanation", "/commitments/0000-0000-0000-0/explanation"),
    ):
        refused, missing = [await http.get(at, **by("far")) for at in (path, unknown)]
        assert refused.status_code == missing.status_code == 404
        assert refused.text.replace(CASE, "") == missing.text.replace("0000-0000-0000-0", "")
    assert (await http.get("/alerts", **by("far"))).json()["alerts"] == []
    assert (await http.get("/overdue", **by("far"))).json()["commitments"] == []
    assert (await http.get("/overdue/counts", **by("far"))).json() == {"total": 0, "counts": []}
    assert (await card(http))["acknowledged_at"] is None


async def test_a_person_without_a_post_has_no_right(http: httpx2.AsyncClient) -> None:
    alert = (await card(http))["number"]
    for path, content in (
        ("/alerts/acknowledgements", {"alerts": [alert]}),
        (f"/alerts/{alert}/appeal", {}),
        (f"/alerts/{alert}/appeal/decision", {"upheld": True}),
        (f"/commitments/{CASE}/holds", {}),
    ):
        refused = await http.post(path, json={"reason": "x"} | content, **by("nobody"))
        assert (refused.status_code, refused.json()["type"]) == (403, "urn:onedoor:problem:no-right"), path
    assert (await http.get("/alerts", **by("nobody"))).status_code == 403


async def test_a_body_cannot_say_who_acts(http: httpx2.AsyncClient) -> None:
    wanted = {"by": "super", "reason": "x", "alerts": [1]}
    refused = await http.post("/alerts/acknowledgements", json=wanted, **by("head"))
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "#/by")


async def test_only_a_supervisor_decides_and_holds(http: httpx2.AsyncClient) -> None:
    alert = (await card(http))["number"]
    appealed = await http.post(f"/alerts/{alert}/appeal", json={"reason": "材料当日才到"}, **by("clerk"))
    assert appealed.status_code == 201
    for path, more in ((f"/alerts/{alert}/appeal/decision", {"upheld": True}), (f"/commitments/{CASE}/holds", {})):
        assert (await http.post(path, json={"reason": "x"} | more, **by("head"))).status_code == 403


async def test_who_decides_has_just_logged_in(http: httpx2.AsyncClient) -> None:
    alert = (await card(http))["number"]
    await http.post(f"/alerts/{alert}/appeal", json={"reason": "材料当日才到"}, **by("clerk"))
    for since in (None, int(time.time() - FRESH.total_seconds()) - 1):
        decided = await http.post(
            f"/alerts/{alert}/appeal/decision",
            json={"reason": "x", "upheld": True},
            headers=ISSUER.header("super", auth_time=since),
        )
        assert decided.status_code == 401
        assert 'error="insufficient_user_authentication", max_age=300' in decided.headers["www-authenticate"]
    assert (await card(http))["appeal_decided_at"] is None


async def test_a_deputy_acts_for_a_person_on_leave_and_both_are_on_record(
    monitor: MonitorProcess, http: httpx2.AsyncClient
) -> None:
    today = monitor.clock.now().date()
    away = PublishedPost(role=Role.DEPARTMENT_HEAD.value, person="head", deputy="stand")
    leave = (Absence(person="head", since=today, until=today),)
    monitor.process.access.holders = Holders(PostsPublished(posts=(*POSTS.posts, away), leave=leave))
    for person, case in (("stand", CASE), ("head", OTHER)):
        wanted = {"reason": "x", "alerts": [(await card(http, case))["number"]]}
        answers = await http.post("/alerts/acknowledgements", json=wanted, **by(person))
        assert answers.json()[0]["acknowledged"]
    events = await monitor.rows(
        "SELECT CAST(event AS jsonb) #>> '{data,by}', CAST(event AS jsonb) #>> '{data,on_behalf_of}' FROM outbox "
        "WHERE strpos(event, 'onedoor.alert.acknowledged.v1') > 0 ORDER BY created_at"
    )
    assert events == [("stand", "head"), ("head", None)]
    listed = [await card(http, case) for case in (CASE, OTHER)]
    assert [(one["acknowledged_by"], one["acknowledged_for"]) for one in listed] == events
    monitor.clock.set(monitor.clock.now() + timedelta(days=1), 0)
    assert (await http.get("/alerts", **by("stand"))).status_code == 403, "the leave has ended"


async def test_an_upheld_appeal_withdraws_the_card(monitor: MonitorProcess, http: httpx2.AsyncClient) -> None:
    alert = (await card(http))["number"]
    appeal = {"reason": "材料当日才到"}
    for _ in range(2):
        assert (await http.post(f"/alerts/{alert}/appeal", json=appeal, **by("clerk"))).status_code == 201
    decision = {"upheld": True, "reason": "情况属实"}
    for _ in range(2):
        answer = await http.post(f"/alerts/{alert}/appeal/decision", json=decision, **by("super"))
        assert answer.status_code == 201, answer.text
    found = await card(http)
    assert (found["appealed_by"], found["appeal"]) == ("clerk", "材料当日才到")
    assert (found["appeal_upheld"], found["appeal_decided_by"]) == (True, "super")
    assert found["withdrawn_at"] is not None and found["reason"] == "an appeal against it was upheld"
    assert [await published(monitor, kind) for kind in ("alert.appealed", "appeal.decided")] == [1, 1]
    refused = await http.post(f"/alerts/{alert}/appeal/decision", json=decision | {"upheld": False}, **by("super"))
    assert refused.status_code == 409 and refused.json()["detail_zh"]


async def test_a_hold_begins_and_ends(monitor: MonitorProcess, http: httpx2.AsyncClient) -> None:
    since = LATE + timedelta(hours=1)
    wanted = {"reason": "等待上级批复", "since": since.isoformat()}
    answers = [await http.post(f"/commitments/{CASE}/holds", json=wanted, **by("super")) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201], answers[0].text
    hold = answers[0].json()["hold"]
    second = await http.post(f"/commitments/{CASE}/holds", json={"reason": "x"}, **by("top"))
    assert second.status_code == 409 and second.json()["detail"] == "the case is held already"
    view = (await http.get(f"/commitments/{CASE}")).json()
    assert all(commitment["pause"] is not None for commitment in view["commitments"])
    end = {"reason": "已批复", "until": (since + timedelta(days=1)).isoformat()}
    for _ in range(2):
        answer = await http.post(f"/commitments/{CASE}/holds/{hold}/end", json=end, **by("super"))
        assert answer.status_code == 201, answer.text
    view = (await http.get(f"/commitments/{CASE}")).json()
    assert all(commitment["pause"] is None for commitment in view["commitments"])
    assert await published(monitor, "case.held") == 2
    for path, content, status in (
        (f"/commitments/{CASE}/holds/{hold}/end", end | {"until": since.isoformat()}, 409),
        (f"/commitments/{CASE}/holds/other/end", end, 409),
        (f"/commitments/{CASE}/holds", wanted | {"since": "2026-01-01T00:00:00Z"}, 409),
        ("/commitments/0000-0000-0000-0/holds", wanted, 404),
    ):
        refused = await http.post(path, json=content, **by("super"))
        assert refused.status_code == status, (path, refused.text)


@pytest.mark.parametrize("skew", [timedelta(seconds=5), timedelta(seconds=-5)])
async def test_a_hold_by_a_clock_that_differs_a_little_counts_from_its_receipt(
    monitor: MonitorProcess, http: httpx2.AsyncClient, skew: timedelta
) -> None:
    now = monitor.clock.now()
    wanted = {"reason": "等待上级批复", "since": (now + max(skew, timedelta())).isoformat()}
    first = await http.post(f"/commitments/{CASE}/holds", json=wanted, **by("super"))
    monitor.clock.set(now + timedelta(seconds=1), 0)
    again = await http.post(f"/commitments/{CASE}/holds", json=wanted, **by("super"))
    assert first.status_code == again.status_code == 201, again.text
    assert first.json() == again.json()
    end = {"reason": "已批复", "until": (now + skew).isoformat()}
    for seconds in (2, 3):
        monitor.clock.set(now + timedelta(seconds=seconds), 0)
        answer = await http.post(f"/commitments/{CASE}/holds/{first.json()['hold']}/end", json=end, **by("super"))
        assert answer.status_code == 201, answer.text
    assert await published(monitor, "case.held") == 2
    (record,) = (await monitor.states())[CASE].suspensions
    assert record.since == now
    assert record.until == (now + timedelta(seconds=2) if skew > timedelta() else now)


async def test_of_two_holds_requested_at_the_same_time_one_begins(
    monitor: MonitorProcess, http: httpx2.AsyncClient
) -> None:
    wanted = [{"reason": "x", "since": (LATE + timedelta(hours=n)).isoformat()} for n in (1, 2)]
    answers = await asyncio.gather(
        *(http.post(f"/commitments/{CASE}/holds", json=one, **by("super")) for one in wanted)
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409]
    assert await published(monitor, "case.held") == 1


async def test_without_a_directory_nobody_has_a_right(monitor: MonitorProcess) -> None:
    monitor.process.access = Access(TokenVerifier(ISSUER.url, AUDIENCE), date.today, monitor.process.recorder)
    refused = await monitor.http.post("/alerts/acknowledgements", json={"reason": "x", "alerts": [1]})
    assert (refused.status_code, refused.json()["type"]) == (403, "urn:onedoor:problem:no-right")
    assert "onedoor directory apply" in refused.json()["detail"]


async def test_strangers_are_refused(monitor: MonitorProcess) -> None:
    async with monitor.client({}) as http:
        for path in (
            "/alerts/acknowledgements",
            "/alerts/1/appeal",
            "/alerts/1/appeal/decision",
            f"/commitments/{CASE}/holds",
            f"/commitments/{CASE}/holds/x/end",
        ):
            assert (await http.post(path, json={})).status_code == 401
