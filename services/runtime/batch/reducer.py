"""Reduces the messages of each case into its state with the core, and collects what follows from them.

No SQL statement is executed here: `processor` loads the cases before and saves the result after.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Generic, Protocol, TypeVar

from contracts.bilingual import both
from contracts.core import EarlyRequest, InvalidMessage, Transition
from contracts.envelope import Envelope, Message, follow
from contracts.registry import topic_of
from contracts.values import Value
from services.runtime import telemetry
from services.runtime.batch.message import WAITING, WAITS, InboundMessage
from services.runtime.batch.result import BatchResult, LoadedCase
from services.runtime.clock import machine_now
from services.runtime.external_system import ExternalCall
from services.runtime.service import Service
from services.runtime.store import cases
from services.runtime.store.cases import CaseRow

S = TypeVar("S", bound=Value)

log = telemetry.logger(__name__)


class CallScheduler(Protocol):
    """Makes external calls, and may lease a new one in the same commit that opens it."""

    def reserve(self) -> datetime | None:
        """Reserve room for one call. Returns the end of its lease, or None if there is no room now."""

    def start(self, calls: Sequence[ExternalCall]) -> None:
        """Make these calls: their leases are committed."""

    def release(self, calls: Sequence[ExternalCall]) -> None:
        """Give back the room of calls that are not made, because the commit failed."""


class CaseReducer(Generic[S]):
    """Applies the core of a service. ``topics`` are those of this installation; None allows all."""

    def __init__(self, service: Service[S], topics: Collection[str] | None) -> None:
        self.service = service
        self.core = service.core
        """The core that applies the rules in force."""
        self._topics = topics
        self._source = service.source
        self.call_scheduler: CallScheduler | None = None

    def reduce(
        self, case_id: str, before: LoadedCase[S] | None, received: Iterable[InboundMessage], result: BatchResult[S]
    ) -> bool:
        """Reduce the messages of one case, in the order in which they came. Returns whether any was accepted."""
        processed_ids = before.row.processed_ids if before else b""
        processed = {processed_ids[at : at + 16] for at in range(0, len(processed_ids), 16)}
        state = before.state if before else None
        last: tuple[Transition[S], Envelope[Message]] | None = None
        blocked = case_id in result.blocked
        call_answered: timedelta | None = None
        for one in received:
            envelope = one.envelope
            if one.from_kafka and envelope.id.bytes in processed:
                result.duplicates += 1
                continue
            if blocked:
                self._reject(one, WAITS, result, blocking=True, error=InvalidMessage(*WAITING))
                continue
            try:
                transition = self.core(state, envelope)
                self._check_topics(transition.out)
            except InvalidMessage as error:
                self._reject(one, str(error), result, error=error)
                continue
            except Exception as error:
                log.exception("the core failed", case_id=case_id, message_id=str(envelope.id), type=envelope.type)
                kind = type(error).__name__
                reason = both(
                    f"the core failed: {kind}. Correct the fault or the record, then replay the letters of the case",
                    f"服务的程序出错（{kind}）。请排除故障或更正记录，再重放该办件的死信",
                )
                self._reject(one, reason, result, blocking=True, error=error)
                blocked = one.from_kafka
                continue
            state = transition.state
            last = transition, envelope
            if one.is_call_result:
                call_answered = max(call_answered or one.call_wait, one.call_wait)
            if one.from_kafka:
                processed.add(envelope.id.bytes)
                processed_ids += envelope.id.bytes
            result.messages.extend(
                follow(message, envelope, self._source, index) for index, message in enumerate(transition.out)
            )
            if one.reply is not None:
                result.replies.append((one.reply, transition.state))
        if last is not None:
            after = self._after(case_id, before, *last, processed_ids, result, call_answered=call_answered)
            result.changed.append(after)
        if blocked:
            result.blocked.add(case_id)
        return last is not None

    def reject_all(self, received: Iterable[InboundMessage], error: Exception, result: BatchResult[S]) -> None:
        """Reject the messages of a case whose state cannot be read."""
        kind = type(error).__name__
        reason = both(
            f"its state cannot be read: {kind}. Install the release that wrote it or restore the row, then replay the "
            "letters of the case",
            f"办件状态无法读取（{kind}）。请安装写入该状态的版本或恢复该行，再重放该办件的死信",
        )
        for one in received:
            self._reject(one, reason, result, blocking=True, error=error)
            if one.from_kafka:
                result.blocked.add(one.envelope.subject)

    def _after(
        self,
        case_id: str,
        before: LoadedCase[S] | None,
        transition: Transition[S],
        envelope: Envelope[Message],
        processed_ids: bytes,
        result: BatchResult[S],
        *,
        call_answered: timedelta | None,
    ) -> LoadedCase[S]:
        """The case after its last transition.

        ``call_answered``: if its external call has just been answered, the least that the next one must wait.
        """
        row = before.row if before else None
        unchanged = before is not None and transition.state is before.state
        retry_at = _retry_at(row, transition)
        if transition.timer_at is not None:
            result.timers.append(transition.timer_at)
        if retry_at is not None:
            result.retries.append(retry_at)
        closed_at = None
        if transition.closed:
            closed_at = row.closed_at if row and row.closed_at else envelope.time
        after = CaseRow(
            case_id=case_id,
            version=row.version + 1 if row else 1,
            state=row.state
            if row is not None and unchanged
            else transition.state.model_dump_json(exclude_defaults=True),
            processed_ids=processed_ids[-16 * cases.MAX_PROCESSED_IDS :],
            timer_at=transition.timer_at,
            retry_at=retry_at,
            call_due_at=self._call_due_at(case_id, before, transition, result, call_answered),
            closed_at=closed_at,
        )
        return LoadedCase(after, transition.state)

    def _call_due_at(
        self,
        case_id: str,
        before: LoadedCase[S] | None,
        transition: Transition[S],
        result: BatchResult[S],
        call_answered: timedelta | None,
    ) -> datetime | None:
        """When the external call of the case is due. A call that is due now is leased in this commit if there is room.

        If the call of the case has just been answered, the same request is made again.
        """
        if transition.call is None:
            return None
        if (
            call_answered is None
            and before is not None
            and before.row.call_due_at is not None
            and self.service.pending_request(before.state) == transition.call
        ):
            return before.row.call_due_at  # under way or planned already
        call_after = max(transition.call_after, call_answered or timedelta())
        if not call_after and self.call_scheduler is not None and (lease_until := self.call_scheduler.reserve()):
            result.leased_calls.append(ExternalCall(case_id, transition.call))
            return lease_until
        result.planned_calls += 1
        return machine_now() + call_after

    def _check_topics(self, messages: Iterable[Message]) -> None:
        """Raise `InvalidMessage` for a message whose topic this installation lacks: nothing would consume it."""
        for message in messages:
            if self._topics is not None and (topic := topic_of(message)) not in self._topics:
                raise InvalidMessage(f"{topic} is no topic of this installation", f"本系统没有主题 {topic}")

    def _reject(
        self,
        one: InboundMessage,
        reason: str,
        result: BatchResult[S],
        *,
        blocking: bool = False,
        error: Exception,
    ) -> None:
        """Park a Kafka record as a dead letter, unless its sender repeats it; reply to a command; log anything else."""
        if one.reply is not None:
            result.replies.append((one.reply, error))
        if isinstance(error, EarlyRequest):
            log.info("request about a case not accepted yet", case_id=one.envelope.subject, type=one.envelope.type)
        elif one.from_kafka:
            result.dead_letters.append(one.dead_letter(reason, blocking=blocking))
        elif one.reply is None:
            log.error(
                "message rejected",
                case_id=one.envelope.subject,
                message_id=str(one.envelope.id),
                type=one.envelope.type,
                reason=reason,
            )


def _retry_at(row: CaseRow | None, transition: Transition[S]) -> datetime | None:
    """The machine time until which the case waits for an answer.

    A moment that leaves at least half of the wait stays as it is: PostgreSQL updates a row whose indexed columns have
    not changed at a fraction of the cost (heap-only tuples).
    """
    if transition.retry_after is None:
        return None
    now = machine_now()
    if (
        row is not None
        and row.retry_at is not None
        and now + transition.retry_after / 2 <= row.retry_at <= now + transition.retry_after
    ):
        return row.retry_at
    return now + transition.retry_after
