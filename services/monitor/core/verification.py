"""Asking for the present truth before a card is issued, and telling operations where nobody answers. Pure."""

from datetime import datetime, timedelta

from contracts.envelope import Message
from contracts.messages.alerts import CardNotIssued, IssueKind, OperationsAlerted, Rung
from contracts.messages.cases import CaseStateRequested
from contracts.messages.side_timers import SideTimersRequested
from services.monitor.core.state import CASE, Answers, MonitoredCase, PlatformIssue, TrackedCommitment

MAX_QUERIES = 6
"""Questions about one card after which operations are told: half an hour without an answer."""

_INSTANT = timedelta(microseconds=1)
"""What is done exactly when it is due is in time; one microsecond later is late."""

_WARNING = Rung.WARNING


Ahead = list[tuple[TrackedCommitment, Rung, datetime]]
"""Rungs of open commitments that have not fired, each with the first moment at which it may."""


def verify(
    state: MonitoredCase, ahead: Ahead, now: datetime | None, first_of_routing: bool
) -> tuple[MonitoredCase, list[Message]]:
    """Ask whoever knows before a card is issued, and forget the question when nothing hangs on it any longer.

    Routing knows the case and its steps, intake the clocks beside them. The first question to routing waits until
    something shows that it knows the case, or for as long as it would wait for the answer: asked any sooner, it could
    not tell this case from one that is made up.
    """
    if now is not None and is_forgotten(state, ahead):
        return state, [CaseStateRequested()]
    if now is not None and (due := cards(ahead, now)):
        asked = state.replace(
            query_count=state.query_count + 1, queried_at=now, unanswered_queries=state.unanswered_queries + 1
        )
        return asked, _questions(due, to_routing=state.known_to_routing or state.query_count > 0)
    if state.queried_at is None:
        return state, []
    if not cards(ahead, state.queried_at):
        return state.replace(query_count=0, queried_at=None, unanswered_queries=0), []
    return state, [CaseStateRequested()] if first_of_routing else []


def _questions(due: Ahead, *, to_routing: bool) -> list[Message]:
    questions: list[Message] = []
    if to_routing and not all(watch.of_intake for watch, _, _ in due):
        questions.append(CaseStateRequested())
    if any(watch.of_intake for watch, _, _ in due):
        questions.append(SideTimersRequested())
    return questions


def answered(state: MonitoredCase, *, by_intake: bool) -> MonitoredCase:
    """This case after an answer: unless the other one is still waited for, nobody is slow any longer."""
    asked_at = state.queried_at
    if not state.unanswered_queries:
        return state
    if asked_at is not None:
        due = cards(rungs_ahead(state, state.answers()), asked_at)
        if any(watch.of_intake is not by_intake for watch, _, _ in due):
            return state
    return state.replace(unanswered_queries=0)


def spared(before: MonitoredCase | None, state: MonitoredCase) -> list[Message]:
    """Tell of each card about which somebody was asked, and which the answer has spared."""
    if before is None or before.queried_at is None or state.region is None:
        return []
    out: list[Message] = []
    for was, rung, at in cards(rungs_ahead(before, before.answers()), before.queried_at):
        watch, due_at = state.commitment(was.key), at - _INSTANT
        ended_at = state.ended_at(watch) if watch is not None else None
        if ended_at is not None and ended_at <= due_at:
            out.append(
                CardNotIssued(commitment=was.key, rung=rung, due_at=due_at, ended_at=ended_at, region=state.region)
            )
    return out


def tell_operations(state: MonitoredCase, heard_at: datetime) -> tuple[MonitoredCase, list[Message]]:
    """Tell operations of what the platform has failed in, and when it is settled."""
    failed = {(IssueKind.UNDELIVERED, watch.key): watch for watch in state.commitments if state.delivered_late(watch)}
    if state.unanswered_queries >= MAX_QUERIES and (
        slow := state.commitment(CASE) or next(iter(state.commitments), None)
    ):
        failed[IssueKind.UNVERIFIED, slow.key] = slow
    if (not failed and not state.platform_issues) or state.matter is None or state.region is None:
        return state, []
    marks = {(mark.issue, mark.commitment): mark for mark in state.platform_issues}
    out: list[Message] = []
    for problem, key in sorted({*failed, *marks}):
        watch, mark = state.commitment(key), marks.get((problem, key))
        if watch is None or watch.owner is None:
            continue
        settled_at = _settled_at(problem, state, watch, heard_at, failed=(problem, key) in failed)
        if mark is not None and (mark.settled_at is None) == (settled_at is None):
            continue
        raised_at = mark.raised_at if mark is not None else heard_at
        if settled_at is not None:
            settled_at = max(settled_at, raised_at)
        marks[problem, key] = PlatformIssue(issue=problem, commitment=key, raised_at=raised_at, settled_at=settled_at)
        out.append(
            OperationsAlerted(
                commitment=key,
                issue=problem,
                owner=watch.owner,
                matter=state.matter,
                region=state.region,
                raised_at=raised_at,
                settled_at=settled_at,
            )
        )
    return (state.replace(platform_issues=tuple(marks[key] for key in sorted(marks))) if out else state), out


def _settled_at(
    problem: IssueKind, state: MonitoredCase, watch: TrackedCommitment, heard_at: datetime, *, failed: bool
) -> datetime | None:
    """When a failure was made good; None while it lasts."""
    if problem is IssueKind.UNDELIVERED and failed:
        return state.delivery(watch) or state.ended_at(watch)
    return None if failed else heard_at


def is_forgotten(state: MonitoredCase, ahead: Ahead) -> bool:
    """Whether the case is open and no rung is left that would make us look at it again."""
    return not ahead and state.accepted and state.decided_at is None


def cards(ahead: Ahead, until: datetime) -> Ahead:
    """The cards that may be called for at ``until`` and are still to be verified."""
    return [(watch, rung, at) for watch, rung, at in ahead if rung is not _WARNING and at <= until]


def rungs_ahead(state: MonitoredCase, answers: Answers) -> Ahead:
    """The rungs of open commitments that have not fired, with the first moment at which they may."""
    ahead: Ahead = []
    slow = bool(state.slow_deliveries())
    for watch, ended_at in answers:
        if watch.due is None or ended_at is not None:
            continue
        doubtful = slow or watch.delivered_at is not None
        for rung, due_at in watch.ahead():
            if rung is _WARNING:
                ahead.append((watch, rung, due_at))
            # What was delivered too late for a card draws none any more.
            elif not doubtful or state.was_delivered(watch, due_at) is not False:
                ahead.append((watch, rung, due_at + _INSTANT))
    return ahead
