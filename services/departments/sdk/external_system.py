"""Makes an adapter an external system of the runtime."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from contracts.envelope import Message
from services.departments.sdk.adapter import Adapter
from services.departments.sdk.core.messages import Notified, Submit, SubmitFailed, Submitted
from services.runtime.external_system import ExternalCall, InvalidNotification, Notification


class DepartmentSystem:
    """Calls and polls one department through its adapter."""

    def __init__(self, adapter: Adapter, clock_tolerance: timedelta) -> None:
        """``clock_tolerance``: how far the department's clock may differ from that of the platform."""
        self._adapter = adapter
        self._clock_tolerance = clock_tolerance
        self.batch_size = adapter.batch_size
        self.open, self.close, self.acknowledge = adapter.open, adapter.close, adapter.acknowledge

    async def call(self, calls: Sequence[ExternalCall]) -> Sequence[Message | Exception]:
        tasks = [_submit_of(call).task for call in calls]
        answers = await self._adapter.submit(tasks)
        return [
            answer
            if isinstance(answer, Exception)
            else Submitted(task_id=task.task_id, answer=answer, clock_tolerance=self._clock_tolerance)
            for task, answer in zip(tasks, answers, strict=True)
        ]

    async def poll(self, limit: int) -> Sequence[Notification | InvalidNotification]:
        return [self._with_tolerance(one) for one in await self._adapter.poll(limit)]

    def _with_tolerance(self, one: Notification | InvalidNotification) -> Notification | InvalidNotification:
        if isinstance(one, Notification) and isinstance(one.message, Notified):
            return replace(one, message=one.message.replace(clock_tolerance=self._clock_tolerance))
        return one


def submit_failed(call: ExternalCall, error: Exception) -> SubmitFailed:
    """The message for the core that a call failed. It has the kind of error only: the text may hold personal data."""
    return SubmitFailed(task_id=_submit_of(call).task.task_id, reason=type(error).__name__)


def _submit_of(call: ExternalCall) -> Submit:
    if not isinstance(call.request, Submit):
        raise TypeError(f"a department is called with Submit, not {type(call.request).__name__}")
    return call.request
