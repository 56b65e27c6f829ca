"""People who share an address get one message there that names all of them; on a real PostgreSQL."""

import asyncio
from datetime import timedelta

import httpx2
import pytest
from sqlalchemy import text

from contracts.messages.alerts import AlertWithdrawn, Rung
from tests.integration.monitor.notifications.jobs import FRIDAY, NotificationJobs

WITHDRAWN = AlertWithdrawn(commitment="case", rung=Rung.YELLOW, reason="it was answered in time", withdrawn_at=FRIDAY)

OFFICE = """\
version: "2026-11"
people:
  - {id: wang, name: 王芳, addresses: ["mail:office@example.gov.cn", "mail:wang@example.gov.cn"]}
  - {id: smith, name: J. Smith, language: en, addresses: ["mail:Office@example.gov.cn"]}
  - {id: chen, name: 陈静, addresses: ["file:chen"]}
posts:
  - {role: head, department: Tax, person: wang}
  - {role: head, department: Tax, person: smith}
  - {role: head, department: Land, person: smith}
  - {role: supervisor, person: chen}
  - {role: director, person: chen}
"""
"""Both heads of Tax read the mail of the office; one of them answers for Land as well."""


@pytest.fixture
async def office(jobs: NotificationJobs) -> NotificationJobs:
    await jobs.directory(OFFICE)
    return jobs


def received(jobs: NotificationJobs) -> dict[str, str]:
    """The text of the mail to each address, of which none has two."""
    found = {mail["To"].lower(): mail.get_content() for mail in jobs.mail.received}
    assert len(found) == len(jobs.mail.received)
    return found


async def test_one_message_names_everybody_and_says_which_alerts_are_whose(office: NotificationJobs) -> None:
    await office.alerts(1)
    await office.alerts(2, owner="Land")
    await office.notify()
    mails = received(office)
    shared, own = mails["office@example.gov.cn"], mails["wang@example.gov.cn"]
    assert "致：J. Smith、王芳" in shared and "To: J. Smith, 王芳" in shared, "each in their language"
    assert shared.count("Land：黄牌1件") == shared.count("Land: 1 yellow card") == 1
    assert shared.count("Tax：黄牌1件") == 1, "an alert for both counts once"
    assert shared.count("for J. Smith") == shared.count("通知J. Smith") == 1, "only the alert of Land is not for both"
    assert "Land" not in own and "J. Smith" not in own, "the own address gets the own digest alone"
    numbers = sorted(number for (number,) in await office.rows("SELECT number FROM digests"))
    digests = {digest["person"]: digest for digest in await office.monitor.walk("/digests", "digests", limit=10)}
    (of_smith,) = digests["smith"]["deliveries"]
    assert of_smith["digest_numbers"] == numbers
    assert of_smith in digests["wang"]["deliveries"] and len(digests["wang"]["deliveries"]) == 2
    assert f"督办通知第{'、'.join(map(str, numbers))}号" in shared


async def test_a_digest_is_not_sent_before_that_of_somebody_with_the_same_address(office: NotificationJobs) -> None:
    await office.alerts(1)
    await office.collect()
    await office.execute("UPDATE digests SET last_entry_at = now() - interval '1 min' WHERE person = 'wang'")
    await office.builder(quiet=timedelta(seconds=30)).run_once()
    assert await office.rows("SELECT count(*) FROM digests WHERE built_at IS NULL") == [(0,)]
    await office.sender.run_once()
    assert len(received(office)) == 2


async def test_a_digest_waits_while_that_of_somebody_with_the_same_address_gets_entries(
    office: NotificationJobs,
) -> None:
    await office.alerts(1)
    await office.collect()
    async with office.database.begin() as collecting:
        await collecting.execute(text("UPDATE digests SET last_entry_at = now() WHERE person = 'smith'"))
        await office.builder().run_once()
        assert await office.rows("SELECT count(*) FROM digests WHERE built_at IS NULL") == [(2,)]
    await office.notify()
    assert len(received(office)) == 2


async def test_several_builders_at_once_send_each_message_once(office: NotificationJobs) -> None:
    await office.alerts(*range(100))
    await office.alerts(*range(100, 200), owner="Land")
    await office.collect()
    builders = [office.builder() for _ in range(3)]
    while await office.rows("SELECT number FROM digests WHERE built_at IS NULL"):
        await asyncio.gather(*(builder.run_once() for builder in builders))
    await office.notify()
    assert "黄牌200件" in received(office)["office@example.gov.cn"]


async def test_a_shared_delivery_that_was_given_up_is_repeated_once_by_either_digest(office: NotificationJobs) -> None:
    await office.alerts(1)
    office.mail.refuses = "550 no such mailbox"
    await office.notify()
    office.mail.refuses = None
    await office.execute("UPDATE digest_deliveries SET given_up_at = now(), next_attempt_at = NULL")
    digests = await office.monitor.walk("/digests", "digests", state="failed", limit=10)
    assert sorted(digest["person"] for digest in digests) == ["smith", "wang"]
    for digest in digests:
        if digest["person"] == "smith":
            answer = await office.monitor.http.post(f"/digests/{digest['number']}/retry")
            assert answer.status_code == httpx2.codes.ACCEPTED
    await office.sender.run_once()
    assert list(received(office)) == ["office@example.gov.cn"], "the mail to an address of its own is not repeated"


async def test_somebody_without_an_alert_in_it_is_not_named(office: NotificationJobs) -> None:
    await office.alerts(1, owner="Land")
    await office.notify()
    assert "王芳" not in received(office)["office@example.gov.cn"]
    await office.alerts(2)
    await office.collect()
    await office.publish((2, WITHDRAWN))
    await office.alerts(3, owner="Land")
    await office.notify()
    assert len(office.mail.received) == 2
    assert "王芳" not in office.mail.received[1].get_content(), "the only alert for both was withdrawn in time"
