"""What is wrong with a case's commitments and the rungs of their ladders. Pure."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

from services.operator.audit.case_record import CaseRecord, Json, StoredCase
from services.operator.audit.invariants import Fault, Grounds, Invariant, at, moment

SLOW = timedelta(minutes=15)
"""A delivery that takes longer is the platform's to answer for."""

RUNGS = ("warning", "yellow", "red", "oversight")

AFTERWARDS = ("delivery", "complaint", "consultation")
"""Commitments that may outlast their case."""


def commitments(case: CaseRecord, grounds: Grounds) -> Iterator[Fault]:
    """Each commitment opened once, and closed when its case was."""

    def fault(what: str, *, waits: bool = False) -> Fault:
        return Fault(Invariant.COMMITMENTS, case.case_id, what, waits)

    intake, routing, monitor = case.kept("intake"), case.kept("routing"), case.kept("monitor")
    if monitor is None:
        if intake is not None and (intake.closed_at is None or intake.closed_at > grounds.closed_since):
            said = case.ledger("intake", "case.accepted")
            if not intake.asks and not any(message.unpublished for message in said):
                yield fault("unknown to monitor, and nobody will say it again", waits=True)
        return
    watches = monitor.state.get("commitments", [])
    keys = Counter(watch["key"] for watch in watches)
    yield from (fault(f"commitment {key} is held {times} times") for key, times in keys.items() if times > 1)
    if intake is not None and "matter" in monitor.state:
        owed = _owed(intake.state["accepted"]["plan"])
        if {key for key in keys if _is_planned(key)} != owed:
            yield fault("monitor holds other commitments than the plan has")
    yield from (fault(what) for what in _opened(case, watches, grounds))
    yield from _closed(case, monitor, routing, intake, grounds)


def _is_planned(key: str) -> bool:
    """Whether it is the plan's, and no clock that runs beside."""
    return key == "case" or key.startswith("step/")


def _owed(plan: Json) -> set[str]:
    return {"case", *(f"step/{step['step']}" for step in plan["steps"] if "limits" in step)}


def _opened(case: CaseRecord, watches: list[Json], grounds: Grounds) -> Iterator[str]:
    said: dict[str, set[str]] = {}
    for message in case.ledger("monitor", "commitments.opened"):
        for commitment in message.data["commitments"]:
            said.setdefault(commitment["key"], set()).add(commitment["opened_at"])
    for watch in watches:
        key, opened_at = watch["key"], watch.get("opened_at")
        if len(said.get(key, ())) > 1:
            yield f"commitment {key} has been opened {len(said[key])} times"
        elif said.get(key, {opened_at}) != {opened_at}:
            yield f"commitment {key} has been opened at another time than monitor holds"
    for watch in watches:
        if (
            watch["key"] == "case"
            and "due" in watch
            and "case" not in said
            and moment(watch["opened_at"]) > grounds.kept_since
        ):
            yield "the case's commitment runs, and has not been said to be open"


def _closed(
    case: CaseRecord, monitor: StoredCase, routing: StoredCase | None, intake: StoredCase | None, grounds: Grounds
) -> Iterator[Fault]:
    def fault(what: str, *, waits: bool = False) -> Fault:
        return Fault(Invariant.COMMITMENTS, case.case_id, what, waits)

    ended = {watch["key"]: watch.get("ended_at") for watch in monitor.state.get("commitments", [])}
    case_ended = ended.get("case")
    runs_on = any(at is None and key.startswith(AFTERWARDS) for key, at in ended.items())
    if (monitor.closed_at is not None) != (case_ended is not None and not runs_on and "matter" in monitor.state):
        yield fault(f"{'open' if monitor.closed_at is None else 'closed'} at monitor against what it holds")
    if monitor.closed_at is not None and monitor.asks:
        yield fault("closed at monitor with an alarm left")
    if routing is None:
        if case_ended is not None and monitor.closed_at is not None and monitor.closed_at > grounds.closed_since:
            yield fault("closed at monitor, and unknown to routing")
        return
    decided_at = routing.state.get("decided_at")
    if decided_at is None:
        if case_ended is not None:
            yield fault("closed at monitor, and not decided")
        for step in routing.state["steps"]:
            if ended.get(f"step/{step['plan']['step']}") and not _answered(case, step):
                yield fault(f"commitment step/{step['plan']['step']} is closed, and not answered")
    elif case_ended is None:
        told = any(message.unpublished for message in case.ledger("routing", "case.decided"))
        asks = monitor.asks or (intake is not None and intake.asks)
        if not told and not asks:
            yield fault("decided, and its commitments are open: nobody will tell monitor", waits=True)
    elif case_ended != decided_at:
        yield fault("closed at another time than the case was decided")


def _answered(case: CaseRecord, step: Json) -> bool:
    """By routing's word, or by the department's, which monitor may hear first."""
    if step.get("state") in ("done", "dropped"):
        return True
    name = step["plan"]["step"]
    kept = case.kept(step["plan"]["system"])
    return any(t["request"]["step"] == name and "decision" in t for t in (kept.state.get("tasks", ()) if kept else ()))


def rungs(case: CaseRecord, grounds: Grounds) -> Iterator[Fault]:
    """Each rung fired once when its commitment was late, and none for one answered in time."""
    monitor = case.kept("monitor")
    if monitor is None:
        return
    watches = monitor.state.get("commitments", [])
    case_ended = next((at(watch.get("ended_at")) for watch in watches if watch["key"] == "case"), None)
    slow = [span for watch in watches if (span := _slow_delivery(watch)) is not None]
    whats = [what for watch in watches for what in _fired(monitor, watch, case_ended, slow, grounds)]
    whats += _announced(case, watches, grounds)
    yield from (Fault(Invariant.RUNGS, case.case_id, what) for what in whats)


def _slow_delivery(watch: Json) -> tuple[datetime, datetime] | None:
    """From when to when a step was asked for and not with its department, if that was long."""
    opened_at, delivered_at = at(watch.get("opened_at")), at(watch.get("delivered_at"))
    if not watch["key"].startswith("step/") or opened_at is None or delivered_at is None:
        return None
    return (opened_at, delivered_at) if delivered_at - opened_at > SLOW else None


def _fired(
    monitor: StoredCase,
    watch: Json,
    case_ended: datetime | None,
    slow: list[tuple[datetime, datetime]],
    grounds: Grounds,
) -> Iterator[str]:
    raised = watch.get("raised", [])
    if "due" not in watch:
        if raised:
            yield f"{watch['key']}: a rung fired, and nothing is due"
        return
    occurrences = Counter((one["rung"], one.get("occurrence", 1)) for one in raised)
    yield from (f"{watch['key']}: {rung} fired {times} times" for (rung, _), times in occurrences.items() if times > 1)
    standing = Counter(one["rung"] for one in raised if not one.get("withdrawn", False))
    overturned = {one["rung"] for one in raised if one.get("appeal", {}).get("answer", {}).get("upheld", False)}
    # Delivery, complaints and consultations go on when their case has been decided.
    case_ended = None if watch["key"].startswith(AFTERWARDS) else case_ended
    ended = min((end for end in (at(watch.get("ended_at")), case_ended) if end is not None), default=None)
    for rung in RUNGS:
        due_at = at(watch["due"].get(rung))
        name = f"{watch['key']}: {rung}"
        stands = standing[rung] > 0
        if rung in overturned:
            continue
        if standing[rung] > 1:
            yield f"{name} stands {standing[rung]} times"
        if due_at is None:
            if stands:
                yield f"{name} stands, and is not due"
        elif not _answers_for(watch, rung, due_at, ended, slow):
            if stands:
                yield f"{name} stands, and the step was delivered only after that"
        elif ended is not None:
            if due_at < ended and not stands:
                yield f"{name} has not fired, and the answer was late"
            elif due_at >= ended and stands:
                yield f"{name} stands, and the answer was in time"
        elif stands:
            if due_at > grounds.now:
                yield f"{name} fired before its time"
        elif due_at <= grounds.now and not _will_look(monitor, watch, rung, due_at, grounds):
            yield f"{name} is due, has not fired, and nothing will wake monitor"


def _answers_for(
    watch: Json, rung: str, due_at: datetime, ended: datetime | None, slow: list[tuple[datetime, datetime]]
) -> bool:
    """Whether the department is, or may come, to answer for this rung: a card for what it was given in time."""
    if rung == "warning":
        return True
    if watch["key"] == "case":
        return not any(opened_at <= due_at < delivered_at for opened_at, delivered_at in slow)
    if not watch["key"].startswith("step/"):
        return True
    delivered_at = at(watch.get("delivered_at"))
    return ended is None if delivered_at is None else delivered_at <= due_at


def _will_look(monitor: StoredCase, watch: Json, rung: str, due_at: datetime, grounds: Grounds) -> bool:
    """Whether the case will be woken: at once, or where a card waits for routing's word, when that is asked again."""
    if "matter" not in monitor.state:
        return True  # its acceptance has yet to be heard; intake asks until it is
    if rung != "warning":
        open_at = at(watch.get("open_at"))
        if open_at is not None and due_at < open_at:
            return False  # routing has said that it was open; the card was due with that word
        if not monitor.state.get("known_to_routing", False) and _is_planned(watch["key"]):
            return True  # routing does not know it yet; intake asks until it does
    if monitor.timer_at is not None and monitor.timer_at <= grounds.now:
        return True  # its alarm rings
    return monitor.retry_at is not None and monitor.retry_at <= grounds.soon


def _announced(case: CaseRecord, watches: list[Json], grounds: Grounds) -> Iterator[str]:
    """What has fired was listed once and said once, and nothing else was."""
    fired = {
        (watch["key"], one["rung"], one.get("occurrence", 1)): one
        for watch in watches
        for one in watch.get("raised", [])
    }
    listed = Counter((alert.commitment, alert.rung, alert.occurrence) for alert in case.alerts)
    withdrawn = {(alert.commitment, alert.rung, alert.occurrence) for alert in case.alerts if alert.withdrawn}
    said = Counter(
        (m.data["commitment"], m.data["rung"], m.data.get("occurrence", 1))
        for m in case.ledger("monitor", "alert.raised")
    )
    for key in sorted({*fired, *listed, *said}):
        name = f"{key[0]}: {key[1]}" if key[2] == 1 else f"{key[0]}: {key[1]}, occurrence {key[2]}"
        if key not in fired:
            yield f"{name} is listed or said, and has not fired"
            continue
        if listed[key] != 1:
            yield f"{name} is listed {listed[key]} times"
        if (key in withdrawn) != fired[key].get("withdrawn", False):
            yield f"{name} is withdrawn in the list or at monitor, and not in both"
        kept = moment(fired[key]["raised_at"]) > grounds.kept_since
        if said[key] > 1 or (kept and said[key] == 0):
            yield f"{name} has been said {said[key]} times"
