"""An adapter as an external system of the runtime."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from contracts.envelope import TimerFired
from contracts.messages.tasks import TaskRequested
from services.departments.conformance.suite import task
from services.departments.sdk.core.messages import Answer, Posted, Submit, Submitted
from services.departments.sdk.external_system import DepartmentSystem, submit_failed
from services.runtime.external_system import ExternalCall, InvalidNotification, Notification


class Counter:
    """An adapter that takes every other task."""

    batch_size = 7

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def submit(self, tasks: Sequence[TaskRequested]) -> Sequence[Answer | Exception]:
        return [Posted() if number % 2 == 0 else ConnectionError(one.task_id) for number, one in enumerate(tasks)]

    async def poll(self, limit: int) -> Sequence[Notification | InvalidNotification]:
        return ()

    async def acknowledge(self, ack_tokens: Sequence[Any]) -> None: ...


async def test_answers_go_to_their_tasks() -> None:
    outside = DepartmentSystem(Counter(), timedelta(minutes=5))
    one, other = (ExternalCall(f"{number}", Submit(task=task(number))) for number in (1, 2))
    first, second = await outside.call([one, other])
    assert first == Submitted(task_id=task(1).task_id, answer=Posted())
    assert isinstance(second, ConnectionError)
    assert outside.batch_size == 7


def test_a_failure_repeats_no_personal_data() -> None:
    failed = submit_failed(ExternalCall("1", Submit(task=task(1))), ValueError("张三 has no such number"))
    assert (failed.task_id, failed.reason) == (task(1).task_id, "ValueError")


def test_a_department_is_called_with_submit_only() -> None:
    with pytest.raises(TypeError, match="not TimerFired"):
        submit_failed(ExternalCall("1", TimerFired()), ValueError())
