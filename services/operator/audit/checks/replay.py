"""Replays the messages of a case through the services' cores and compares the result with their states.

This is the only place of the audit that uses the cores: they are under examination. A service keeps the ids of the
messages it processed, in order; the outboxes of all services have the messages. Fields that no message determines are
left out: how often a service has retried, and the rungs of the ladder, which the clock decides (`ladder_checks`).
Deadlines are computed anew by the version of the rules that they name.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from typing import Any, cast
from uuid import UUID

from contracts.bilingual import both
from contracts.codec import InvalidRecord, decode
from contracts.core import Core, InvalidMessage
from contracts.envelope import Envelope, Message, envelop
from contracts.messages.cases import CaseHeld
from contracts.messages.side_timers import SideTimer, SideTimersReported
from services.departments.sdk.core.messages import Decision, Notified, Procedure, Receipt
from services.intake.core.lifecycle import AcceptCase
from services.intake.core.side_timers import EndTimer, StartTimer
from services.load import load
from services.monitor.core.holds import BeginHold, EndHold
from services.operator.audit.case_record import CaseRecord, PublishedMessage, StoredCase
from services.operator.audit.invariants import Fault, Invariant, Moments, optional_moment
from services.registry import services

MAX_PROCESSED_IDS = 128
"""A row with so many ids may lack earlier ones, and cannot be replayed from the beginning."""

_NOT_IN_MESSAGES: Mapping[str, Any] = {
    "intake": {"attempts": True, "due_at_acceptance": True, "commitments": {"__all__": {"reported_at"}}},
    "routing": {"attempts": True},
    "monitor": {
        "request_count": True,
        "requested_at": True,
        "unanswered_requests": True,
        "sequence": True,
        "platform_issues": True,
        "doubts": {"__all__": {"attempts", "settlement", "doubted_at"}},
        "commitments": {"__all__": {"raised", "open_at", "undelivered_at"}},
    },
}
"""Fields that no message determines, by service. ``due_at_acceptance`` follows from the calendar of that day.

The moment of a report (``reported_at``, ``open_at``, ``undelivered_at``, ``doubted_at``) is that of its message, or an
earlier one if the clock of the process was behind it.
"""

_NOT_IN_DEPARTMENT_MESSAGES: Mapping[str, Any] = {"tasks": {"__all__": {"retry_reason", "attempts"}}}

_NOTIFIED: Mapping[str, type[Receipt | Procedure | Decision]] = {
    "task.delivered": Receipt,
    "task.suspended": Procedure,
    "task.done": Decision,
}
"""The content of the notification that a department's service has published in such a message."""


class Incomplete(Exception):
    """A message that the case processed is no longer on record."""


def replay(case: CaseRecord, moments: Moments) -> tuple[int, list[Fault]]:
    """The number of the case's states that could be replayed, and their faults."""
    published = {message.message_id: message for messages in case.published.values() for message in messages}
    examined, faults = 0, []
    for service in case.rows:
        stored = case.row(service)
        if stored is None or service not in services():
            continue
        try:
            what = _difference(case, service, stored, published, moments)
        except Incomplete:
            continue
        examined += 1
        if what is not None:
            faults.append(Fault(Invariant.REPLAYED, case.case_id, f"{service}: {what}"))
    return examined, faults


def _difference(
    case: CaseRecord, service: str, row: StoredCase, published: Mapping[UUID, PublishedMessage], moments: Moments
) -> str | None:
    """The fault of a state, without any of its content; None if it has none. Raises `Incomplete`."""
    if len(row.processed_ids) >= MAX_PROCESSED_IDS:
        raise Incomplete
    left_out = _NOT_IN_MESSAGES.get(service, _NOT_IN_DEPARTMENT_MESSAGES)
    stored = load(service).state.model_validate_json(row.text)
    versions = {one.rules_version for one in stored.commitments} or {0} if service == "monitor" else {0}
    for version in sorted(versions):
        state: Any = None
        try:
            core = _core(service, version, case.rules.get(version))
            for envelope in _inputs(case, service, row, published, moments):
                state = core(state, envelope).state
        except _NeverPublished as missing:
            return str(missing)
        except (InvalidMessage, InvalidRecord) as impossible:
            return both(f"it cannot have processed its messages: {impossible}", "其消息不可能被这样处理")
        if state is None:
            return both("it holds a state, and has processed nothing", "有状态，却没有处理过任何消息")
        for name in type(state).model_fields:
            expected, found = _plain(state, left_out, name), _plain(stored, left_out, name)
            if service == "monitor" and name == "commitments":
                expected, found = _by_version(expected, found, version)
            if expected != found:
                return both(
                    f"its messages lead to another {name!r} than it holds", f"按其消息得出的 {name!r} 与记录不同"
                )
    return None


@cache
def _core(service: str, version: int, body: str | None) -> Core[Any]:
    """The service's core with this version of its rules. Raises `Incomplete` if the version is not on record."""
    declared = load(service)
    if version == 0 or declared.rules is None:
        return declared.core
    if body is None:
        raise Incomplete
    return declared.rules.core(version, body) or declared.core


def _by_version(expected: list[Any], found: list[Any], version: int) -> tuple[list[Any], list[Any]]:
    """Leave the deadlines out of the commitments that were last computed by another version of the rules."""

    def bare(commitment: Any) -> Any:
        return {name: value for name, value in commitment.items() if name not in ("due", "rules_version")}

    others = {one["key"] for one in found if one["rules_version"] != version}

    def comparable(commitments: list[Any]) -> list[Any]:
        return [bare(one) if one["key"] in others else one for one in commitments]

    return comparable(expected), comparable(found)


def _plain(state: Any, left_out: Mapping[str, Any], name: str) -> Any:
    return state.model_dump(mode="json", include={name}, exclude=left_out).get(name)


class _NeverPublished(Exception):
    """The case has processed a message that no service published."""


def _inputs(
    case: CaseRecord, service: str, row: StoredCase, published: Mapping[UUID, PublishedMessage], moments: Moments
) -> Iterator[Envelope[Message]]:
    """All inputs of the case at this service: its messages in order of processing, and what came from outside.

    Cores merge facts, so that the order between the two makes no difference. Raises `Incomplete`.
    """
    if service == "intake":
        yield _application(case, row)
        yield from _time_changes(case)
        yield from _side_timers(case)
    holds = _holds(case)
    for message_id in row.processed_ids:
        message = published.get(message_id)
        if message is None:
            if _accepted_at(case) > moments.kept_since:
                raise _NeverPublished(
                    both("it has processed a message that no service published", "处理过没有服务发布的消息")
                )
            raise Incomplete
        yield _decoded(case, message)
        if service == "monitor" and message.kind == "case.accepted":
            yield from holds
    if service not in _NOT_IN_MESSAGES:
        yield from _notifications(case, service)


def _accepted_at(case: CaseRecord) -> datetime:
    """When the case was accepted; long ago if that is not on record."""
    intake = case.row("intake")
    accepted = optional_moment(intake.state["accepted"]["accepted_at"]) if intake is not None else None
    return accepted or datetime.fromisoformat("1900-01-01T00:00:00Z")


def _application(case: CaseRecord, row: StoredCase) -> Envelope[Message]:
    """The command that began the case, from its published acceptance."""
    for message in case.messages("intake", "case.accepted"):
        command = AcceptCase(**message.data, fingerprint=row.state["fingerprint"])
        return _command(case, "intake", command, message)
    raise Incomplete


def _time_changes(case: CaseRecord) -> Iterator[Envelope[Message]]:
    """The commands that changed the case's time: each change once, however often it was published."""
    done: set[str] = set()
    # Of messages of one commit, a suspension's end comes after its beginning.
    for message in sorted(
        case.published.get("intake", ()), key=lambda one: (one.created_at, one.data.get("until") is not None)
    ):
        changes_time = message.kind in ("case.suspended", "case.extended", "case.restarted")
        if changes_time and message.data["change_id"] not in done:
            done.add(message.data["change_id"])
            yield _command(case, "intake", _decoded(case, message).data, message)


def _side_timers(case: CaseRecord) -> Iterator[Envelope[Message]]:
    """The commands about side timers, from the report that was published after each change."""
    known: dict[str, SideTimer] = {}
    reports = {message.data["change_id"]: message for message in case.messages("intake", "side-timers.reported")}
    for _, message in sorted(reports.items(), key=lambda one: int(one[0].rpartition("-")[2])):
        report = cast(SideTimersReported, _decoded(case, message).data)
        for timer in report.timers:
            if timer.commitment not in known:
                start = StartTimer(
                    commitment=timer.commitment,
                    owner=timer.owner,
                    limits=timer.limits,
                    started_at=timer.started_at,
                    by=timer.started_by,
                    on_behalf_of=timer.started_on_behalf_of,
                )
                yield _command(case, "intake", start, message)
            if timer.ended_at is not None and known.get(timer.commitment) != timer:
                end = EndTimer(
                    commitment=timer.commitment,
                    ended_at=timer.ended_at,
                    by=timer.ended_by,
                    on_behalf_of=timer.ended_on_behalf_of,
                )
                yield _command(case, "intake", end, message)
            known[timer.commitment] = timer


def _holds(case: CaseRecord) -> Iterator[Envelope[Message]]:
    """The commands of supervisors, which monitor takes between the acceptance and the decision of the case."""
    published = [(_decoded(case, message).data, message) for message in case.messages("monitor", "case.held")]
    held: CaseHeld
    for held, message in sorted(cast(Any, published), key=lambda one: one[0].recorded_at):
        fields = {"hold": held.hold, "by": held.by, "reason": held.reason}
        if held.until is None:
            command: Message = BeginHold(**fields, article=held.article, since=held.since)
        else:
            command = EndHold(**fields, until=held.until)
        yield _command(case, "monitor", command, message, time=held.recorded_at)


def _decoded(case: CaseRecord, message: PublishedMessage) -> Envelope[Message]:
    return decode(message.text.encode(), case.case_id.encode(), message.topic)


def _notifications(case: CaseRecord, service: str) -> Iterator[Envelope[Message]]:
    """The notifications from the department's system, from the messages that its service published about them."""
    for message in case.published.get(service, ()):
        if (content := _NOTIFIED.get(message.kind)) is not None:
            notified = content.model_validate_json(json.dumps(message.data))
            yield _command(case, service, Notified(task_id=message.data["task_id"], content=notified), message)


def _command(
    case: CaseRecord, service: str, content: Message, cause: PublishedMessage, time: datetime | None = None
) -> Envelope[Message]:
    """An input that came from outside, reconstructed from the message that the service published about it."""
    time = time or datetime.fromisoformat(cause.event["time"])
    return envelop(content, id=cause.message_id, source=f"/onedoor/{service}", subject=case.case_id, time=time)
