"""Alerts become entries of digests and escalate, and digests are built; on a real PostgreSQL."""

import json
import time
from datetime import timedelta

import pytest
from sqlalchemy import event

from contracts.messages.alerts import (
    AlertAcknowledged,
    AlertAppealed,
    AlertClosed,
    AlertWithdrawn,
    AppealDecided,
    Rung,
)
from services.monitor.notifications.digest_collector import MAX_ALERTS, DigestCollector
from services.runtime.clock import machine_now
from services.runtime.clock_check import ClockCheck, ClockInDoubt
from tests.integration.monitor.notifications.jobs import FRIDAY, NotificationJobs
from tests.support.messages import at
from tests.support.monitor_process import number

WITHDRAWN = AlertWithdrawn(commitment="case", rung=Rung.YELLOW, reason="it was answered in time", withdrawn_at=FRIDAY)


# -- collecting --------------------------------------------------------------------------------------------------------


async def test_a_flood_is_one_digest_a_person_and_one_mail(jobs: NotificationJobs) -> None:
    await jobs.directory()
    await jobs.alerts(*range(3000))
    await jobs.notify()
    (mail,) = jobs.mail.received
    assert mail["To"] == "wang@example.gov.cn"
    assert mail["Subject"] == "onedoor 督办：黄牌3000件"
    body = mail.get_content()
    assert "Tax：黄牌3000件" in body and "另有2950条" in body
    assert body.count("0000-0000-") == 50
    assert await jobs.entries() == {("wang", "rung", 0): 3000}
    ((id, sent_at),) = await jobs.rows("SELECT id, sent_at FROM digest_deliveries")
    assert mail["X-Onedoor-Delivery"] == str(id) and sent_at is not None
    assert mail["Auto-Submitted"] == "auto-generated", "an absence notice must not answer it"
    await jobs.notify()
    assert len(jobs.mail.received) == 1, "nobody is notified twice"


async def test_alerts_wait_until_a_directory_is_in_force(jobs: NotificationJobs) -> None:
    await jobs.alerts(1)
    collector = jobs.collector()
    for _ in range(2):
        assert not await collector.run_once()
    assert await jobs.entries() == {} and await jobs.notify_at() == FRIDAY
    assert await jobs.directory() == 1
    await collector.run_once()
    await jobs.notify()
    assert len(jobs.mail.received) == 1


async def test_nobody_is_notified_by_a_clock_that_has_jumped(jobs: NotificationJobs) -> None:
    await jobs.directory()
    await jobs.alerts(1)
    wrong_by = timedelta()
    clocks = ClockCheck(lambda: machine_now() + wrong_by, time.monotonic)
    collector = DigestCollector(jobs.database, jobs.clock, clocks)
    wrong_by = timedelta(days=2, hours=1)
    with pytest.raises(ClockInDoubt, match="jumped ahead by 2 days"):
        await collector.run_once()
    assert await jobs.entries() == {}
    wrong_by = timedelta()
    await collector.run_once()
    assert await jobs.entries() == {("wang", "rung", 0): 1}


async def test_statements_do_not_grow_with_the_alerts(jobs: NotificationJobs) -> None:
    await jobs.directory()
    statements: list[object] = []
    counts = []
    event.listen(jobs.database.sync_engine, "before_cursor_execute", lambda *call: statements.append(call))
    for cases in (range(1, 3), range(1000, 1000 + MAX_ALERTS)):
        await jobs.alerts(*cases)
        statements.clear()
        await jobs.collector().run_once()
        counts.append(len(statements))
    assert counts[0] == counts[1] <= 7


async def test_an_alert_escalates_by_working_hours_until_it_is_acknowledged(jobs: NotificationJobs) -> None:
    await jobs.directory()
    await jobs.alerts(1)
    await jobs.notify()
    monday = at("2026-03-09 11:30")  # four hours of business later: one and a half on Friday
    assert await jobs.notify_at() == monday
    jobs.clock.set(monday - timedelta(seconds=1), 0)
    await jobs.notify()
    assert await jobs.entries() == {("wang", "rung", 0): 1}
    jobs.clock.set(monday, 0)
    await jobs.notify()
    assert await jobs.entries() == {("wang", "rung", 0): 1, ("smith", "rung", 1): 1}
    digest = json.loads(jobs.hooks.received[0][1])["data"]
    assert digest["subject"] == "onedoor: 1 yellow card" and "escalated once" in digest["text"]

    await jobs.publish(
        (1, AlertAcknowledged(commitment="case", rung=Rung.YELLOW, by="smith", reason="on it", acknowledged_at=monday))
    )
    jobs.clock.set(monday + timedelta(days=30), 0)
    await jobs.notify()
    assert sum((await jobs.entries()).values()) == 2


async def test_escalation_ends_with_the_highest_role(jobs: NotificationJobs) -> None:
    await jobs.directory()
    await jobs.alerts(1)
    for days in range(10):
        jobs.clock.set(FRIDAY + timedelta(days=days), 0)
        await jobs.notify()
    assert await jobs.entries() == {("wang", "rung", 0): 1, ("smith", "rung", 1): 1, ("chen", "rung", 2): 1}
    assert await jobs.notify_at() is None
    assert [line["data"]["people"] for line in jobs.lines()] == [["chen"]]


async def test_a_rung_does_not_escalate_while_a_higher_one_stands(jobs: NotificationJobs) -> None:
    await jobs.directory()
    await jobs.alerts(1, rung=Rung.YELLOW)
    await jobs.collect()
    await jobs.alerts(1, rung=Rung.RED)
    jobs.clock.set(jobs.clock.now() + timedelta(days=7), 0)
    await jobs.collect()
    assert await jobs.rows("SELECT rung, max(level) FROM digest_entries GROUP BY rung ORDER BY rung") == [
        ("red", 0),
        ("yellow", 0),
    ]
    assert await jobs.rows("SELECT rung FROM alerts WHERE notify_at IS NOT NULL") == [("red",)]


async def test_an_answered_commitment_makes_no_entry(jobs: NotificationJobs) -> None:
    await jobs.directory()
    await jobs.publish((1, jobs.raised()), (1, AlertClosed(commitment="case", ended_at=FRIDAY, region="450302")))
    await jobs.notify()
    assert await jobs.entries() == {}


# -- withdrawn, appealed -----------------------------------------------------------------------------------------------


async def test_an_alert_withdrawn_before_its_digest_is_built_makes_no_entry(jobs: NotificationJobs) -> None:
    await jobs.directory()
    await jobs.publish((1, jobs.raised()), (1, WITHDRAWN))
    await jobs.notify()
    assert await jobs.entries() == {}
    await jobs.alerts(2, 3)
    await jobs.collect()
    await jobs.publish((2, WITHDRAWN))
    await jobs.notify()
    (mail,) = jobs.mail.received
    assert mail["Subject"] == "onedoor 督办：黄牌1件" and number(3) in mail.get_content()

    await jobs.alerts(4)
    await jobs.collect()
    await jobs.publish((4, WITHDRAWN))
    await jobs.notify()
    assert len(jobs.mail.received) == 1, "no entry is left"
    assert await jobs.rows("SELECT count(*) FROM digests WHERE built_at IS NULL") == [(0,)]


async def test_a_withdrawal_is_sent_to_the_recipients_of_the_alert(jobs: NotificationJobs) -> None:
    await jobs.directory()
    await jobs.alerts(1)
    await jobs.notify()
    await jobs.publish((1, WITHDRAWN))
    await jobs.notify()
    assert [mail["Subject"] for mail in jobs.mail.received] == ["onedoor 督办：黄牌1件", "onedoor 督办：撤销1件"]
    assert "黄牌已撤销" in jobs.mail.received[1].get_content()
    assert await jobs.notify_at() is None


async def test_supervisors_are_notified_of_an_appeal_and_everybody_concerned_of_the_decision(
    jobs: NotificationJobs,
) -> None:
    await jobs.directory()
    await jobs.alerts(1)
    await jobs.notify()
    of = {"commitment": "case", "rung": Rung.YELLOW}
    appealed = AlertAppealed.model_validate({**of, "by": "chen", "reason": "handed in late", "appealed_at": FRIDAY})
    await jobs.publish((1, appealed))
    await jobs.notify()
    assert await jobs.entries() == {("wang", "rung", 0): 1, ("smith", "appeal", 0): 1}
    assert json.loads(jobs.hooks.received[0][1])["data"]["counts"] == {"appeal": 1}
    assert await jobs.notify_at() == at("2026-03-09 11:30"), "an appeal does not stop the escalation"

    decided = AppealDecided.model_validate(
        {**of, "by": "smith", "upheld": True, "reason": "so it was", "decided_at": FRIDAY}
    )
    await jobs.publish((1, decided), (1, WITHDRAWN))
    await jobs.notify()
    entries = await jobs.entries()
    assert {person for person, kind, _ in entries if kind == "decision"} == {"wang", "smith", "chen"}
    assert not any(kind == "withdrawn" for _, kind, _ in entries), "the decision reports it"
    assert "对黄牌的申诉成立" in jobs.lines()[0]["data"]["text"]


# -- building ----------------------------------------------------------------------------------------------------------


async def test_a_digest_is_built_when_it_is_quiet_or_open_for_long(jobs: NotificationJobs) -> None:
    await jobs.directory()
    await jobs.alerts(1)
    await jobs.collect()
    half_a_minute, five = timedelta(seconds=30), timedelta(minutes=5)

    async def is_built() -> bool:
        await jobs.builder(half_a_minute, five).run_once()
        return await jobs.rows("SELECT built_at IS NOT NULL FROM digests") == [(True,)]

    assert not await is_built()
    await jobs.execute("UPDATE digests SET last_entry_at = now() - interval '29 s'")
    assert not await is_built()
    await jobs.alerts(2)
    await jobs.execute("UPDATE digests SET last_entry_at = now() - interval '40 s'")
    await jobs.collect()  # joins it, and begins the quiet anew
    assert not await is_built()
    await jobs.execute("UPDATE digests SET opened_at = now() - interval '301 s'")
    assert await is_built()
    assert await jobs.entries() == {("wang", "rung", 0): 2}
    await jobs.alerts(3)
    await jobs.collect()
    assert len(await jobs.rows("SELECT number FROM digests")) == 2, "a digest that is built gets no more entries"
