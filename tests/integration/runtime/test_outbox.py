"""Every committed message is published, by the batch that wrote it or by the relay of any replica."""

import asyncio
from datetime import timedelta
from functools import partial

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.runtime.batch.processor import BatchProcessor
from services.runtime.jobs.outbox_relay import OutboxRelay
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
