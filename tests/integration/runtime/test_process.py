"""A whole service process with the real Kafka and PostgreSQL and a fake external system."""

import asyncio
import time
from datetime import timedelta
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer
from sqlalchemy import text

from contracts.codec import decode, encode
from contracts.messages.alerts import AlertWithdrawn
from contracts.messages.cases import CaseDecided, CaseStateRequested
from services.runtime.batch.queue import Overloaded
from services.runtime.clock import FileClock, machine_now
from services.runtime.clock_check import ClockCheck, ClockInDoubt
from services.runtime.external_system import (
    InvalidNotification,
    Notification,
    RequestRefused,
    SystemAway,
    UnparseableReply,
)
from services.runtime.jobs.cleaner import Cleaner
from services.runtime.process import ServiceProcess
from services.runtime.store import dead_letters
from tests.support.runtime.processes import Start, command, raw, record, send, until, until_parked
from tests.support.runtime.toy import FakeSystem, Reply, Tally, case, instruction
from tests.support.waiting import eventually


def answered(tally: Tally) -> bool:
    """Whether the last call was answered."""
    return tally.answers[-1:] == ("done",)


async def test_records_are_consumed_and_messages_are_published(start: Start) -> None:
    async with start() as host:
        await send(host.settings, *(raw("publish 2", case(n)) for n in range(50)))
        consumer = AIOKafkaConsumer(
            host.settings.topic_prefix + "onedoor.requests",
            bootstrap_servers=host.settings.kafka,
            auto_offset_reset="earliest",
        )
        async with consumer, asyncio.timeout(20):
            events = [await consumer.getone() for _ in range(100)]
    assert {event.key.decode() for event in events} == {case(n) for n in range(50)}
    for event in events:
        assert isinstance(decode(event.value, event.key, "onedoor.requests").data, CaseStateRequested)
        assert dict(event.headers)["content-type"] == b"application/cloudevents+json"


async def test_bad_records_are_parked_with_their_reasons_and_delay_no_other(start: Start) -> None:
    good, key = encode(instruction("count", case(1))), case(1).encode()
    bad = {
        "no JSON": (key, b"{"),
        "the record is no CloudEvent": (key, b"[1]"),
        "of a type and version known": (key, good.replace(b"withdrawn.v1", b"withdrawn.v9")),
        "key is not the subject": (case(2).encode(), good),
        "bytes; at most": (key, good + b" " * 300_000),
        "does not belong": (
            key,
            encode(instruction("count", case(1))).replace(b"alert.withdrawn.v1", b"case.state-requested.v1"),
        ),
    }
    async with start() as host:
        await send(host.settings, *bad.values(), (key, good))
        await until(host, lambda tally: tally.instructions == ("count",))
        await until_parked(host, len(bad))
        letters = await dead_letters.letters(host.database)
        for reason, (_, value) in bad.items():
            assert value in [letter.value for letter in letters if reason in letter.reason], reason


async def test_a_stopped_process_leaves_its_work_to_the_next(start: Start) -> None:
    async with start() as first:
        await send(first.settings, raw("one", case(1)))
        await until(first, lambda tally: len(tally.instructions) == 1)
    await send(first.settings, raw("two", case(1)))
    async with start() as second:
        await until(second, lambda tally: tally.instructions == ("one", "two"))


async def test_a_replica_that_restarts_with_fewer_topics_goes_on_with_the_rest(start: Start) -> None:
    async with start(replica="1", service={"consumes": (AlertWithdrawn, CaseDecided)}) as before:
        await send(before.settings, raw("one", case(1)))
        await until(before, lambda tally: tally.instructions == ("one",))
    async with start(replica="1") as host:
        await send(host.settings, raw("two", case(1)))
        await until(host, lambda tally: tally.instructions == ("one", "two"))


async def test_two_replicas_share_the_work(start: Start) -> None:
    async with start(replica="1") as first, start(replica="2") as second:
        await send(first.settings, *(raw("publish 1", case(n)) for n in range(200)))
        await until(second, lambda tally: tally.instructions == ("publish 1",), range(200))


async def test_concurrent_commands_are_committed_in_groups(start: Start) -> None:
    async with start() as host:
        before = await _rows_written(host)
        states = await asyncio.gather(
            *(host.command(case(n % 10), instruction(f"n{n}", case(n % 10)).data) for n in range(200))
        )
        assert await _rows_written(host) - before < 60
        assert all(isinstance(state, Tally) for state in states)
        instructions = [one for n in range(10) for one in (await host.read(case(n))).instructions]
        assert sorted(instructions) == sorted(f"n{n}" for n in range(200))


async def _rows_written(host: ServiceProcess[Tally]) -> int:
    async with host.database.connect() as connection:
        return int(await connection.scalar(text("SELECT sum(version) FROM cases")) or 0)


async def test_commands_beyond_the_capacity_are_refused_at_once(start: Start) -> None:
    async with start(batch=5) as host:
        results = await asyncio.gather(
            *(host.command(case(n), instruction("count", case(n)).data) for n in range(200)), return_exceptions=True
        )
        refused = [result for result in results if isinstance(result, Overloaded)]
        taken = [result for result in results if isinstance(result, Tally)]
        assert len(refused) + len(taken) == 200
        assert len(taken) >= 50 and refused


async def test_a_timer_fires_when_it_is_due(start: Start) -> None:
    async with start() as host:
        soon = host.clock.now() + timedelta(seconds=0.5)
        await command(host, f"timer {soon.isoformat()}")
        assert (await host.read(case(1))).fired == 0
        await until(host, lambda tally: tally.fired == 1)
        assert host.clock.now() >= soon


async def test_a_call_is_made_and_its_reply_reaches_the_core(start: Start) -> None:
    system = FakeSystem()
    async with start(system) as host:
        await command(host, "call now")
        await until(host, lambda tally: tally.answers == ("done",))
    assert system.called == {case(1): 1}


async def test_no_more_calls_are_under_way_than_allowed(start: Start) -> None:
    system = FakeSystem()
    system.gate.clear()
    async with start(system, calls=20) as host:
        await command(host, "call now", range(60))

        async def full() -> bool:
            return system.under_way == 20

        await eventually(full)
        system.gate.set()
        await until(host, lambda tally: tally.answers == ("done",), range(60))
    assert system.most_under_way == 20
    assert set(system.called.values()) == {1}


async def test_an_outage_of_the_external_system_opens_the_breaker_and_loses_nothing(start: Start) -> None:
    system = FakeSystem()
    system.fault = ConnectionError("unavailable")
    async with start(system) as host:
        await command(host, "call now", range(20))

        async def open_breaker() -> bool:
            return host.external_calls is not None and host.external_calls.breaker.open

        await eventually(open_breaker)
        system.fault = None
        await until(host, answered, range(20))
    assert system.done == {case(n) for n in range(20)}


async def test_a_call_of_a_dead_process_is_repeated_when_the_lease_ends(start: Start) -> None:
    dead, alive = FakeSystem(), FakeSystem()
    dead.gate.clear()
    async with start(dead, call_timeout_s=0.5) as host:
        await command(host, "call now")

        async def called() -> bool:
            return dead.called[case(1)] == 1

        await eventually(called)
        host.external_calls.cancel()
    async with start(alive, call_timeout_s=0.5) as host:
        await until(host, answered)


async def test_an_unparseable_reply_is_parked_and_the_call_stays_open(start: Start) -> None:
    system = FakeSystem()
    system.fault = UnparseableReply("neither yes nor no", "既非是也非否", b"<maybe/>")
    async with start(system) as host:
        await command(host, "call now")
        await until_parked(host, 1)
        system.fault = None
        await until(host, answered)
        (letter,) = await dead_letters.letters(host.database)
        assert (letter.reason, letter.value, letter.case_id) == (
            "neither yes nor no / 既非是也非否",
            b"<maybe/>",
            case(1),
        )


async def test_a_refused_request_is_parked_and_holds_no_other_back(start: Start) -> None:
    system = FakeSystem()
    system.faults = {case(n): RequestRefused("its column is too narrow", "列过窄", b"column %d" % n) for n in (3, 7)}
    async with start(system) as host:
        await command(host, "call now", range(20))
        await until(host, answered, set(range(20)) - {3, 7})
        await until_parked(host, 2)
        assert host.external_calls is not None and not host.external_calls.breaker.open
        system.faults = {}
        await until(host, answered, range(20))
        letters = await dead_letters.letters(host.database)
        assert {(letter.case_id, letter.reason, letter.value) for letter in letters} == {
            (case(n), "its column is too narrow / 列过窄", b"column %d" % n) for n in (3, 7)
        }


async def test_a_system_that_asks_to_wait_is_neither_called_nor_polled_until_then(start: Start) -> None:
    system = FakeSystem()
    system.fault = SystemAway("busy", 3600)
    async with start(system) as host:
        await command(host, "call now")
        await until(host, lambda tally: tally.answers == ("failed: busy, and asks to wait for 3600 s",))
        system.fault, polls = None, system.polls
        await command(host, "call now", [2])
        assert host.external_calls is not None
        assert not await host.external_calls.call_once()
        assert not await host.external_calls.poll_once(10)
        assert (system.called, system.polls) == ({case(1): 1}, polls)
        async with host.database.connect() as connection:
            due_s = "SELECT extract(epoch FROM call_due_at - clock_timestamp()) FROM cases ORDER BY case_id"
            first, second = (await connection.execute(text(due_s))).scalars()
        assert 3500 < first <= 3600 and second < 60, "another process may call for the other case"


async def test_a_system_is_called_again_once_the_time_is_over(start: Start) -> None:
    system = FakeSystem()
    system.fault = SystemAway("busy", 0.5)
    async with start(system) as host:
        began = time.monotonic()
        await command(host, "call now")
        await until(host, lambda tally: len(tally.answers) == 1)
        system.fault = None
        await until(host, answered)
        assert time.monotonic() > began + 0.5


async def test_a_poll_that_is_asked_to_wait_holds_calls_back_as_well(start: Start) -> None:
    system = FakeSystem()
    system.poll_fault = SystemAway("busy", 3600)
    async with start(system) as host:
        calls = host.external_calls
        assert calls is not None

        async def held() -> bool:
            return bool(calls.breaker.held(time.monotonic()))

        await eventually(held)
        await command(host, "call now")
        assert not await calls.call_once()
    assert (system.called, system.polls) == ({}, 1)


async def test_a_notification_that_cannot_be_acknowledged_is_parked_once(start: Start) -> None:
    system = FakeSystem()
    system.notifications = {1: InvalidNotification(UnparseableReply("without an id", "没有编号", b"?"), None)}
    async with start(system) as host:
        calls = host.external_calls
        assert calls is not None
        for _ in range(3):
            assert not await calls.poll_once(10), "there is nothing more to do at once"
        await until_parked(host, 1)


async def test_notifications_that_stay_hold_back_no_others_and_show_where_they_are_many(start: Start) -> None:
    system = FakeSystem()
    system.notifications = {
        1: InvalidNotification(UnparseableReply("without an id", "没有编号", b"?"), None),
        2: Notification(case(2), Reply(text="news"), 2),
    }
    async with start(system, batch=1) as host:

        async def acknowledged() -> bool:
            return list(system.notifications) == [1]

        async def shown() -> bool:
            return any("NotificationsHeld" in impairment.en for impairment in host.impairments())

        await eventually(acknowledged)
        await eventually(shown)


async def test_an_impossible_reply_is_parked_and_the_call_stays_open(start: Start) -> None:
    system = FakeSystem()
    system.reply = "impossible"
    async with start(system) as host:
        await command(host, "call now")
        await until_parked(host, 1)
        system.reply = "done"
        await until(host, answered)


async def test_notifications_are_processed_once_and_acknowledged(start: Start) -> None:
    system = FakeSystem()
    system.notifications = {
        1: Notification(case(1), Reply(text="news"), 1),
        2: InvalidNotification(UnparseableReply("garbled", "乱码", b"\xff"), 2),
        3: Notification(case(3), instruction("impossible", case(3)).data, 3),
    }
    async with start(system) as host:
        await until(host, lambda tally: tally.answers == ("news",))

        async def all_acknowledged() -> bool:
            return not system.notifications

        await eventually(all_acknowledged)
        assert {letter.reason for letter in await dead_letters.letters(host.database)} == {
            "garbled / 乱码",
            "impossible for the toy / 玩具做不到",
        }


async def test_closed_cases_are_deleted_after_the_retention_time_and_open_ones_never(
    start: Start, tmp_path: Path
) -> None:
    async with start() as host:
        await host.command(case(1), instruction("close", case(1)).data)
        await host.command(case(2), instruction("count", case(2)).data)
        for days, closed_is_deleted in ((89, False), (91, True)):
            later = FileClock.create(tmp_path / f"clock{days}", host.clock.now() + timedelta(days=days))
            await Cleaner(host.database, later, host.settings).run_once(100)
            assert [await host.read(case(n)) is None for n in (1, 2)] == [closed_is_deleted, False]


@pytest.mark.parametrize(
    ("then", "now", "reason"),
    [
        (timedelta(), timedelta(hours=1), None),
        (timedelta(), timedelta(days=400, hours=1), "jumped ahead by 400 days"),
        (timedelta(days=400), timedelta(days=400), "differ by more than a day"),
        (timedelta(days=-400), timedelta(days=-400), "differ by more than a day"),
        (timedelta(days=-2, hours=-1), timedelta(), "jumped ahead by 2 days"),
    ],
)
async def test_nothing_is_deleted_by_a_clock_that_may_be_wrong(
    start: Start, tmp_path: Path, then: timedelta, now: timedelta, reason: str | None
) -> None:
    """``then`` and ``now``: by how much the machine's clock is wrong when the process starts, and later."""
    wrong_by = then
    async with start() as host:
        await host.command(case(1), instruction("close", case(1)).data)
        later = FileClock.create(tmp_path / "clock", host.clock.now() + timedelta(days=91))
        clocks = ClockCheck(lambda: machine_now() + wrong_by, time.monotonic)
        cleaner = Cleaner(host.database, later, host.settings, clocks=clocks)
        wrong_by = now
        if reason is None:
            await cleaner.run_once(100)
        else:
            with pytest.raises(ClockInDoubt, match=reason):
                await cleaner.run_once(100)
        assert (await host.read(case(1)) is None) is (reason is None)


async def test_settled_letters_are_deleted_after_their_retention_and_parked_ones_never(start: Start) -> None:
    async with start() as host:
        await host.processor.run([record("impossible", 1), record("impossible", 2), record("impossible", 3)])
        await dead_letters.drop(host.database, [1, 2])
        async with host.database.begin() as connection:
            old = (
                "UPDATE dead_letters SET parked_at = now() - interval '1 year', settled_at = now() - interval '31 days'"
            )
            await connection.execute(text(f"{old} WHERE number <> 2"))
        await Cleaner(host.database, host.clock, host.settings).run_once(100)
        assert [letter.number for letter in await dead_letters.letters(host.database, status=None)] == [2, 3]


async def test_old_messages_are_deleted_only_if_they_are_published(start: Start) -> None:
    async with start() as host:
        await command(host, "publish 2")
        await command(host, "publish 1", [2])
        await host.processor.drain()
        async with host.database.begin() as connection:
            old = "created_at = created_at - interval '31 days'"
            await connection.execute(text(f"UPDATE outbox SET {old}"))
            (waiting,) = (
                await connection.execute(text("SELECT * FROM outbox WHERE case_id = :id"), {"id": case(2)})
            ).all()
            # This one is still to be published, and is young enough not to be relayed during the test.
            mark = text("INSERT INTO unpublished VALUES (gen_random_uuid(), :created_at, ARRAY[:id], :messages)")
            await connection.execute(
                mark, {"created_at": waiting.created_at, "id": case(2), "messages": [waiting.message_id]}
            )
        await Cleaner(host.database, host.clock, host.settings).run_once(100)
        async with host.database.connect() as connection:
            kept = (await connection.execute(text("SELECT case_id FROM outbox"))).scalars().all()
        assert kept == [case(2)]
