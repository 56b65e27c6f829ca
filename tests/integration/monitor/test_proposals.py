"""Changes of rules, calendars and directory over HTTP: proposed by one person, put in force by another one."""

from datetime import timedelta
from typing import Any

import httpx2
import pytest

from contracts.messages.documents import AlmanacPublished, PostsPublished, PublishedPost
from contracts.rights.holders import Holders
from contracts.rights.table import Role
from contracts.working_time.almanac import almanac
from contracts.working_time.notices import Notice
from services.intake.documents import ALMANAC, keep
from services.monitor.store import rule_store
from services.monitor.store.notifications import directory_store
from services.runtime.clock import machine_now
from services.runtime.security.access import FRESH
from services.runtime.store import documents
from services.runtime.store.database import transaction
from tests.support.monitor_process import MonitorProcess
from tests.support.staff import ISSUER

MANAGERS = PostsPublished(
    posts=(
        PublishedPost(role=Role.CENTRE_MANAGER.value, person="feng"),
        PublishedPost(role=Role.OPERATOR.value, person="chu"),
        PublishedPost(role=Role.AUDITOR.value, person="wang"),
    )
)
DIRECTORY = directory_store.read(directory_store.SAMPLE.read_bytes())
TYPHOON = {
    "year": 2026,
    "region": "CN-45",
    "days": [{"name": "台风", "date": "2026-03-05", "isOffDay": True}],
}


@pytest.fixture
def http(monitor: MonitorProcess) -> httpx2.AsyncClient:
    monitor.process.access.holders = Holders(MANAGERS)
    return monitor.http


def by(person: str, **claims: Any) -> dict[str, Any]:
    """The arguments of a request of this person."""
    return {"headers": ISSUER.header(person, **claims)}


def rules(after: int = 1, **changes: Any) -> dict[str, Any]:
    """The body of a change of the rules that onedoor ships with: a typhoon in Guangxi."""
    content = rule_store.shipped().rule_set.rules.model_dump(mode="json", by_alias=True)
    return {"after": after, "rules": content, "notices": [TYPHOON]} | changes


def directory(after: int = 0, **changes: Any) -> dict[str, Any]:
    content = DIRECTORY.replace(**changes).model_dump(mode="json", by_alias=True)
    return {"after": after, "directory": content}


async def proposed(http: httpx2.AsyncClient, path: str, body: dict[str, Any], person: str = "feng") -> int:
    answer = await http.post(path, json=body, **by(person))
    assert answer.status_code == 201, answer.text
    number: int = answer.json()["proposal"]
    assert answer.json()["version"] is None
    return number


async def settle(http: httpx2.AsyncClient, path: str, how: str, person: str) -> httpx2.Response:
    return await http.post(f"{path}/{how}", **by(person))


async def test_a_notice_is_in_force_when_a_second_person_approves_it(
    monitor: MonitorProcess, http: httpx2.AsyncClient
) -> None:
    number = await proposed(http, "/rules/proposals", rules())
    assert [one["number"] for one in (await http.get("/rules", **by("wang"))).json()] == [1]
    (waiting,) = (await http.get("/rules/proposals", **by("wang"))).json()
    assert (waiting["number"], waiting["after"], waiting["author"]) == (number, 1, "feng")
    content = (await http.get(f"/rules/proposals/{number}", **by("wang"))).json()
    assert content["rules"]["almanac"]["notices"][0]["region"] == "CN-45"
    path = f"/rules/proposals/{number}"
    own = await settle(http, path, "approval", "feng")
    assert (own.status_code, own.json()["type"]) == (409, "urn:onedoor:problem:second-person")
    approved = await settle(http, path, "approval", "chu")
    assert (approved.status_code, approved.json()) == (201, {"version": 2})
    version, shipped = (await http.get("/rules", **by("wang"))).json()
    assert (version["author"], version["approver"]) == ("feng", "chu")
    assert (shipped["author"], shipped["approver"]) == (None, None)
    assert (await http.get("/rules/proposals", **by("wang"))).json() == []
    assert (await settle(http, path, "approval", "chu")).status_code == 404
    async with monitor.process.database.connect() as connection:
        published = await rule_store.almanac_in_force(connection)
    assert published is not None
    assert published.almanac == (await rules_in_force(monitor)).almanac


async def rules_in_force(monitor: MonitorProcess) -> Any:
    async with monitor.process.database.connect() as connection:
        return (await rule_store.in_force(connection)).rule_set


async def test_a_change_is_refused_once_another_version_is_in_force(
    monitor: MonitorProcess, http: httpx2.AsyncClient
) -> None:
    late = await proposed(http, "/directory/proposals", directory(version="late"))
    first = await proposed(http, "/directory/proposals", directory(), "chu")
    assert (await settle(http, f"/directory/proposals/{first}", "approval", "feng")).status_code == 201
    refused = await settle(http, f"/directory/proposals/{late}", "approval", "chu")
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:onedoor:problem:superseded")
    assert (await http.post("/directory/proposals", json=directory(), **by("feng"))).status_code == 409
    withdrawn = await settle(http, f"/directory/proposals/{late}", "withdrawal", "chu")
    assert (withdrawn.status_code, withdrawn.json()) == (201, {"proposal": late})
    found = (await http.get("/directory", **by("wang"))).json()
    assert (found["author"], found["approver"], found["directory"]["version"]) == ("chu", "feng", DIRECTORY.version)


async def test_where_one_person_is_enough_a_change_is_in_force_at_once(
    monitor: MonitorProcess, http: httpx2.AsyncClient
) -> None:
    monitor.process.access.holders = Holders(MANAGERS.replace(four_eyes=False))
    answer = await http.post("/directory/proposals", json=directory(), **by("chu"))
    assert (answer.status_code, answer.json()) == (201, {"proposal": None, "version": 1})
    found = (await http.get("/directory", **by("wang"))).json()
    assert (found["author"], found["approver"]) == ("chu", None)


@pytest.mark.parametrize("path", ["/rules/proposals", "/rules/proposals/1/approval", "/rules/proposals/1/withdrawal"])
async def test_a_change_needs_the_right_and_a_login_that_was_just_done(http: httpx2.AsyncClient, path: str) -> None:
    number = await proposed(http, "/rules/proposals", rules())
    path = path.replace("1", str(number))
    before = (machine_now() - FRESH - timedelta(minutes=1)).timestamp()
    old = await http.post(path, json=rules(), **by("chu", auth_time=int(before)))
    assert old.status_code == 401 and "insufficient_user_authentication" in old.headers["WWW-Authenticate"]
    assert (await http.post(path, json=rules(), **by("wang"))).status_code == 403
    assert len((await http.get("/rules/proposals", **by("wang"))).json()) == 1


async def test_a_faulty_change_is_refused_with_its_place(http: httpx2.AsyncClient) -> None:
    later = TYPHOON | {"year": 2031, "days": [{"name": "台风", "date": "2031-03-05", "isOffDay": True}]}
    for notices, pointer in (([TYPHOON, TYPHOON], "#/notices/1"), ([later], "#/notices")):
        answer = await http.post("/rules/proposals", json=rules(notices=notices), **by("feng"))
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    alone = directory(posts=tuple(post for post in DIRECTORY.posts if post.role != "manager"))
    answer = await http.post("/directory/proposals", json=alone, **by("feng"))
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "#/directory/posts")
    assert (await http.get("/directory/proposals", **by("wang"))).json() == []


async def test_intake_follows_the_almanac_that_monitor_publishes(monitor: MonitorProcess) -> None:
    """Any database with the runtime's tables shows how intake keeps it."""
    changed = almanac([Notice.model_validate(TYPHOON)])
    async with transaction(monitor.process.database) as connection:
        for _ in range(2):
            await keep(connection, AlmanacPublished(almanac=changed))
        await keep(connection, MANAGERS)
        found = await documents.in_force(connection, ALMANAC.kind)
    assert found is not None and found.number == 1
    assert ALMANAC.parse(found.number, found.body) == changed
