"""Every committed message is published, by the batch that wrote it or by the relay of any replica."""

import asyncio
from datetime import timedelta
from functools import partial

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.runtime.batch.processor import BatchProcessor
from services.runtime.jobs.outbox_relay import BATCHES, OutboxRelay
from tests.support.runtime.fakes import MemoryPublisher
from tests.support.runtime.processes import record, rows, unpublished, waits_for_a_lock
from tests.support.runtime.toy import Tally
from tests.support.waiting import eventually


async def test_messages_that_kafka_did_not_acknowledge_are_relayed_by_any_replica(
    batches: BatchProcessor[Tally], database: AsyncEngine, kafka: MemoryPublisher
) -> None:
    kafka.unavailable = True
    await batches.run([record("publish 5")])
    await batches.drain()
    relay = OutboxRelay(database, kafka.publish, timedelta())
    await relay.run_once()
    assert await rows(database, "SELECT cardinality(message_ids) FROM unpublished") == [(5,)]
    assert not relay.busy
    kafka.unavailable = False
    other = OutboxRelay(database, kafka.publish, timedelta())
    await asyncio.gather(relay.run_once(), other.run_once())
    assert relay.busy != other.busy, "one of them has published it"
    assert len(kafka.published) == 5
    assert not await rows(database, "SELECT 1 FROM unpublished")
    assert len({one.message_id for one in kafka.published}) == 5


async def test_when_kafkas_log_is_lost_the_same_messages_are_published_again(
    batches: BatchProcessor[Tally], database: AsyncEngine, kafka: MemoryPublisher
) -> None:
    for n in range(3):
        await batches.run([record("publish 2", n)])
    await batches.drain()
    first, kafka.published = kafka.published, []
    relay = OutboxRelay(database, kafka.publish, timedelta())
    await relay.republish()
    await relay.run_once()
    assert sorted(kafka.published, key=repr) == sorted(first, key=repr)
    assert not await rows(database, "SELECT 1 FROM unpublished")


async def test_when_all_replicas_notice_the_lost_log_messages_are_published_again_once(
    batches: BatchProcessor[Tally], database: AsyncEngine, kafka: MemoryPublisher
) -> None:
    for n in range(3):
        await batches.run([record("publish 400", n)])
    await batches.drain()
    kafka.published = []
    replicas = [OutboxRelay(database, kafka.publish, timedelta()) for _ in range(3)]
    await asyncio.gather(*(replica.republish() for replica in replicas))
    while await replicas[0].run_once():
        pass
    assert len(kafka.published) == len({one.message_id for one in kafka.published}) == 1200


async def test_messages_to_a_refused_topic_are_put_aside_and_keep_back_no_others(
    batches: BatchProcessor[Tally], database: AsyncEngine, kafka: MemoryPublisher
) -> None:
    many = BATCHES + 5
    kafka.unavailable = True
    for n in range(many):
        await batches.run([record("publish 2", n)])
    await batches.drain()
    async with database.begin() as other:
        refused = "UPDATE outbox SET topic = 'refused' WHERE message_id IN (SELECT message_ids[1] FROM unpublished)"
        await other.execute(text(refused))
    since = await rows(database, "SELECT created_at FROM unpublished ORDER BY 1")
    kafka.unavailable, kafka.refused = False, {"refused"}
    relay = OutboxRelay(database, kafka.publish, timedelta(), kafka.refused_topics)

    async def relay_all() -> int:
        while await relay.run_once():
            pass
        return len(kafka.published)

    assert await relay_all() == many, "the oldest batches keep back no later ones"
    put_aside = "SELECT refused_topic, cardinality(message_ids), cardinality(case_ids) FROM unpublished"
    assert await rows(database, put_aside) == [("refused", 1, 1)] * many
    assert await rows(database, "SELECT created_at FROM unpublished ORDER BY 1") == since
    assert await relay_all() == many, "nothing is published again meanwhile"
    kafka.refused = set()
    assert await relay_all() == 2 * many
    assert len({one.message_id for one in kafka.published}) == 2 * many
    assert await unpublished(database) == 0


async def test_what_is_left_for_other_reasons_stays_with_its_batch(
    batches: BatchProcessor[Tally], database: AsyncEngine, kafka: MemoryPublisher
) -> None:
    kafka.unavailable = True
    await batches.run([record("publish 3")])
    await batches.drain()
    async with database.begin() as other:
        for topic, place in (("refused", 1), ("lost", 2)):
            changed = (
                f"UPDATE outbox SET topic = '{topic}' WHERE message_id = (SELECT message_ids[{place}] FROM unpublished)"
            )
            await other.execute(text(changed))
    kafka.unavailable, kafka.refused = False, {"refused", "lost"}
    relay = OutboxRelay(database, kafka.publish, timedelta(), lambda: {"refused"})
    await relay.run_once()
    left = "SELECT refused_topic, cardinality(message_ids) FROM unpublished ORDER BY 1"
    assert await rows(database, left) == [("refused", 1), (None, 1)]
    kafka.refused = {"refused"}
    await relay.run_once()
    assert await rows(database, left) == [("refused", 1)]
    assert len(kafka.published) == 2


async def test_the_next_batch_marks_messages_as_published(
    batches: BatchProcessor[Tally], database: AsyncEngine
) -> None:
    await batches.run([record("publish 4")])
    await batches.publications.wait()
    assert await rows(database, "SELECT cardinality(message_ids) FROM unpublished") == [(4,)]
    await batches.run([record("count", 2)])
    assert not await rows(database, "SELECT 1 FROM unpublished")
    assert len(await rows(database, "SELECT 1 FROM outbox")) == 4


async def publish_one(batches: BatchProcessor[Tally]) -> None:
    """Publish a message that is not marked as published yet."""
    await batches.run([record("publish 1")])
    await batches.publications.wait()


async def test_published_messages_are_marked_although_marking_was_cancelled(
    batches: BatchProcessor[Tally], database: AsyncEngine
) -> None:
    await publish_one(batches)
    async with database.begin() as other:
        await other.execute(text("LOCK TABLE unpublished IN ACCESS EXCLUSIVE MODE"))
        marking = asyncio.create_task(batches.flush())
        await eventually(partial(waits_for_a_lock, database))
        marking.cancel()
        await asyncio.wait([marking])
    await batches.drain()
    assert await unpublished(database) == 0


async def test_published_messages_are_marked_although_the_next_batch_failed(
    batches: BatchProcessor[Tally], database: AsyncEngine
) -> None:
    await publish_one(batches)
    async with database.begin() as other:
        await other.execute(text("ALTER TABLE outbox RENAME TO elsewhere"))
    with pytest.raises(asyncpg.UndefinedTableError):
        await batches.run([record("publish 1", 2)])
    async with database.begin() as other:
        await other.execute(text("ALTER TABLE elsewhere RENAME TO outbox"))
    await batches.drain()
    assert await unpublished(database) == 0
