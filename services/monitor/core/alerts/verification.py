"""Requests the facts before a card is issued, and alerts operations of failures of the platform. Pure."""

from datetime import datetime, timedelta

from contracts.envelope import Message
from contracts.messages.alerts import CardNotIssued, IssueKind, OperationsAlerted, Rung
from contracts.messages.cases import CaseStateRequested
from contracts.messages.commitments import CASE
from contracts.messages.side_timers import SideTimersRequested
from services.monitor.core.commitment import TrackedCommitment
from services.monitor.core.delivery import late_delivery_at, slow_deliveries, was_delivered, was_delivered_late
from services.monitor.core.state import CommitmentEnds, MonitoredCase, PlatformIssue

MAX_REQUESTS = 6
"""Unanswered requests about one card after which operations are alerted: about half an hour."""

_INSTANT = timedelta(microseconds=1)
"""An answer at the very moment of the limit is in time; one microsecond later is late."""

_WARNING = Rung.WARNING


PendingRungs = list[tuple[TrackedCommitment, Rung, datetime]]
"""Rungs of open commitments that have not fired, each with the first moment at which it may."""


def verify_cards(
    state: MonitoredCase, pending: PendingRungs, now: datetime | None, first_from_routing: bool
) -> tuple[MonitoredCase, list[Message]]:
    """Request the facts from their owners before a card is issued, until no card depends on them any more.

    Routing knows the case and its steps, intake the side timers. The first request to routing waits for a message that
    shows that routing knows the case, or for the time of one retry: before that, routing may not have the acceptance
    and would drop the request.
    """
    if now is not None and needs_decision_request(state, pending):
        return state, [CaseStateRequested()]
    if now is not None and (due := unverified_cards(pending, now)):
        requested = state.replace(
            request_count=state.request_count + 1, requested_at=now, unanswered_requests=state.unanswered_requests + 1
        )
        return requested, _requests(due, to_routing=state.known_to_routing or state.request_count > 0)
    if state.requested_at is None:
        return state, []
    if not unverified_cards(pending, state.requested_at):
        return state.replace(request_count=0, requested_at=None, unanswered_requests=0), []
    return state, [CaseStateRequested()] if first_from_routing else []


def record_answer(state: MonitoredCase, *, by_intake: bool) -> MonitoredCase:
    """This case after an answer of intake or routing. The requests count as answered unless the other's is missing."""
    requested_at = state.requested_at
    if not state.unanswered_requests:
        return state
    if requested_at is not None:
        due = unverified_cards(pending_rungs(state, state.commitment_ends()), requested_at)
        if any(commitment.is_side_timer is not by_intake for commitment, _, _ in due):
            return state
    return state.replace(unanswered_requests=0)


def cards_not_issued(before: MonitoredCase | None, state: MonitoredCase) -> list[Message]:
    """`CardNotIssued` for each card under verification whose commitment was answered in time, as is known now."""
    if before is None or before.requested_at is None or state.region is None:
        return []
    out: list[Message] = []
    for was, rung, at in unverified_cards(pending_rungs(before, before.commitment_ends()), before.requested_at):
        commitment, due_at = state.commitment(was.key), at - _INSTANT
        ended_at = state.ended_at(commitment) if commitment is not None else None
        if ended_at is not None and ended_at <= due_at:
            out.append(
                CardNotIssued(commitment=was.key, rung=rung, due_at=due_at, ended_at=ended_at, region=state.region)
            )
    return out


def report_platform_issues(state: MonitoredCase, received_at: datetime) -> tuple[MonitoredCase, list[Message]]:
    """Alert operations when a failure of the platform concerns this case, and again when it is settled."""
    failed = {
        (IssueKind.UNDELIVERED, commitment.key): commitment
        for commitment in state.commitments
        if was_delivered_late(state, commitment)
    }
    if state.unanswered_requests >= MAX_REQUESTS and (
        unverified := state.commitment(CASE) or next(iter(state.commitments), None)
    ):
        failed[IssueKind.UNVERIFIED, unverified.key] = unverified
    if (not failed and not state.platform_issues) or state.matter is None or state.region is None:
        return state, []
    issues = {(issue.issue, issue.commitment): issue for issue in state.platform_issues}
    out: list[Message] = []
    for kind, key in sorted({*failed, *issues}):
        commitment, known = state.commitment(key), issues.get((kind, key))
        if commitment is None or commitment.owner is None:
            continue
        settled_at = _settled_at(kind, state, commitment, received_at, failed=(kind, key) in failed)
        if known is not None and (known.settled_at is None) == (settled_at is None):
            continue
        raised_at = known.raised_at if known is not None else received_at
        if settled_at is not None:
            settled_at = max(settled_at, raised_at)
        issues[kind, key] = PlatformIssue(issue=kind, commitment=key, raised_at=raised_at, settled_at=settled_at)
        out.append(
            OperationsAlerted(
                commitment=key,
                issue=kind,
                owner=commitment.owner,
                matter=state.matter,
                region=state.region,
                raised_at=raised_at,
                settled_at=settled_at,
            )
        )
    return (state.replace(platform_issues=tuple(issues[key] for key in sorted(issues))) if out else state), out


def needs_decision_request(state: MonitoredCase, pending: PendingRungs) -> bool:
    """Whether the case is open without a pending rung, so that no timer would fire for it any more."""
    return not pending and state.accepted and state.decided_at is None


def unverified_cards(pending: PendingRungs, until: datetime) -> PendingRungs:
    """The cards that may be due at ``until`` and are still to be verified."""
    return [(commitment, rung, at) for commitment, rung, at in pending if rung is not _WARNING and at <= until]


def pending_rungs(state: MonitoredCase, ends: CommitmentEnds) -> PendingRungs:
    """The rungs of open commitments that have not fired, with the first moment at which they may."""
    pending: PendingRungs = []
    slow = bool(slow_deliveries(state))
    for commitment, ended_at in ends:
        if commitment.due is None or ended_at is not None:
            continue
        may_be_late = slow or commitment.delivered_at is not None
        for rung, due_at in commitment.pending_rungs():
            if rung is _WARNING:
                pending.append((commitment, rung, due_at))
            # A commitment that was delivered after a card fell due draws that card no more.
            elif not may_be_late or was_delivered(state, commitment, due_at) is not False:
                pending.append((commitment, rung, due_at + _INSTANT))
    return pending


def _requests(due: PendingRungs, *, to_routing: bool) -> list[Message]:
    requests: list[Message] = []
    if to_routing and not all(commitment.is_side_timer for commitment, _, _ in due):
        requests.append(CaseStateRequested())
    if any(commitment.is_side_timer for commitment, _, _ in due):
        requests.append(SideTimersRequested())
    return requests


def _settled_at(
    kind: IssueKind, state: MonitoredCase, commitment: TrackedCommitment, received_at: datetime, *, failed: bool
) -> datetime | None:
    """When a failure ended; None while it lasts."""
    if kind is IssueKind.UNDELIVERED and failed:
        return late_delivery_at(state, commitment) or state.ended_at(commitment)
    return None if failed else received_at
