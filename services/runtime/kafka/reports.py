"""Follows the reports of all processes, on a topic that keeps the newest one of each."""

from typing import Any, cast

from aiokafka.errors import KafkaError

from contracts.bilingual import Bilingual
from contracts.codec import InvalidRecord, decode
from contracts.envelope import Envelope
from contracts.messages.processes import ProcessReported
from contracts.registry import MAX_RECORD_BYTES, REGISTRY
from services.runtime import telemetry
from services.runtime.clock import machine_now
from services.runtime.failures import Failures
from services.runtime.kafka.compacted import newest
from services.runtime.reported import Reported, Reports
from services.runtime.settings import Settings

TOPIC = REGISTRY[ProcessReported].topic

WORK = "following reports"
"""The name of this work among the failures of the process."""

ADVICE = Bilingual(
    "Kafka is unavailable; the page of operations shows what was reported last",
    "Kafka 不可用；运行状态页显示的是最近一次报告",
)

RETRY_S = 1.0
"""Machine seconds before the next attempt."""

log = telemetry.logger(__name__)


async def follow(settings: Settings, reports: Reports, failures: Failures) -> bool:
    """Take reports as they come. Returns only when it is cancelled; raises `KafkaError` or `OSError`."""
    try:
        async with newest(settings, TOPIC, _read, MAX_RECORD_BYTES) as found:
            async for latest in found:
                now = machine_now()
                # A clock may be ahead. A report that has just come is as old as its way here, whatever its clock shows.
                reports.take(
                    Reported(one.data, now if reports.is_current else min(one.time, now)) for one in latest.values()
                )
                reports.is_current = True
                failures.succeeded(WORK)
    except (KafkaError, OSError):
        reports.is_current = False
        raise
    return False


def _read(record: Any) -> Envelope[ProcessReported] | None:
    try:
        return cast(Envelope[ProcessReported], decode(record.value, record.key, TOPIC))
    except InvalidRecord as error:
        log.warning("a report cannot be read and is passed over", offset=record.offset, reason=str(error))
        return None
