"""The bridge from an adapter to the shell's port to the outside world."""

from collections.abc import Sequence
from typing import Any

from contracts.envelope import Message
from services.departments.sdk.adapter import Adapter
from services.departments.sdk.core.messages import Submit, SubmitFailed, Submitted
from services.runtime.service import Call, Heard, Misheard


class DepartmentOutside:
    """Lets the shell ask and hear one department through its adapter."""

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter
        self.bulk = adapter.bulk

    async def open(self) -> None:
        await self._adapter.open()

    async def close(self) -> None:
        await self._adapter.close()

    async def ask(self, calls: Sequence[Call]) -> Sequence[Message | Exception]:
        tasks = [_question(call).task for call in calls]
        answers = await self._adapter.submit(tasks)
        return [
            answer if isinstance(answer, Exception) else Submitted(task_id=task.task_id, answer=answer)
            for task, answer in zip(tasks, answers, strict=True)
        ]

    async def listen(self, limit: int) -> Sequence[Heard | Misheard]:
        return await self._adapter.listen(limit)

    async def acknowledge(self, receipts: Sequence[Any]) -> None:
        await self._adapter.acknowledge(receipts)


def failed(call: Call, error: Exception) -> SubmitFailed:
    """Tells the core that a call failed. The kind of error alone: its text may repeat an applicant's data."""
    return SubmitFailed(task_id=_question(call).task.task_id, reason=type(error).__name__)


def _question(call: Call) -> Submit:
    if not isinstance(call.question, Submit):
        raise TypeError(f"a department is asked to Submit, not {type(call.question).__name__}")
    return call.question
