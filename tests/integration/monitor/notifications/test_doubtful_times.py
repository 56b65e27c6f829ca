"""Supervisors read in their digests which times of departments wait for their decision; by a real mail server."""

from datetime import timedelta
from typing import Any

import pytest

from contracts.messages.alerts import AlertWithdrawn, Rung, TimeDoubted
from contracts.messages.tasks import TimeField
from services.monitor.core.notifications.digest_text import MAX_LINES
from tests.integration.monitor.notifications.jobs import FRIDAY, NotificationJobs
from tests.support.messages import at
from tests.support.monitor_process import number

SUPERVISORS = """\
version: "2026-11"
people:
  - {id: wang, name: 王芳, addresses: ["mail:wang@example.gov.cn"]}
  - {id: zhou, name: 周敏, addresses: ["mail:zhou@example.gov.cn"]}
  - {id: li, name: 李伟, addresses: ["mail:li@example.gov.cn"]}
posts:
  - {role: head, person: wang}
  - {role: supervisor, department: Tax, person: zhou}
  - {role: supervisor, department: Land, person: li}
  - {role: director, person: li}
"""


@pytest.fixture
async def supervised(jobs: NotificationJobs) -> NotificationJobs:
    """Tax and Land have a supervisor each."""
    await jobs.directory(SUPERVISORS)
    return jobs


def doubted(owner: str = "Tax", **fields: Any) -> TimeDoubted:
    """The decision of a step, dated 1970 and received on Friday."""
    return TimeDoubted(
        step="licence",
        field=TimeField.DECIDED_AT,
        claimed=at("1970-01-01 08:00"),
        counts_at=FRIDAY,
        owner=owner,
        matter="m",
        region="450302",
        doubted_at=FRIDAY,
    ).replace(**fields)


async def mails(jobs: NotificationJobs) -> dict[str, str]:
    """Send all digests; the text of the mail to each person, of whom none gets two."""
    jobs.mail.received.clear()
    await jobs.notify()
    found = {mail["To"].partition("@")[0]: mail.get_content() for mail in jobs.mail.received}
    assert len(found) == len(jobs.mail.received)
    return found


async def test_a_supervisor_reads_what_to_settle(supervised: NotificationJobs) -> None:
    await supervised.alerts(1)
    await supervised.publish((7, doubted()), (8, doubted("Land")))
    await supervised.alerts(2, rung=Rung.RED)
    found = await mails(supervised)
    assert sorted(found) == ["li", "wang", "zhou"] and "存疑" not in found["wang"], "a head settles nothing"
    line = "环节 licence，Tax，办结时间 decided_at 报告为 1970-01-01 周四 08:00，目前以 2026-03-06 周五 16:00 为准"
    assert f"{number(7)}，m {line}" in found["zhou"] and "onedoor times settle" in found["zhou"]
    assert number(8) not in found["zhou"], "that of Land is for another supervisor"
    assert await supervised.rows("SELECT subject FROM digests WHERE person = 'zhou'") == [
        ("onedoor 督办：红牌1件，存疑时间1项",)
    ]


async def test_a_new_one_is_news_of_its_own_once(supervised: NotificationJobs) -> None:
    await supervised.publish((7, doubted()), (8, doubted()))
    found = await mails(supervised)
    assert sorted(found) == ["zhou"] and number(7) in found["zhou"] and number(8) in found["zhou"]
    assert "最紧急" not in found["zhou"], "there is no alert"
    assert await supervised.rows("SELECT subject FROM digests") == [("onedoor 督办：存疑时间2项",)]
    await supervised.publish((7, doubted()), (8, doubted(counts_at=at("2026-03-06 15:00"))))
    assert await mails(supervised) == {}, "the same ones are no news"
    later = FRIDAY + timedelta(hours=1)
    await supervised.publish((7, doubted(claimed=at("2099-01-01 08:00"), doubted_at=later)))
    assert list(await mails(supervised)) == ["zhou"], "another time in its place is"


async def test_one_that_is_settled_before_the_digest_is_built_is_no_news(supervised: NotificationJobs) -> None:
    later = FRIDAY + timedelta(hours=1)
    await supervised.publish((7, doubted()), (8, doubted("Land")))
    await supervised.collect()
    await supervised.publish((7, doubted(resolved_at=later)))
    assert list(await mails(supervised)) == ["li"]
    await supervised.publish((9, doubted(resolved_at=later)))
    assert await mails(supervised) == {}, "one that was resolved at once needs nobody"


async def test_a_digest_is_not_empty_where_the_directory_has_changed_meanwhile(supervised: NotificationJobs) -> None:
    await supervised.publish((7, doubted()))
    await supervised.collect()
    await supervised.directory(SUPERVISORS.replace("department: Tax, person: zhou", "department: Tax, person: li"))
    assert await mails(supervised) == {}
    await supervised.alerts(1, rung=Rung.RED)
    assert "存疑时间1项" in (await mails(supervised))["li"]


async def test_a_withdrawn_alert_repeats_none(supervised: NotificationJobs) -> None:
    await supervised.publish((7, doubted()))
    assert list(await mails(supervised)) == ["zhou"]
    await supervised.alerts(1, rung=Rung.RED)
    await supervised.collect()
    withdrawn = AlertWithdrawn(commitment="case", rung=Rung.RED, reason="in time", withdrawn_at=FRIDAY)
    await supervised.publish((1, withdrawn))
    assert await mails(supervised) == {}


async def test_without_a_directory_a_doubtful_time_waits_for_one(jobs: NotificationJobs) -> None:
    await jobs.publish((7, doubted()))
    assert await mails(jobs) == {}
    await jobs.directory(SUPERVISORS)
    assert list(await mails(jobs)) == ["zhou"]


async def test_it_stays_in_the_digests_until_it_is_settled_or_corrected(supervised: NotificationJobs) -> None:
    await supervised.publish((7, doubted()), (8, doubted()), (9, doubted(procedure="P1", field=TimeField.SINCE)))
    for case in (1, 2):
        await supervised.alerts(case, rung=Rung.RED)
        assert "存疑时间3项" in (await mails(supervised))["zhou"]
    later = FRIDAY + timedelta(hours=1)
    await supervised.publish(
        (7, doubted(settled_at=later, settled_by="zhou", reason="以窗口登记为准")), (8, doubted(resolved_at=later))
    )
    await supervised.alerts(3, rung=Rung.RED)
    left = (await mails(supervised))["zhou"]
    assert "存疑时间1项" in left and f"{number(9)}，m 环节 licence 特别程序 P1，" in left


async def test_a_flood_names_the_oldest_and_counts_the_others(supervised: NotificationJobs) -> None:
    await supervised.publish(*((case, doubted()) for case in range(70)))
    await supervised.publish(*((case, doubted(matter="other")) for case in range(100, 170)))
    await supervised.alerts(1, rung=Rung.RED)
    text = (await mails(supervised))["zhou"]
    assert text.count("报告为") == MAX_LINES and f"另有{140 - MAX_LINES}项" in text
    assert "存疑时间140项" in text and number(49) in text and number(50) not in text


async def test_a_shared_address_says_who_may_settle_it(supervised: NotificationJobs) -> None:
    shared = SUPERVISORS.replace("li@", "office@").replace("zhou@", "office@")
    await supervised.directory(shared)
    await supervised.publish((7, doubted()))
    await supervised.alerts(1, rung=Rung.RED)
    await supervised.alerts(2, rung=Rung.RED, owner="Land")
    text = (await mails(supervised))["office"]
    assert f"{number(7)}，m 环节 licence，Tax，" in text and "，请周敏认定" in text
