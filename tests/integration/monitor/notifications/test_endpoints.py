"""Directory and digests over HTTP, for staff."""

from typing import Any

import pytest

from services.monitor.core.notifications.directory_file import DirectoryFile
from services.monitor.store.notifications import digests, directory_store
from services.runtime.files.document import read_document
from services.runtime.store.documents import Superseded
from tests.integration.monitor.notifications.jobs import DIRECTORY, NotificationJobs


async def test_staff_see_the_directory_and_the_recipients(jobs: NotificationJobs) -> None:
    http, get = jobs.monitor.http, jobs.monitor.get
    alert = {"rung": "yellow", "owner": "Tax", "region": "450302", "item": "transfer-property"}
    assert (await http.get("/directory")).status_code == 404
    assert (await http.get("/directory/recipients", params=alert)).status_code == 404
    await jobs.directory()
    found = await get("/directory")
    assert (found["number"], found["summary"]) == (1, "test")
    assert read_document(DirectoryFile, DIRECTORY.encode()) == DirectoryFile.model_validate(found["directory"])
    changes: list[tuple[dict[str, Any], list[str]]] = [
        ({}, ["wang"]),
        ({"level": 1}, ["smith"]),
        ({"level": 3}, []),
        ({"rung": "red", "at": "2026-03-02T09:00:00+08:00"}, ["smith"]),
    ]
    for change, expected in changes:
        people = await get("/directory/recipients", **alert | change)
        assert [person["id"] for person in people] == expected
    assert (await http.get("/directory/recipients", params=alert | {"rung": "blue"})).status_code == 422


async def test_digests_are_paged(jobs: NotificationJobs) -> None:
    await jobs.directory()
    for case in range(5):
        await jobs.alerts(case)
        await jobs.notify()
    numbers = [digest["number"] for digest in await jobs.monitor.walk("/digests", "digests", limit=2)]
    assert len(numbers) == 5 and numbers == sorted(numbers, reverse=True)


async def test_all_alerts_of_a_digest_can_be_acknowledged_at_once(jobs: NotificationJobs) -> None:
    await jobs.directory()
    await jobs.alerts(*range(5))
    await jobs.notify()
    numbers = sorted(row[0] for row in await jobs.rows("SELECT number FROM alerts"))
    assert f"第{numbers[0]}号" in jobs.mail.received[0].get_content()
    ((digest,),) = await jobs.rows("SELECT number FROM digests")
    assert await jobs.monitor.walk(f"/digests/{digest}/alerts", "alerts", limit=3) == numbers


async def test_the_record_of_an_alert_says_who_was_notified_when_and_how(jobs: NotificationJobs) -> None:
    await jobs.directory()
    await jobs.alerts(0)
    ((*key, moment),) = await jobs.rows("SELECT case_id, commitment, rung, occurrence, raised_at FROM alerts")
    async with jobs.database.connect() as connection:
        assert await digests.notifications_of(connection, *key) == []
    await jobs.notify()
    async with jobs.database.connect() as connection:
        found = await digests.notifications_of(connection, *key)
    assert {(row.person, row.channel, row.added_at >= moment) for row in found} == {("wang", "mail", True)}
    assert all(row.sent_at is not None for row in found)


async def test_only_staff_is_answered(jobs: NotificationJobs) -> None:
    async with jobs.monitor.client({}) as http:
        paths = ("/directory", "/directory/recipients", "/digests", "/digests/1/alerts")
        answers = [*[await http.get(path) for path in paths], await http.post("/digests/1/retry")]
    assert {answer.status_code for answer in answers} == {401}


async def test_a_directory_that_followed_another_one_is_not_put_in_its_place(jobs: NotificationJobs) -> None:
    content = read_document(DirectoryFile, DIRECTORY.encode())
    async with jobs.database.begin() as connection:
        assert await directory_store.put(connection, content, "first", after=0) == 1
        assert await directory_store.put(connection, content, "again", after=1) is None
    with pytest.raises(Superseded):
        async with jobs.database.begin() as connection:
            await directory_store.put(connection, content, "late", after=0)
