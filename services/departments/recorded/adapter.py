"""Gives recorded answers, each at its recorded time."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from contracts.messages.plans import Outcome
from contracts.messages.tasks import TaskRequested
from services.departments.recorded.settings import RecordedSettings
from services.departments.recorded.store import RecordedEntry, RecordedLedger
from services.departments.sdk.adapter import Clock, notification
from services.departments.sdk.core.messages import Answer, Decision, Receipt
from services.runtime.external_system import InvalidNotification, Notification
from services.runtime.store.database import open_database


class NotRecorded(Exception):
    """No answer is recorded for this case."""


class RecordedAdapter:
    """Takes each task at once, and answers when the clock reaches the recorded time of the answer."""

    batch_size = 500

    def __init__(self, settings: RecordedSettings, clock: Clock) -> None:
        self._database = open_database(settings.ledger.get_secret_value(), "onedoor recorded", 3)
        self._ledger = RecordedLedger(self._database)
        self._clock = clock

    async def open(self) -> None:
        """Connections are made when they are needed."""

    async def close(self) -> None:
        await self._database.dispose()

    async def submit(self, tasks: Sequence[TaskRequested]) -> Sequence[Answer | Exception]:
        now = self._clock.now()
        entries = await self._ledger.deliver([(task.item_name, task.task_id) for task in tasks], now)
        return [_receipt(entries.get(task.item_name)) for task in tasks]

    async def poll(self, limit: int) -> Sequence[Notification | InvalidNotification]:
        due = await self._ledger.due(self._clock.now(), limit)
        return [notification(entry.task_id, _decision(entry), entry.reference) for entry in due]

    async def acknowledge(self, ack_tokens: Sequence[Any]) -> None:
        await self._ledger.mark_reported(ack_tokens)


def _receipt(entry: RecordedEntry | None) -> Receipt | Exception:
    if entry is None:
        return NotRecorded("no answer is recorded for this case")
    return Receipt(reference=entry.reference, delivered_at=_delivered_at(entry))


def _delivered_at(entry: RecordedEntry) -> datetime:
    """When the department received the task: before it decided, also if the clock has jumped over both."""
    return min(entry.delivered_at, entry.decided_at or entry.delivered_at)


def _decision(entry: RecordedEntry) -> Decision:
    if entry.decided_at is None:
        raise AssertionError("only decided cases are due")
    return Decision(
        reference=entry.reference,
        delivered_at=_delivered_at(entry),
        outcome=Outcome.APPROVED,
        decided_at=entry.decided_at,
        opinion="as recorded; the record has no outcome",
    )
