"""The port: what an adapter does for its department's own system, and nothing else."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

from pydantic import TypeAdapter, ValidationError

from contracts.envelope import CaseId
from contracts.messages.tasks import TaskRequested
from services.departments.sdk.core.messages import (
    Answer,
    Decision,
    DecisionNotified,
    Procedure,
    ProcedureNotified,
    Receipt,
    ReceiptNotified,
)
from services.runtime.external_system import InvalidNotification, Notification, UnparseableReply

_CASE_ID: TypeAdapter[str] = TypeAdapter(CaseId)


class Clock(Protocol):
    """Tells the moment; the clock of the whole installation, which may be set and sped up."""

    def now(self) -> datetime:
        """The moment, in UTC."""


class Adapter(Protocol):
    """One department's own system, spoken to in its own language.

    The department is asked to remember a task by its id: however often the same task is submitted, it has one
    number there. Every adapter passes the suite in `conformance`.
    """

    batch_size: int
    """The most tasks that are submitted at once. Where each is a request of its own, 1."""

    async def open(self) -> None:
        """Get ready. Must not fail because the department is away."""

    async def close(self) -> None: ...

    async def submit(self, tasks: Sequence[TaskRequested]) -> Sequence[Answer | Exception]:
        """Hand in these tasks and give the department's present truth about each, in their order.

        `UnparseableReply`, with the raw answer, where it cannot be understood; any other exception where there is none.
        """

    async def poll(self, limit: int) -> Sequence[Notification | InvalidNotification]:
        """Notifications of the department (`ReceiptNotified`, `ProcedureNotified`, `DecisionNotified`), at most
        ``limit``.

        Each comes again until it is acknowledged.
        """

    async def acknowledge(self, receipts: Sequence[Any]) -> None:
        """These need not be said again. ``receipts`` are those of `listen`."""


def case_of(task_id: str) -> str:
    """The case a task belongs to. Raises `ValueError` when the id is none of ours."""
    try:
        return _CASE_ID.validate_python(task_id.partition("/")[0])
    except ValidationError:
        raise ValueError("the task id does not begin with a case number") from None


def notification(task_id: str, said: Receipt | Procedure | Decision, receipt: Any) -> Notification:
    """What a department said by itself, as the runtime wants it. Raises `ValueError` when the task is none of ours."""
    case_id = case_of(task_id)
    if isinstance(said, Decision):
        return Notification(case_id, DecisionNotified(task_id=task_id, decision=said), receipt)
    if isinstance(said, Procedure):
        return Notification(case_id, ProcedureNotified(task_id=task_id, procedure=said), receipt)
    return Notification(case_id, ReceiptNotified(task_id=task_id, receipt=said), receipt)


def unparseable(error: ValueError, raw: bytes) -> UnparseableReply:
    """What is wrong with an answer and where, naming fields but never repeating their values."""
    if not isinstance(error, ValidationError):
        return UnparseableReply(str(error), raw)
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    listed = "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'whole'}: {fault['type']}" for fault in faults[:5])
    return UnparseableReply(f"the department's answer is not understood: {listed}", raw)
