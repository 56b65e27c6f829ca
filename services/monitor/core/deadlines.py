"""The deadlines that follow from the facts, by the rules in force, and what is told of those that move. Pure."""

from contracts.core import InvalidMessage
from contracts.envelope import Message
from contracts.messages.cases import CaseAccepted, CaseExtended, CaseHeld, CaseRestarted, CaseSuspended
from contracts.messages.commitments import MAX_OPENED, Cause, CommitmentsMoved, CommitmentsOpened, Move
from contracts.messages.side_timers import SideTimersReported
from contracts.messages.tasks import TaskSuspended
from services.monitor.core.ladder import due_dates
from services.monitor.core.rules import Rules
from services.monitor.core.state import MonitoredCase, TrackedCommitment

OF_INTAKE = (CaseAccepted, CaseSuspended, CaseExtended, CaseRestarted, SideTimersReported)
"""What intake says until it is answered."""


def reckon(
    before: MonitoredCase | None, known: MonitoredCase, rules: Rules, message: Message
) -> tuple[MonitoredCase, list[Message]]:
    """Reckon the deadlines that what is known now may have moved, and tell of those that have begun or moved.

    What has ended keeps the deadline that it had, whatever the rules become. Intake is told all whenever it asks.
    """
    if known.region is None or known.matter is None:
        return known, []  # the acceptance has yet to be heard
    moves: list[Move] = []
    begun = changed = revised = False
    earlier = {watch.key: watch for watch in before.commitments} if before is not None else {}
    watches = list(known.commitments)
    for place, watch in enumerate(watches):
        was = earlier.get(watch.key)
        of_old = watch.rules_version != rules.number and known.ended_at(watch) is None
        if watch.due is not None and not of_old and _runs_alike(before, was, known, watch, rules):
            continue
        reckoned = _reckoned(known, watch, rules, known.region, known.matter)
        if reckoned is watch:
            continue
        watches[place], changed = reckoned, True
        revised = revised or (of_old and _runs_alike(before, was, known, watch, rules))
        if watch.due is None:
            begun = True
        elif move := _move(watch, reckoned):
            moves.append(move)
    if changed:
        known = known.replace(commitments=tuple(watches))
    told: list[Message] = []
    if begun or isinstance(message, CaseAccepted if moves else OF_INTAKE):
        known = known.replace(sequence=known.sequence + 1)
        told.extend(_opened(known))
    if moves:
        known = known.replace(sequence=known.sequence + 1)
        cause = Cause.RULES if revised else _cause(message)
        told.append(
            CommitmentsMoved(
                moves=tuple(moves),
                cause=cause,
                rules_version=rules.number,
                change_ids=known.change_ids,
                region=known.region,
                sequence=known.sequence,
            )
        )
    return known, told


def _runs_alike(
    before: MonitoredCase | None,
    was: TrackedCommitment | None,
    known: MonitoredCase,
    watch: TrackedCommitment,
    rules: Rules,
) -> bool:
    """Whether nothing has been heard that makes the time of this commitment run otherwise than before."""
    if before is None or was is None:
        return False
    # Most are the very same, and comparing takes longer than looking.
    if was.limits is not watch.limits and was.limits != watch.limits:
        return False
    if was.opened_at != watch.opened_at:
        return False
    if before.is_straight and known.is_straight:
        return True
    return before.run(was, rules) == known.run(watch, rules)


def _cause(message: Message) -> Cause:
    match message:
        case (
            TaskSuspended(until=until, reported_at=changed_at)
            | CaseSuspended(until=until, recorded_at=changed_at)
            | CaseHeld(until=until, recorded_at=changed_at)
        ):
            # Somebody may say beforehand when time will run again.
            return Cause.SUSPENDED if until is None or until > changed_at else Cause.RESUMED
        case CaseExtended():
            return Cause.EXTENDED
        case CaseRestarted():
            return Cause.RESTARTED
        case _:
            return Cause.BEGUN_EARLIER


def _reckoned(
    state: MonitoredCase, watch: TrackedCommitment, rules: Rules, region: str, matter: str
) -> TrackedCommitment:
    """The commitment with its deadlines by these rules; itself where they are what they were."""
    limits = watch.limits
    if limits is None and watch.beside:
        limits = rules.limits(watch.key, region, matter)
    if limits is None:
        return watch
    try:
        run = state.run(watch, rules)
        if run is None:
            return watch
        due = due_dates(limits, run, rules.scale(watch.key, region, matter))
    except (ValueError, OverflowError):
        raise InvalidMessage(f"the deadline of {watch.key} lies beyond the calendar") from None
    if due is watch.due or due == watch.due:
        return watch
    return watch.replace(due=due, rules_version=rules.number)


def _move(was: TrackedCommitment, now: TrackedCommitment) -> Move | None:
    """How a deadline that has been told moved; None where only its rungs did."""
    before, after = was.due, now.due
    if before is None or after is None or before.told == after.told:
        return None
    commitment = now.as_message()
    if commitment is None:
        return None
    return Move(
        commitment=commitment,
        committed_before=before.committed_due,
        statutory_before=before.statutory_due,
        paused_before=before.pause is not None,
    )


def _opened(state: MonitoredCase) -> list[Message]:
    """All deadlines that are held; as many messages as it takes."""
    held = tuple(commitment for watch in state.commitments if (commitment := watch.as_message()))
    return [
        CommitmentsOpened(
            commitments=held[first : first + MAX_OPENED],
            change_ids=state.change_ids,
            region=state.region,
            sequence=state.sequence,
        )
        for first in range(0, max(1, len(held)), MAX_OPENED)
    ]
