"""Folds what was said to a case once more, and compares what comes of it with what a service holds.

This is the one place where the services' cores are used: they are what is examined. A service remembers the ids of
what it has heard, in order; the ledgers of all others say what stood in each. What no message determines is left out:
how often somebody has asked, and the rungs of the ladder, which the clock decides (`ladder` examines them). Deadlines
are reckoned anew, by the version of the rules that they name.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from typing import Any, cast
from uuid import UUID

from contracts.codec import InvalidRecord, decode
from contracts.core import Core, InvalidMessage
from contracts.envelope import Envelope, Message, envelop
from contracts.messages.side_timers import SideTimer, SideTimersReported
from services.departments.sdk.core.messages import (
    Decision,
    DecisionNotified,
    Procedure,
    ProcedureNotified,
    Receipt,
    ReceiptNotified,
)
from services.intake.core.lifecycle import AcceptCase
from services.intake.core.side_timers import EndTimer, StartTimer
from services.load import load
from services.operator.audit.case_record import CaseRecord, PublishedMessage, StoredCase
from services.operator.audit.invariants import Fault, Grounds, Invariant, at
from services.registry import services

SEEN_KEPT = 128
"""A row that remembers so many ids may have forgotten earlier ones, and cannot be folded from the beginning."""

_NOT_SAID: Mapping[str, Any] = {
    "intake": {"attempts": True, "due_at_acceptance": True},
    "routing": {"attempts": True},
    "monitor": {
        "query_count": True,
        "queried_at": True,
        "unanswered_queries": True,
        "sequence": True,
        "platform_issues": True,
        "commitments": {"__all__": {"raised"}},
    },
}
"""What no message determines, by service. What a case was thought to be due at its acceptance followed from the
calendar of that day."""

_NOT_SAID_BY_A_DEPARTMENT: Mapping[str, Any] = {"tasks": {"__all__": {"retry_reason", "attempts"}}}


class Incomplete(Exception):
    """Not all that the case has heard is still on record."""


def replay(case: CaseRecord, grounds: Grounds) -> tuple[int, list[Fault]]:
    """How many of the case's states could be folded anew, and what is wrong with them."""
    ledger = {message.message_id: message for said in case.said.values() for message in said}
    examined, faults = 0, []
    for service in case.rows:
        kept = case.kept(service)
        if kept is None or service not in services():
            continue
        try:
            what = _difference(case, service, kept, ledger, grounds)
        except Incomplete:
            continue
        examined += 1
        if what is not None:
            faults.append(Fault(Invariant.LEDGER, case.case_id, f"{service}: {what}"))
    return examined, faults


def _difference(
    case: CaseRecord, service: str, kept: StoredCase, ledger: Mapping[UUID, PublishedMessage], grounds: Grounds
) -> str | None:
    """What is wrong, without repeating anything of the content. Raises `Incomplete`."""
    if len(kept.processed_ids) >= SEEN_KEPT:
        raise Incomplete
    left_out = _NOT_SAID.get(service, _NOT_SAID_BY_A_DEPARTMENT)
    stored = load(service).state.model_validate_json(kept.text)
    versions = {watch.rules_version for watch in stored.commitments} or {0} if service == "monitor" else {0}
    for version in sorted(versions):
        state: Any = None
        try:
            core = _core(service, version, case.rules.get(version))
            for envelope in _heard(case, service, kept, ledger, grounds):
                state = core(state, envelope).state
        except _Unsaid as unsaid:
            return str(unsaid)
        except (InvalidMessage, InvalidRecord) as impossible:
            return f"what it has heard cannot be true of it: {impossible}"
        if state is None:
            return "it holds a state, and has heard nothing"
        for name in type(state).model_fields:
            expected, found = _plain(state, left_out, name), _plain(stored, left_out, name)
            if service == "monitor" and name == "commitments":
                expected, found = _by_version(expected, found, version)
            if expected != found:
                return f"its messages lead to another {name!r} than it holds"
    return None


@cache
def _core(service: str, version: int, body: str | None) -> Core[Any]:
    """The service's core by this version of its rules. Raises `Incomplete` if that is not on record."""
    declared = load(service)
    if version == 0 or declared.rules is None:
        return declared.core
    if body is None:
        raise Incomplete
    return declared.rules.core(version, body) or declared.core


def _by_version(expected: list[Any], found: list[Any], version: int) -> tuple[list[Any], list[Any]]:
    """The commitments that were last calculated by this version; of the others, all but their deadlines."""

    def bare(watch: Any) -> Any:
        return {name: value for name, value in watch.items() if name not in ("due", "rules_version")}

    others = {watch["key"] for watch in found if watch["rules_version"] != version}

    def comparable(watches: list[Any]) -> list[Any]:
        return [bare(watch) if watch["key"] in others else watch for watch in watches]

    return comparable(expected), comparable(found)


def _plain(state: Any, left_out: Mapping[str, Any], name: str) -> Any:
    return state.model_dump(mode="json", include={name}, exclude=left_out).get(name)


class _Unsaid(Exception):
    """It has heard what nobody has said."""


def _heard(
    case: CaseRecord, service: str, kept: StoredCase, ledger: Mapping[UUID, PublishedMessage], grounds: Grounds
) -> Iterator[Envelope[Message]]:
    """All that came to the case, in its order: from Kafka as ``processed_ids`` has it, from outside as it was told."""
    if service == "intake":
        yield _application(case, kept)
        yield from _words(case)
        yield from _clocks(case)
    for message_id in kept.processed_ids:
        said = ledger.get(message_id)
        if said is None:
            if _began(case) > grounds.kept_since:
                raise _Unsaid("it has heard a message that nobody has said")
            raise Incomplete
        yield decode(said.text.encode(), case.case_id.encode(), said.topic)
    if service == "monitor":
        yield from (_own(case, service, _data(case, said), said) for said in case.ledger(service, "case.held"))
    if service not in _NOT_SAID:
        yield from _of_the_department(case, service)


def _began(case: CaseRecord) -> datetime:
    """When the case was accepted; as long ago as can be if nobody knows."""
    intake = case.kept("intake")
    accepted = at(intake.state["accepted"]["accepted_at"]) if intake is not None else None
    return accepted or datetime.fromisoformat("1900-01-01T00:00:00Z")


def _application(case: CaseRecord, kept: StoredCase) -> Envelope[Message]:
    """The command that began the case, from the acceptance that was said of it."""
    for said in case.ledger("intake", "case.accepted"):
        command = AcceptCase(**said.data, fingerprint=kept.state["fingerprint"])
        return _own(case, "intake", command, said)
    raise Incomplete


def _words(case: CaseRecord) -> Iterator[Envelope[Message]]:
    """What staff said of the time of the case: each word once, however often it was said again."""
    told: set[str] = set()
    # Of what was said in one commit, a suspension's end comes after its beginning.
    for said in sorted(
        case.said.get("intake", ()), key=lambda one: (one.created_at, one.data.get("until") is not None)
    ):
        if said.kind in ("case.suspended", "case.extended", "case.restarted") and said.data["change_id"] not in told:
            told.add(said.data["change_id"])
            yield _own(case, "intake", _data(case, said), said)


def _clocks(case: CaseRecord) -> Iterator[Envelope[Message]]:
    """What staff said of the clocks beside the case's own, from the truth that was told after each change."""
    known: dict[str, SideTimer] = {}
    reports = {said.data["change_id"]: said for said in case.ledger("intake", "side-timers.reported")}
    for _, said in sorted(reports.items(), key=lambda one: int(one[0].removeprefix("clocks-"))):
        report = cast(SideTimersReported, _data(case, said))
        for clock in report.timers:
            if clock.commitment not in known:
                yield _own(case, "intake", StartTimer(timer=clock.replace(ended_at=None)), said)
            if clock.ended_at is not None and known.get(clock.commitment) != clock:
                yield _own(case, "intake", EndTimer(commitment=clock.commitment, ended_at=clock.ended_at), said)
            known[clock.commitment] = clock


def _data(case: CaseRecord, said: PublishedMessage) -> Message:
    return decode(said.text.encode(), case.case_id.encode(), said.topic).data


def _of_the_department(case: CaseRecord, service: str) -> Iterator[Envelope[Message]]:
    """What the department answered, from what its service told of it."""
    for said in case.said.get(service, ()):
        data = said.data
        if said.kind == "task.delivered":
            yield _own(case, service, ReceiptNotified(task_id=data["task_id"], receipt=_part(Receipt, data)), said)
        elif said.kind == "task.suspended":
            yield _own(
                case, service, ProcedureNotified(task_id=data["task_id"], procedure=_part(Procedure, data)), said
            )
        elif said.kind == "task.done":
            yield _own(case, service, DecisionNotified(task_id=data["task_id"], decision=_part(Decision, data)), said)


def _part(kind: Any, data: Mapping[str, Any]) -> Any:
    return kind.model_validate_json(json.dumps(data))


def _own(case: CaseRecord, service: str, message: Message, said: PublishedMessage) -> Envelope[Message]:
    moment = datetime.fromisoformat(said.event["time"])
    return envelop(message, id=said.message_id, source=f"/onedoor/{service}", subject=case.case_id, time=moment)
