"""The port `Adapter`: the interface between a department's service and the department's own system."""

from collections.abc import MutableMapping, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from contracts.envelope import CASE_ID
from contracts.faults import fault, texts_of
from contracts.messages.tasks import TaskRequested
from contracts.text import number
from services.departments.sdk.core.messages import Answer, Decision, Notified, Procedure, Receipt
from services.departments.sdk.core.task import contradiction
from services.runtime.external_system import InvalidNotification, Notification, UnparseableReply
from services.runtime.fault_text import on_one_line
from services.runtime.files.encoding import read_text
from services.runtime.files.strict_json import parse_json

B = TypeVar("B", bound=BaseModel)


class Clock(Protocol):
    """The clock of the installation, which tests and demonstrations set and speed up."""

    def now(self) -> datetime:
        """The present moment, in UTC."""


class Adapter(Protocol):
    """Translates between the platform and one department's own system.

    The task id is the idempotency key: however often a task is submitted, it has one number at the department. Every
    adapter passes the checks of `services.departments.conformance.suite`.
    """

    batch_size: int
    """The most tasks of one `submit`; 1 where each task is a request of its own."""

    async def open(self) -> None:
        """Prepare connections. Must not fail because the department is unreachable."""

    async def close(self) -> None: ...

    async def submit(self, tasks: Sequence[TaskRequested]) -> Sequence[Answer | Exception]:
        """Submit these tasks. Returns the department's present answer to each, in their order.

        An answer is `UnparseableReply`, with the raw reply, where it is invalid, and any other exception where there
        is none.
        """

    async def poll(self, limit: int) -> Sequence[Notification | InvalidNotification]:
        """At most ``limit`` notifications, made by `notification`. Each is returned again until it is acknowledged."""

    async def acknowledge(self, ack_tokens: Sequence[Any]) -> None:
        """Note that notifications have been processed. ``ack_tokens`` are theirs."""


def case_of(task_id: str) -> str:
    """The case of a task. Raises `ValueError` for an id that does not begin with a case number."""
    try:
        return CASE_ID.validate_python(task_id.partition("/")[0])
    except ValidationError:
        raise fault("the task id does not begin with a case number", "任务编号不以办件编号开头") from None


def notification(task_id: str, content: Receipt | Procedure | Decision, ack_token: Any) -> Notification:
    """A notification for the runtime. Raises `ValueError` for a task id without a case number."""
    task_id = number(task_id)
    return Notification(case_of(task_id), Notified(task_id=task_id, content=content), ack_token)


def read_reply(model: type[B], raw: bytes) -> B:
    """A reply of a department, or a line of its file: JSON in any usual encoding, in which each name stands once.

    Raises `ValueError`.
    """
    return model.model_validate(parse_json(read_text(raw).text))


def merge(known: MutableMapping[str, Receipt | Decision], task_id: str, found: Receipt | Decision) -> bool:
    """Add one of several answers that were found together; a decision replaces the receipt.

    Returns False for an answer that contradicts an earlier one. The adapter leaves it to `Adapter.poll`, so that a
    person sees both.
    """
    earlier = known.get(task_id)
    if earlier is not None and contradiction(earlier, found) is not None:
        return False
    if not isinstance(earlier, Decision):
        known[task_id] = found
    return True


def unparseable(error: ValueError, raw: bytes) -> UnparseableReply:
    """The error for an invalid reply. It names fields, never values, which may be personal data."""
    if not isinstance(error, ValidationError):
        return UnparseableReply(*texts_of(error), raw)
    en, zh = on_one_line(error)
    return UnparseableReply(f"the department's answer is invalid: {en}", f"部门的答复无效：{zh}", raw)
