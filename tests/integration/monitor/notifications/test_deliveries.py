"""Digests reach their recipients: several replicas, crashes, and failures of each channel."""

import asyncio
import socket
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import httpx2
import pytest
from aiohttp import web
from standardwebhooks import Webhook

from contracts.messages.alerts import Rung
from services.monitor.notifications import digest_sender
from services.monitor.notifications.digest_sender import DigestSender
from services.monitor.settings import MonitorSettings
from services.monitor.store.notifications import digest_deliveries
from tests.integration.monitor.notifications.jobs import DIRECTORY, SECRET, NotificationJobs
from tests.support.monitor_process import Killed, kill, number

# -- several replicas, and crashes -------------------------------------------------------------------------------------


async def test_two_replicas_notify_everybody_once(jobs: NotificationJobs) -> None:
    await jobs.directory()
    owners = [f"Office {n}" for n in range(3)]
    for rung in (Rung.WARNING, Rung.RED):
        await jobs.publish(*((case, jobs.raised(rung, owners[case % 3])) for case in range(2500)))
    steps = (jobs.collector, jobs.builder, jobs.another_sender)
    replicas = [[step().run_once for step in steps] for _ in range(3)]

    async def run(steps: Sequence[Any]) -> None:
        for step in steps:
            while await step():
                pass

    await asyncio.gather(*(run(steps) for steps in replicas))
    await jobs.notify()
    entries = await jobs.entries()
    assert entries == {("wang", "rung", 0): 2500, ("smith", "rung", 0): 2500}
    sent = await jobs.rows("SELECT count(*), count(*) FILTER (WHERE attempts = 1) FROM digest_deliveries")
    assert sent == [(len(jobs.mail.received) + len(jobs.hooks.received),) * 2]
    ids = [headers["webhook-id"] for headers, _ in jobs.hooks.received]
    assert len(set(ids)) == len(ids)


async def test_a_crash_before_the_commit_repeats_a_delivery_with_the_same_id(
    jobs: NotificationJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    await jobs.directory()
    await jobs.alerts(1, rung=Rung.RED)
    await jobs.collect()
    await jobs.builder().run_once()

    with monkeypatch.context() as patch:
        patch.setattr(digest_deliveries, "mark_sent", kill)
        with pytest.raises(Killed):
            await jobs.sender.run_once()
    await jobs.sender.run_once()
    assert len(jobs.hooks.received) == 1, "while the lease lasts no other sender sends it"
    await jobs.execute("UPDATE digest_deliveries SET next_attempt_at = now()")  # the lease is over
    await jobs.sender.run_once()
    await jobs.sender.run_once()
    first, second = (headers["webhook-id"] for headers, _ in jobs.hooks.received)
    assert first == second
    assert await jobs.rows("SELECT attempts, sent_at IS NOT NULL, next_attempt_at FROM digest_deliveries") == [
        (2, True, None)
    ]


# -- channels ----------------------------------------------------------------------------------------------------------


async def test_a_web_hook_is_signed_as_the_standard_says(jobs: NotificationJobs) -> None:
    await jobs.directory()
    await jobs.alerts(1, rung=Rung.RED)
    await jobs.notify()
    ((headers, body),) = jobs.hooks.received
    event = Webhook(SECRET).verify(body, headers)
    assert event["type"] == "onedoor.digest.v1"
    assert event["data"]["subject"] == "onedoor: 1 red card" and number(1) in event["data"]["text"]
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(SECRET).verify(body + b" ", headers)


async def test_a_failed_delivery_backs_off_and_is_given_up(jobs: NotificationJobs) -> None:
    await jobs.directory()
    await jobs.alerts(1, rung=Rung.RED)
    jobs.hooks.answers = [lambda: web.Response(status=500)]
    await jobs.notify()
    pauses = []
    for _ in range(9):
        ((error, pause),) = await jobs.rows(
            "SELECT error, round(extract(epoch FROM next_attempt_at - clock_timestamp())) FROM digest_deliveries"
        )
        assert error == "the web hook answered 500"
        pauses.append(int(pause))
        await jobs.execute("UPDATE digest_deliveries SET next_attempt_at = now()")
        await jobs.sender.run_once()
    assert pauses == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]
    http, walk = jobs.monitor.http, partial(jobs.monitor.walk, "/digests", "digests")
    (unsent,) = await walk(state="unsent")
    assert unsent["deliveries"][0]["attempts"] == 10
    assert await walk(state="failed") == []
    assert (await http.post(f"/digests/{unsent['number']}/retry")).status_code == httpx2.codes.NOT_FOUND

    await jobs.execute("UPDATE digest_deliveries SET retry_since = now() - interval '1 day', next_attempt_at = now()")
    await jobs.sender.run_once()
    (failed,) = await walk(state="failed")
    (delivery,) = failed["deliveries"]
    assert delivery["given_up_at"] is not None and delivery["next_attempt_at"] is None
    await jobs.sender.run_once()
    assert len(jobs.hooks.received) == 11, "there are no further attempts"

    jobs.hooks.answers = [web.Response]
    assert (await http.post(f"/digests/{failed['number']}/retry")).status_code == httpx2.codes.ACCEPTED
    await jobs.sender.run_once()
    assert await walk(state="unsent") == []
    assert len({headers["webhook-id"] for headers, _ in jobs.hooks.received}) == 1


async def test_a_busy_web_hook_is_left_alone_for_as_long_as_it_asks(jobs: NotificationJobs) -> None:
    await jobs.directory()
    await jobs.alerts(1, rung=Rung.RED)
    jobs.hooks.answers = [lambda: web.Response(status=429, headers={"Retry-After": "900"}), web.Response]
    await jobs.notify()
    await jobs.alerts(2, rung=Rung.OVERSIGHT)  # another channel
    await jobs.notify()
    pauses = "SELECT round(extract(epoch FROM next_attempt_at - clock_timestamp())), error FROM digest_deliveries"
    assert await jobs.rows(f"{pauses} WHERE sent_at IS NULL") == [(900, "the web hook answered 429")]
    assert len(jobs.hooks.received) == 1 and jobs.lines()


async def test_other_deliveries_to_a_busy_web_hook_wait_as_well(jobs: NotificationJobs) -> None:
    await jobs.directory()
    jobs.hooks.answers = [lambda: web.Response(status=503, headers={"Retry-After": "900"}), web.Response]
    for case in (1, 2):
        await jobs.alerts(case, rung=Rung.RED)
        await jobs.notify()
    assert len(jobs.hooks.received) == 1
    assert await jobs.rows("SELECT attempts, sent_at FROM digest_deliveries ORDER BY digest_numbers") == [
        (1, None),
        (0, None),
    ]


async def test_a_redirect_is_not_followed(jobs: NotificationJobs) -> None:
    await jobs.directory()
    await jobs.alerts(1, rung=Rung.RED)
    jobs.hooks.answers = [lambda: web.Response(status=307, headers={"Location": "/stolen"})]
    await jobs.notify()
    assert jobs.hooks.elsewhere == 0
    assert await jobs.rows("SELECT error FROM digest_deliveries") == [("the web hook answered 307",)]


@pytest.mark.parametrize("refuses", ["550 no such mailbox", "451 come back later"])
async def test_a_refused_mail_is_repeated_until_it_is_accepted(jobs: NotificationJobs, refuses: str) -> None:
    await jobs.directory()
    await jobs.alerts(1)
    jobs.mail.refuses = refuses
    await jobs.notify()
    ((error, sent_at),) = await jobs.rows("SELECT error, sent_at FROM digest_deliveries")
    assert error.startswith("failure") and sent_at is None
    jobs.mail.refuses = None
    await jobs.execute("UPDATE digest_deliveries SET next_attempt_at = now()")
    await jobs.sender.run_once()
    (mail,) = jobs.mail.received
    assert await jobs.rows("SELECT id::text, error FROM digest_deliveries") == [(mail["X-Onedoor-Delivery"], None)]


async def test_a_missing_channel_a_missing_person_and_an_unwritable_file_are_visible_failures(
    jobs: NotificationJobs,
) -> None:
    await jobs.directory()
    await jobs.alerts(1, owner="Lost")
    await jobs.notify()
    assert await jobs.rows("SELECT error FROM digest_deliveries") == [
        ("there is no channel 'pigeon': ONEDOOR_CHANNELS does not name it",)
    ]
    await jobs.alerts(2, owner="Lost")
    await jobs.collect()
    left = DIRECTORY.replace('  - {id: nowhere, name: 钱立, addresses: ["pigeon:roof"]}\n', "")
    left = left.replace("  - {role: head, department: Lost, person: nowhere}\n", "")
    assert await jobs.directory(left) == 2
    await jobs.notify()
    found = await jobs.rows("SELECT error FROM digest_deliveries WHERE address = ''")
    assert found == [("this person has left the directory",)]

    jobs.file.mkdir()
    await jobs.alerts(3, rung=Rung.OVERSIGHT)
    await jobs.notify()
    assert ("the file is not written: Is a directory",) in await jobs.rows("SELECT error FROM digest_deliveries")


async def test_a_silent_receiver_is_a_failure(jobs: NotificationJobs) -> None:
    await jobs.directory()
    await jobs.alerts(1, rung=Rung.RED)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and never answers
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        channels = MonitorSettings.model_validate({"channels": {"hook": {"hook": url, "secret": SECRET}}}).channels
        jobs.sender = DigestSender(jobs.database, channels, 0.2)
        await jobs.notify()
    assert await jobs.rows("SELECT error FROM digest_deliveries") == [("no answer within 0.2 s",)]


def test_a_day_of_attempts_is_given_up() -> None:
    assert timedelta(days=1) == digest_sender.GIVE_UP and digest_sender.LONGEST_PAUSE < digest_sender.GIVE_UP
