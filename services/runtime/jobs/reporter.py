"""Reports the state of this process, for metrics and for the page of operations: one look, two readers."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from uuid import uuid4

from contracts.codec import encode
from contracts.envelope import envelop
from contracts.messages.processes import ProcessReported, Stored
from contracts.registry import topic_of
from services.runtime import telemetry
from services.runtime.clock import machine_now
from services.runtime.store.outbox import OutboxMessage

Publish = Callable[[Sequence[OutboxMessage]], Awaitable[Collection[OutboxMessage]]]


class Reporter:
    """Call `run_once` every few seconds. ``look`` gives the state of the process as of now, ``seen`` takes it."""

    def __init__(
        self,
        look: Callable[[], Awaitable[ProcessReported]],
        publish: Publish,
        seen: Callable[[ProcessReported], object] | None = None,
    ) -> None:
        self._look = look
        self._publish = publish
        self._seen = seen
        self._last: ProcessReported | None = None

    async def run_once(self) -> bool:
        """Set the metrics, and publish a report. While Kafka is unavailable, the next one says what is new."""
        report = await self._look()
        measure(report)
        if self._seen is not None:
            self._seen(report)
        self._last = report
        await self._send(report)
        return False

    async def stopped(self) -> None:
        """Report that the process ends as it was told to, so that nobody waits for its next report."""
        if self._last is not None:
            await self._send(self._last.replace(stopped=True))

    async def _send(self, report: ProcessReported) -> None:
        envelope = envelop(
            report, id=uuid4(), source=f"/onedoor/{report.service}", subject=report.process, time=machine_now()
        )
        await self._publish([OutboxMessage(report.process, envelope.id, topic_of(report), encode(envelope))])


def measure(report: ProcessReported) -> None:
    """Set the metrics that have what a report has. What is not known keeps the value that it had."""
    telemetry.READY.set(not report.faults)
    if report.lag is not None:
        telemetry.LAG.set(report.lag)
    if report.calls is not None:
        telemetry.CALLS_UNDER_WAY.set(report.calls.under_way)
        telemetry.BREAKER_OPEN.set(report.calls.held_back)
    if report.stored is not None:
        _measure_stored(report.stored)


def _measure_stored(stored: Stored) -> None:
    telemetry.UNPUBLISHED.set(stored.unpublished)
    telemetry.UNPUBLISHED_SECONDS.set(stored.oldest_unpublished_s)
    telemetry.TIMERS_DUE.set(stored.timers_due)
    telemetry.TIMER_SECONDS.set(stored.latest_timer_s)
    telemetry.CALLS_DUE.set(stored.calls_due)
    telemetry.PARKED.set(stored.letters)
    telemetry.BLOCKED_CASES.set(stored.blocked_cases)
    telemetry.DATABASE_BYTES.set(stored.bytes)
    if stored.free_bytes is not None:
        telemetry.DISK_FREE_BYTES.set(stored.free_bytes)
    if (rollout := stored.rollout) is not None:
        telemetry.ROLLOUT_VERSION.labels(rollout.kind).set(rollout.number)
        telemetry.ROLLOUT_VISITED.labels(rollout.kind).set(rollout.visited)
        telemetry.ROLLOUT_DONE.labels(rollout.kind).set(rollout.done_at is not None)
    if stored.journal is not None and stored.journal.chained_until is not None:
        telemetry.JOURNAL_UNTIL.set(stored.journal.chained_until.timestamp())
