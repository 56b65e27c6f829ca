"""Which rungs of the ladder ought to have fired by what is known, less those that have. Pure."""

from datetime import datetime

from contracts.envelope import Message
from contracts.messages.alerts import AlertClosed, AlertRaised, AlertWithdrawn, Rung
from services.monitor.core.state import Answers, MonitoredCase, RaisedRung, TrackedCommitment, settled_rungs

IN_TIME = "answered in time; the answer was late on its way"
MOVED = "not due: the deadline has moved"
UNDELIVERED = "not the department's: it was delivered only after that"

_WARNING = Rung.WARNING


def raise_due(
    state: MonitoredCase, answers: Answers, heard_at: datetime, now: datetime | None
) -> tuple[MonitoredCase, list[Message]]:
    """Fire every rung that the facts call for and has not fired, and withdraw those that an answer proves wrong."""
    out: list[Message] = []
    if state.matter is None or state.region is None:
        return state, out  # what it is about has yet to be heard
    for watch, ended_at in answers:
        if watch.due is None or watch.owner is None:
            continue  # not begun
        if ended_at is None and now is None and watch.open_at is None and not watch.raised:
            continue  # nothing has been heard that could call for a rung
        due = [one for one in watch.due.ladder() if _is_due(state, watch, *one, ended_at, now)]
        if not watch.raised and not due:
            continue  # nothing to fire and nothing to withdraw
        raised = list(watch.raised)
        for place, fired in enumerate(raised):
            if not fired.withdrawn and (reason := _wrong(state, fired, watch, ended_at)):
                raised[place] = fired.replace(withdrawn=True)
                at = max(heard_at, fired.raised_at)
                out.append(
                    AlertWithdrawn(
                        commitment=watch.key,
                        rung=fired.rung,
                        reason=reason,
                        withdrawn_at=at,
                        occurrence=fired.occurrence,
                        region=state.region,
                    )
                )
        fired_already = settled_rungs(raised)
        for rung, due_at in due:
            if rung in fired_already:
                continue
            # What is heard late may carry a time before the rung was due; it was not raised then.
            at = max(heard_at, due_at)
            occurrence = 1 + sum(fired.rung is rung for fired in raised)
            raised.append(RaisedRung(rung=rung, raised_at=at, occurrence=occurrence))
            alert = AlertRaised(
                commitment=watch.key,
                rung=rung,
                owner=watch.owner,
                matter=state.matter,
                region=state.region,
                due_at=due_at,
                raised_at=at,
                occurrence=occurrence,
                open_at=watch.open_at,
                ended_at=ended_at,
            )
            out.append(alert)
        if tuple(raised) != watch.raised:
            state = state.put(watch.replace(raised=tuple(raised)))
    return state, out


def _wrong(state: MonitoredCase, fired: RaisedRung, watch: TrackedCommitment, ended_at: datetime | None) -> str | None:
    """Why a rung that fired ought not to have, by what is known now."""
    due_at = watch.due.of(fired.rung) if watch.due is not None else None
    if due_at is None or due_at > fired.raised_at:
        return MOVED
    if fired.rung is not _WARNING and state.was_delivered(watch, due_at) is False:
        return UNDELIVERED  # and not where nobody has said when: states of old do not know
    return IN_TIME if ended_at is not None and ended_at <= due_at else None


def _is_due(
    state: MonitoredCase,
    watch: TrackedCommitment,
    rung: Rung,
    due_at: datetime,
    ended_at: datetime | None,
    now: datetime | None,
) -> bool:
    """Whether this rung ought to have fired.

    Late is late: once answered, the answer's own time decides. Until then the clock is enough for a warning,
    but a card needs routing's word that the commitment was open when its time had run out. And whatever the department
    had not been given by then draws no card: that was ours.
    """
    if ended_at is not None:
        is_late = due_at < ended_at
    elif rung is _WARNING:
        is_late = now is not None and due_at <= now
    else:
        is_late = watch.open_at is not None and due_at < watch.open_at
    return is_late and (rung is _WARNING or bool(state.was_delivered(watch, due_at)))


def closed(before: MonitoredCase | None, state: MonitoredCase) -> list[Message]:
    """Tell of each commitment that is answered now, whoever was told of its rungs before."""
    if before is None or state.region is None:
        return []
    out: list[Message] = []
    for watch in state.commitments:
        was = before.commitment(watch.key) if watch.raised else None
        if was is None or not was.raised or all(fired.withdrawn for fired in watch.raised):
            continue
        ended_at = state.ended_at(watch)
        if ended_at is not None and ended_at != before.ended_at(was):
            out.append(AlertClosed(commitment=watch.key, ended_at=ended_at, region=state.region))
    return out
