"""Makes an adapter an external system of the runtime."""

from collections.abc import Sequence

from contracts.envelope import Message
from services.departments.sdk.adapter import Adapter
from services.departments.sdk.core.messages import Submit, SubmitFailed, Submitted
from services.runtime.external_system import ExternalCall


class DepartmentSystem:
    """Calls and polls one department through its adapter."""

    def __init__(self, adapter: Adapter) -> None:
        self._submit = adapter.submit
        self.batch_size = adapter.batch_size
        self.open, self.close = adapter.open, adapter.close
        self.poll, self.acknowledge = adapter.poll, adapter.acknowledge

    async def call(self, calls: Sequence[ExternalCall]) -> Sequence[Message | Exception]:
        tasks = [_submit_of(call).task for call in calls]
        answers = await self._submit(tasks)
        return [
            answer if isinstance(answer, Exception) else Submitted(task_id=task.task_id, answer=answer)
            for task, answer in zip(tasks, answers, strict=True)
        ]


def submit_failed(call: ExternalCall, error: Exception) -> SubmitFailed:
    """The message for the core that a call failed. It has the kind of error only: the text may hold personal data."""
    return SubmitFailed(task_id=_submit_of(call).task.task_id, reason=type(error).__name__)


def _submit_of(call: ExternalCall) -> Submit:
    if not isinstance(call.request, Submit):
        raise TypeError(f"a department is called with Submit, not {type(call.request).__name__}")
    return call.request
