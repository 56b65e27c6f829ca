"""Faults of a case's commitments and the rungs of their ladders."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

from contracts.bilingual import both
from contracts.messages.commitments import CASE, STEP_PREFIX, step_key
from services.operator.audit.case_record import CaseRecord, Json, StoredCase
from services.operator.audit.invariants import MAX_CLOCK_STEP, Fault, Invariant, Moments, moment, optional_moment

SLOW = timedelta(minutes=15)
"""The platform, and not the department, is responsible for a delivery that takes longer."""

RUNGS = ("warning", "yellow", "red", "oversight")

AFTERWARDS = ("delivery", "complaint", "consultation")
"""Commitments that may outlast their case."""


def commitments(case: CaseRecord, moments: Moments) -> Iterator[Fault]:
    """Faults of commitments that are not opened once, or not closed when their case was."""

    def fault(what: str, *, in_transit: bool = False) -> Fault:
        return Fault(Invariant.COMMITMENTS, case.case_id, what, in_transit)

    intake, routing, monitor = case.row("intake"), case.row("routing"), case.row("monitor")
    if monitor is None:
        if intake is not None and (intake.closed_at is None or intake.closed_at > moments.closed_since):
            accepted = case.messages("intake", "case.accepted")
            if not intake.has_timer and not any(message.unpublished for message in accepted):
                yield fault(
                    both(
                        "unknown to monitor, and no service will publish it again",
                        "monitor 没有此办件，且不会再有服务发布",
                    ),
                    in_transit=True,
                )
        return
    tracked = monitor.state.get("commitments", [])
    keys = Counter(commitment["key"] for commitment in tracked)
    yield from (
        fault(both(f"commitment {key} is held {times} times", f"时限责任 {key} 重复 {times} 次"))
        for key, times in keys.items()
        if times > 1
    )
    if intake is not None and "matter" in monitor.state:
        planned = _planned(intake.state["accepted"]["plan"])
        if {key for key in keys if _is_planned(key)} != planned:
            yield fault(both("monitor holds other commitments than the plan has", "monitor 的时限责任与流程不符"))
    yield from (fault(what) for what in _opened(case, tracked, moments))
    yield from (fault(what) for what in _begun(tracked, routing))
    yield from _closed(case, monitor, routing, intake, moments)


def _is_planned(key: str) -> bool:
    """Whether a commitment is the plan's, and not of a side timer."""
    return key == CASE or key.startswith(STEP_PREFIX)


def _planned(plan: Json) -> set[str]:
    return {CASE, *(step_key(step["step"]) for step in plan["steps"] if "limits" in step)}


def _opened(case: CaseRecord, tracked: list[Json], moments: Moments) -> Iterator[str]:
    published: dict[str, set[str]] = {}
    for message in case.messages("monitor", "commitments.opened"):
        for commitment in message.data["commitments"]:
            published.setdefault(commitment["key"], set()).add(commitment["opened_at"])
    for commitment in tracked:
        key, opened_at = commitment["key"], commitment.get("opened_at")
        if len(published.get(key, ())) > 1:
            yield both(
                f"commitment {key} has been opened {len(published[key])} times",
                f"时限责任 {key} 被开启 {len(published[key])} 次",
            )
        elif published.get(key, {opened_at}) != {opened_at}:
            yield both(
                f"commitment {key} has been opened at another time than monitor holds",
                f"时限责任 {key} 的开启时间与 monitor 的记录不同",
            )
    for commitment in tracked:
        if (
            commitment["key"] == CASE
            and "due" in commitment
            and CASE not in published
            and moment(commitment["opened_at"]) > moments.kept_since
        ):
            yield both(
                "the case's commitment runs, and has not been published as open", "办件的时限责任已开始，却未发布开启"
            )


def _begun(tracked: list[Json], routing: StoredCase | None) -> Iterator[str]:
    """Compare the beginning of each step with the moment at which routing requested it."""
    steps = routing.state["steps"] if routing is not None else ()
    requested = {step_key(step["plan"]["step"]): step["requested_at"] for step in steps if "requested_at" in step}
    for commitment in tracked:
        key, opened_at = commitment["key"], commitment.get("opened_at")
        if opened_at is not None and requested.get(key, opened_at) != opened_at:
            yield both(
                f"commitment {key} begins at another moment than its step was requested",
                f"时限责任 {key} 的开始时间与其环节的交办时间不同",
            )


def _closed(
    case: CaseRecord, monitor: StoredCase, routing: StoredCase | None, intake: StoredCase | None, moments: Moments
) -> Iterator[Fault]:
    def fault(what: str, *, in_transit: bool = False) -> Fault:
        return Fault(Invariant.COMMITMENTS, case.case_id, what, in_transit)

    ended = {commitment["key"]: commitment.get("ended_at") for commitment in monitor.state.get("commitments", [])}
    case_ended = ended.get(CASE)
    runs_on = any(ended_at is None and key.startswith(AFTERWARDS) for key, ended_at in ended.items())
    if (monitor.closed_at is not None) != (case_ended is not None and not runs_on and "matter" in monitor.state):
        state, state_zh = ("open", "未关闭") if monitor.closed_at is None else ("closed", "已关闭")
        yield fault(both(f"{state} at monitor against what it holds", f"在 monitor {state_zh}，与其内容不符"))
    if monitor.closed_at is not None and monitor.has_timer:
        yield fault(both("closed at monitor with a timer left", "在 monitor 已关闭，却仍有定时"))
    if routing is None:
        if case_ended is not None and monitor.closed_at is not None and monitor.closed_at > moments.closed_since:
            yield fault(both("closed at monitor, and unknown to routing", "在 monitor 已关闭，routing 没有此办件"))
        return
    decided_at = routing.state.get("decided_at")
    if decided_at is None:
        if case_ended is not None:
            yield fault(both("closed at monitor, and not decided", "在 monitor 已关闭，却未办结"))
        for step in routing.state["steps"]:
            key = step_key(step["plan"]["step"])
            if ended.get(key) and not _is_answered(case, step):
                yield fault(both(f"commitment {key} is closed, and not answered", f"时限责任 {key} 已关闭，却没有答复"))
    elif case_ended is None:
        unpublished = any(message.unpublished for message in case.messages("routing", "case.decided"))
        will_retry = monitor.has_timer or (intake is not None and intake.has_timer)
        if not unpublished and not will_retry:
            yield fault(
                both(
                    "decided, and its commitments are open: monitor will not receive it",
                    "已办结，时限责任却未关闭：monitor 收不到办结",
                ),
                in_transit=True,
            )
    elif case_ended != decided_at:
        yield fault(both("closed at another time than the case was decided", "关闭时间与办结时间不同"))


def _is_answered(case: CaseRecord, step: Json) -> bool:
    """Whether routing has the answer, or the department's service, whose message monitor may process first."""
    if step.get("state") in ("done", "dropped"):
        return True
    name = step["plan"]["step"]
    stored = case.row(step["plan"]["system"])
    tasks = stored.state.get("tasks", ()) if stored else ()
    return any(task["request"]["step"] == name and "decision" in task for task in tasks)


def rungs(case: CaseRecord, moments: Moments) -> Iterator[Fault]:
    """Faults of rungs that did not fire once for a late commitment, or fired for one answered in time."""
    monitor = case.row("monitor")
    if monitor is None:
        return
    tracked = monitor.state.get("commitments", [])
    case_ended = next((optional_moment(one.get("ended_at")) for one in tracked if one["key"] == CASE), None)
    slow = [span for commitment in tracked if (span := _slow_delivery(commitment)) is not None]
    texts = [what for commitment in tracked for what in _fired(monitor, commitment, case_ended, slow, moments)]
    texts += _listed_and_published(case, tracked, moments)
    yield from (Fault(Invariant.RUNGS, case.case_id, what) for what in texts)


def _slow_delivery(commitment: Json) -> tuple[datetime, datetime] | None:
    """The time between the request and the delivery of a step, if it was long."""
    opened_at, delivered_at = optional_moment(commitment.get("opened_at")), _delivered_at(commitment)
    if not commitment["key"].startswith(STEP_PREFIX) or opened_at is None or delivered_at is None:
        return None
    return (opened_at, delivered_at) if delivered_at - opened_at > SLOW else None


def _delivered_at(commitment: Json) -> datetime | None:
    return optional_moment(commitment.get("delivered_at"))


def _fired(
    monitor: StoredCase,
    commitment: Json,
    case_ended: datetime | None,
    slow: list[tuple[datetime, datetime]],
    moments: Moments,
) -> Iterator[str]:
    """Compare the rungs that fired with those that the facts of the commitment call for."""
    raised = commitment.get("raised", [])
    if "due" not in commitment:
        if raised:
            yield both(f"{commitment['key']}: a rung fired, and nothing is due", "已触发警示，却没有到期时间")
        return
    occurrences = Counter((one["rung"], one.get("occurrence", 1)) for one in raised)
    for (rung, _), times in occurrences.items():
        if times > 1:
            yield both(f"{commitment['key']}: {rung} fired {times} times", f"警示触发了 {times} 次")
    for one in raised:
        if moment(one["raised_at"]) > moments.now + MAX_CLOCK_STEP:
            yield both(f"{commitment['key']}: {one['rung']} fired at a moment that lies ahead", "警示的触发时间在未来")
    standing = Counter(one["rung"] for one in raised if not one.get("withdrawn", False))
    overturned = {one["rung"] for one in raised if one.get("appeal", {}).get("answer", {}).get("upheld", False)}
    # Delivery, complaints and consultations go on when their case has been decided.
    case_ended = None if commitment["key"].startswith(AFTERWARDS) else case_ended
    own_end = optional_moment(commitment.get("ended_at"))
    ended = min((end for end in (own_end, case_ended) if end is not None), default=None)
    for rung in RUNGS:
        due_at = optional_moment(commitment["due"].get(rung))
        name = f"{commitment['key']}: {rung}"
        stands = standing[rung] > 0
        if rung in overturned:
            continue
        if standing[rung] > 1:
            yield both(f"{name} stands {standing[rung]} times", f"同一警示有 {standing[rung]} 个有效")
        if due_at is None:
            if stands:
                yield both(f"{name} stands, and is not due", "警示有效，却没有到期")
        elif not _is_responsible(commitment, rung, due_at, ended, slow):
            if stands:
                yield both(f"{name} stands, and the step was delivered only after that", "警示有效，但环节在其后才送达")
        elif ended is not None:
            if due_at < ended and not stands:
                yield both(f"{name} has not fired, and the answer was late", "答复逾期，警示却未触发")
            elif due_at >= ended and stands:
                yield both(f"{name} stands, and the answer was in time", "答复及时，警示却有效")
        elif stands:
            if due_at > moments.now:
                yield both(f"{name} fired before its time", "警示提前触发")
        elif due_at <= moments.now and not _will_fire(monitor, commitment, rung, due_at, moments):
            yield both(
                f"{name} is due, has not fired, and no timer will fire it", "警示已到期，未触发，且没有定时会触发"
            )


def _is_responsible(
    commitment: Json, rung: str, due_at: datetime, ended: datetime | None, slow: list[tuple[datetime, datetime]]
) -> bool:
    """Whether the department is responsible for this rung, or may become so: the step was delivered in time."""
    if rung == "warning":
        return True
    if commitment["key"] == CASE:
        return not any(opened_at <= due_at < delivered_at for opened_at, delivered_at in slow)
    if not commitment["key"].startswith(STEP_PREFIX):
        return True
    delivered_at = _delivered_at(commitment)
    return ended is None if delivered_at is None else delivered_at <= due_at


def _will_fire(monitor: StoredCase, commitment: Json, rung: str, due_at: datetime, moments: Moments) -> bool:
    """Whether a timer will fire the rung: now, or when monitor repeats its request to routing about a card."""
    if "matter" not in monitor.state:
        return True  # its acceptance has yet to be processed; intake retries until it is
    if rung != "warning":
        open_at = optional_moment(commitment.get("open_at"))
        if open_at is not None and due_at < open_at:
            return False  # routing has confirmed that the step was open; the card was due with that answer
        if not monitor.state.get("known_to_routing", False) and _is_planned(commitment["key"]):
            return True  # routing does not know the case yet; intake retries until it does
    if monitor.timer_at is not None and monitor.timer_at <= moments.now:
        return True
    return monitor.retry_at is not None and monitor.retry_at <= moments.soon


def _listed_and_published(case: CaseRecord, tracked: list[Json], moments: Moments) -> Iterator[str]:
    """Compare the rungs that fired with the list of alerts and the published alerts."""
    fired = {
        (commitment["key"], one["rung"], one.get("occurrence", 1)): one
        for commitment in tracked
        for one in commitment.get("raised", [])
    }
    listed = Counter((alert.commitment, alert.rung, alert.occurrence) for alert in case.alerts)
    withdrawn = {(alert.commitment, alert.rung, alert.occurrence) for alert in case.alerts if alert.withdrawn}
    published = Counter(
        (message.data["commitment"], message.data["rung"], message.data.get("occurrence", 1))
        for message in case.messages("monitor", "alert.raised")
    )
    for key in sorted({*fired, *listed, *published}):
        name = f"{key[0]}: {key[1]}" if key[2] == 1 else f"{key[0]}: {key[1]}, occurrence {key[2]}"
        if key not in fired:
            yield both(f"{name} is listed or published, and has not fired", "警示已列出或发布，却未触发")
            continue
        if listed[key] != 1:
            yield both(f"{name} is listed {listed[key]} times", f"警示在列表中出现 {listed[key]} 次")
        if (key in withdrawn) != fired[key].get("withdrawn", False):
            yield both(
                f"{name} is withdrawn in the list or at monitor, and not in both", "警示只在列表或 monitor 之一中撤销"
            )
        recent = moment(fired[key]["raised_at"]) > moments.kept_since
        if published[key] > 1 or (recent and published[key] == 0):
            yield both(f"{name} has been published {published[key]} times", f"警示发布了 {published[key]} 次")
