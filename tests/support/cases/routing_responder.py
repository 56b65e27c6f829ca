"""A responder in the place of routing: it reports every case that monitor requests as open."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from contracts.codec import CONTENT_TYPE_HEADER, encode
from contracts.envelope import envelop
from contracts.messages.cases import CaseReported, CaseStateRequested
from contracts.registry import REGISTRY
from services.runtime.clock import FileClock
from tests.support.cases.simulated_case import ACCEPTED_AT
from tests.support.messages import CASE_ID


@asynccontextmanager
async def routing_responder(kafka: str, clock: FileClock) -> AsyncIterator[None]:
    """Answers every `CaseStateRequested` with a `CaseReported` while the body runs.

    The report is encoded once; id, case number and time are replaced in its bytes, because millions are sent.
    """
    report_id = uuid4()
    report = envelop(CaseReported(steps=()), id=report_id, source="/onedoor/routing", subject=CASE_ID, time=ACCEPTED_AT)
    before, after = encode(report).split(str(report_id).encode())
    consumer = AIOKafkaConsumer(
        REGISTRY[CaseStateRequested].topic, bootstrap_servers=kafka, auto_offset_reset="earliest", group_id=None
    )
    producer = AIOKafkaProducer(bootstrap_servers=kafka, linger_ms=5, max_batch_size=512 * 1024)

    async def answer() -> None:
        while True:
            polled = await consumer.getmany(timeout_ms=200, max_records=2000)
            now = _json_time(clock.now())
            for record in (one for records in polled.values() for one in records):
                template = b"%b%b%b" % (before, str(uuid4()).encode(), after)
                value = template.replace(CASE_ID.encode(), record.key).replace(_json_time(ACCEPTED_AT), now)
                await producer.send(REGISTRY[CaseReported].topic, value, key=record.key, headers=CONTENT_TYPE_HEADER)

    async with producer, consumer:
        answering = asyncio.create_task(answer())
        try:
            yield
        finally:
            answering.cancel()
            await asyncio.wait([answering])


def _json_time(time: datetime) -> bytes:
    return time.isoformat().replace("+00:00", "Z").encode()
