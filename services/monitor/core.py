"""Monitor's core: holds every commitment of a case to its deadlines. Pure.

Messages come in any order, late and more than once. So each is first merged into the facts (`state`), then the
deadlines are reckoned from the facts by the rules (`_reckon`), and what is to be said follows from both (`_climb`):
which rungs ought to have fired, less those that have.
"""

from datetime import datetime, timedelta

from contracts.cases import CaseAccepted, CaseExtended, CaseRestarted, CaseSuspended, SuspensionKind
from contracts.commitments import (
    AlertRaised,
    AlertWithdrawn,
    CaseAsked,
    Cause,
    CommitmentsMoved,
    CommitmentsOpened,
    Move,
    OperationsAlerted,
    Problem,
    Rung,
)
from contracts.envelope import Envelope, Impossible, Message, Revised, Step, UnknownCase, Woken, patience
from contracts.plans import CaseDecided, CaseReported, Outcome, StepReport, StepState
from contracts.tasks import TaskDelivered, TaskDone, TaskSuspended
from services.monitor.ladder import due_dates
from services.monitor.rules import Rules
from services.monitor.state import CASE, Interval, Mark, MonitoredCase, MoreTime, Raised, Watch, step_key

OF_ROUTING = (TaskDelivered, TaskSuspended, TaskDone, CaseReported, CaseDecided)
"""What nobody says of a case unless routing knows it."""

OF_INTAKE = (CaseAccepted, CaseSuspended, CaseExtended, CaseRestarted)
"""What intake says until it is answered."""

CONSUMES = (*OF_INTAKE, *OF_ROUTING)

IN_TIME = "answered in time; the answer was late on its way"
MOVED = "not due: the deadline has moved"
UNDELIVERED = "not the department's: it was delivered only after that"

MOST_ASKED = 6
"""Questions to routing about one card after which operations are told: half an hour without an answer."""
FIRST_PATIENCE = timedelta(seconds=30)
LONGEST_PATIENCE = timedelta(hours=1)

UNTIL_DECIDED = timedelta(days=1)
"""Machine time after which routing is asked about an open case that no deadline will ask about: its decision may have
been lost on its way to us alone."""

_INSTANT = timedelta(microseconds=1)
"""What is done exactly when it is due is in time; one microsecond later is late."""

_WARNING = Rung.WARNING

Ahead = list[tuple[Rung, datetime]]
"""Rungs of open commitments that have not fired, each with the first moment at which it may."""


def handle(rules: Rules, state: MonitoredCase | None, envelope: Envelope[Message]) -> Step[MonitoredCase]:
    """Answer one message by the rules in force.

    Raises `Impossible` for a deadline beyond the calendar or a message not meant for us.
    """
    known = state or MonitoredCase()
    now: datetime | None = None
    match envelope.data:
        case CaseAccepted() as message:
            known = _accept(known, message)
        case TaskDelivered() as message:
            known = _learn(
                known, step_key(message.step), opened_at=message.requested_at, delivered_at=message.delivered_at
            )
        case TaskSuspended() as message:
            known = known.suspend(_procedure(message))
        case CaseSuspended() as message:
            known = known.hear(message.word).suspend(_suspension(message))
        case CaseExtended() as message:
            more = MoreTime(days=message.days, reason=message.reason, article=message.article, told_at=message.told_at)
            known = known.hear(message.word).extend(more)
        case CaseRestarted() as message:
            known = known.hear(message.word).restart(message.restarted_at)
        case TaskDone() as message:
            known = known.end(message.step, message.decided_at)
            known = _learn(
                known,
                step_key(message.step),
                opened_at=message.requested_at,
                ended_at=message.decided_at,
                delivered_at=message.delivered_at,
            )
            if message.outcome is Outcome.APPROVED:
                known = known.approve(message.step, message.decided_at)
        case CaseReported() as message:
            known = known.replace(unanswered=0) if known.unanswered else known
            if any(step.state is StepState.REQUESTED for step in message.steps):
                known = _learn(known, CASE, undelivered_at=envelope.time)
            else:
                known = _learn(known, CASE, open_at=envelope.time)
            known = _learn_steps(known, message.steps, envelope.time, known_open=True)
        case CaseDecided() as message:
            known = _learn(known, CASE, ended_at=message.decided_at)
            known = _learn_steps(known, message.steps, message.decided_at)
        case Woken() | Revised():
            if state is None:
                raise UnknownCase(envelope.subject)
            now = envelope.time
        case _:
            raise Impossible(f"{envelope.type} is not for monitor")
    first_of_routing = not known.routed and isinstance(envelope.data, OF_ROUTING)
    if first_of_routing:
        known = known.replace(routed=True)
    known, told = _reckon(state, known, rules, envelope.data)
    known, alerts = _climb(known, envelope.time, now)
    ahead = _ahead(known)
    # A change of rules makes a million cases be looked at: each asks when its own alarm rings.
    asks_at = None if isinstance(envelope.data, Revised) else now
    known, questions = _verify(known, ahead, asks_at, first_of_routing)
    known, problems = _tell_operations(known, envelope.time)
    return _step(known, ahead, (*told, *alerts, *questions, *problems))


def _accept(state: MonitoredCase, message: CaseAccepted) -> MonitoredCase:
    """Merge the acceptance: what each commitment is, who owes it, and when the case's own began."""
    case = state.watch(CASE)
    began_at = case.opened_at if case is not None else None
    if state.matter is not None and began_at is not None and message.accepted_at >= began_at:
        return state
    plan = message.plan
    owed = {CASE: Watch(key=CASE, owner=plan.lead_department, limits=plan.limits)}
    for step in plan.steps:
        if step.limits:
            key = step_key(step.step)
            owed[key] = Watch(key=key, owner=step.department, limits=step.limits, after=step.after)
    # What has been heard of steps without a limit is dropped: nothing is owed there.
    watches = tuple(owed[key].merge(state.watch(key), message.accepted_at) for key in sorted(owed))
    asked = tuple(sorted((step.step, step.system) for step in plan.steps))
    accepted = state.replace(matter=plan.matter, region=message.region, watches=watches, asked_of=asked, approvals=())
    for name, approved_at in state.approvals:
        accepted = accepted.approve(name, approved_at)
    for heard in state.watches:
        if heard.key not in owed and heard.ended_at is not None:
            accepted = accepted.end(heard.key.removeprefix("step/"), heard.ended_at)
    return accepted


def _procedure(message: TaskSuspended) -> Interval:
    """A department's special procedure, which is its step's."""
    return Interval(
        suspension=f"{message.system}/{message.step}/{message.procedure}",
        kind=SuspensionKind.PROCEDURE,
        step=message.step,
        system=message.system,
        reason=f"{message.name}: {message.reason}",
        article=message.article,
        since=message.since,
        until=message.until,
        said_at=message.reported_at,
    )


def _suspension(message: CaseSuspended) -> Interval:
    return Interval(
        suspension=message.suspension,
        kind=message.kind,
        reason=message.reason,
        article=message.article,
        since=message.since,
        until=message.until,
        said_at=message.said_at,
    )


def _learn(
    state: MonitoredCase,
    key: str,
    *,
    opened_at: datetime | None = None,
    ended_at: datetime | None = None,
    open_at: datetime | None = None,
    undelivered_at: datetime | None = None,
    delivered_at: datetime | None = None,
) -> MonitoredCase:
    """Merge facts about one commitment; those of a step that has no limit in the plan are not kept."""
    watch = state.watch(key)
    if watch is None:
        if state.matter is not None:
            return state
        watch = Watch(key=key)
    learnt = watch.learn(
        opened_at=opened_at,
        ended_at=ended_at,
        open_at=open_at,
        undelivered_at=undelivered_at,
        delivered_at=delivered_at,
    )
    return state if learnt is watch else state.put(learnt)


def _learn_steps(
    state: MonitoredCase, reports: tuple[StepReport, ...], known_at: datetime, *, known_open: bool = False
) -> MonitoredCase:
    """Merge what routing says of the steps at this moment, by which a dropped one was dropped. ``known_open``: what is
    said to be open was so then."""
    open_at = known_at if known_open else None
    for report in reports:
        key = step_key(report.step)
        match report.state:
            case StepState.WAITING:
                continue
            case StepState.REQUESTED:
                state = _learn(state, key, opened_at=report.requested_at, undelivered_at=open_at)
            case StepState.DELIVERED:
                # Who says that it is delivered and not when knows it to be delivered now.
                delivered_at = report.delivered_at or known_at
                state = _learn(state, key, opened_at=report.requested_at, open_at=open_at, delivered_at=delivered_at)
            case StepState.DONE | StepState.DROPPED:
                ended_at = report.decided_at or known_at
                state = state.end(report.step, ended_at)
                state = _learn(
                    state,
                    key,
                    opened_at=report.requested_at,
                    ended_at=ended_at,
                    delivered_at=report.delivered_at,
                )
    return state


def _reckon(
    before: MonitoredCase | None, known: MonitoredCase, rules: Rules, message: Message
) -> tuple[MonitoredCase, list[Message]]:
    """Reckon the deadlines that what is known now may have moved, and tell of those that have begun or moved.

    What has ended keeps the deadline that it had, whatever the rules become. Intake is told all whenever it asks.
    """
    if known.region is None or known.matter is None:
        return known, []  # the acceptance has yet to be heard
    moves: list[Move] = []
    begun = False
    revised = False
    for watch in known.watches:
        was = before.watch(watch.key) if before is not None else None
        of_old = watch.edition != rules.edition and known.ended_at(watch) is None
        if watch.due is not None and not of_old and _runs_alike(before, was, known, watch, rules):
            continue
        reckoned = _reckoned(known, watch, rules, known.region, known.matter)
        if reckoned is watch:
            continue
        known = known.put(reckoned)
        revised = revised or (of_old and _runs_alike(before, was, known, watch, rules))
        if watch.due is None:
            begun = True
        elif move := _move(watch, reckoned):
            moves.append(move)
    told: list[Message] = []
    if begun or isinstance(message, CaseAccepted) or (isinstance(message, OF_INTAKE) and not moves):
        known = known.replace(told=known.told + 1)
        told.append(_opened(known))
    if moves:
        known = known.replace(told=known.told + 1)
        cause = Cause.RULES if revised else _cause(message)
        told.append(
            CommitmentsMoved(
                moves=tuple(moves),
                cause=cause,
                edition=rules.edition,
                words=known.words,
                region=known.region,
                told=known.told,
            )
        )
    return known, told


def _runs_alike(
    before: MonitoredCase | None, was: Watch | None, known: MonitoredCase, watch: Watch, rules: Rules
) -> bool:
    """Whether nothing has been heard that makes the time of this commitment run otherwise than before."""
    if before is None or was is None or was.limits != watch.limits or was.opened_at != watch.opened_at:
        return False
    if before.is_straight and known.is_straight:
        return True
    return before.run(was, rules) == known.run(watch, rules)


def _cause(message: Message) -> Cause:
    match message:
        case TaskSuspended(until=until, reported_at=said_at) | CaseSuspended(until=until, said_at=said_at):
            # Somebody may say beforehand when time will run again.
            return Cause.SUSPENDED if until is None or until > said_at else Cause.RESUMED
        case CaseExtended():
            return Cause.EXTENDED
        case CaseRestarted():
            return Cause.RESTARTED
        case _:
            return Cause.BEGUN_EARLIER


def _reckoned(state: MonitoredCase, watch: Watch, rules: Rules, region: str, matter: str) -> Watch:
    """The commitment with its deadlines by these rules; itself where they are what they were."""
    if watch.limits is None:
        return watch
    try:
        run = state.run(watch, rules)
        if run is None:
            return watch
        due = due_dates(watch.limits, run, rules.ladder(watch.key, region, matter), rules.terms(region))
    except (ValueError, OverflowError):
        raise Impossible(f"the deadline of {watch.key} lies beyond the calendar") from None
    if due == watch.due:
        return watch
    return watch.replace(due=due, edition=rules.edition)


def _move(was: Watch, now: Watch) -> Move | None:
    """How a deadline that has been told moved; None where only its rungs did."""
    before, after = was.commitment(), now.commitment()
    if before is None or after is None or before == after:
        return None
    return Move(
        commitment=after,
        committed_before=before.committed_due,
        statutory_before=before.statutory_due,
        paused_before=before.pause is not None,
    )


def _opened(state: MonitoredCase) -> CommitmentsOpened:
    held = tuple(commitment for watch in state.watches if (commitment := watch.commitment()))
    return CommitmentsOpened(commitments=held, words=state.words, region=state.region, told=state.told)


def _climb(state: MonitoredCase, heard_at: datetime, now: datetime | None) -> tuple[MonitoredCase, list[Message]]:
    """Fire every rung that the facts call for and has not fired, and withdraw those that an answer proves wrong."""
    out: list[Message] = []
    if state.matter is None or state.region is None:
        return state, out  # the acceptance has yet to be heard
    for watch in state.watches:
        if watch.due is None or watch.owner is None:
            continue  # not begun
        ended_at = state.ended_at(watch)
        if ended_at is None and now is None and watch.open_at is None and not watch.raised:
            continue  # nothing has been heard that could call for a rung
        ladder = watch.due.ladder()
        if ended_at is not None and not watch.raised and all(ended_at <= due_at for _, due_at in ladder):
            continue  # answered before the first rung
        raised = list(watch.raised)
        for place, fired in enumerate(raised):
            if not fired.withdrawn and (reason := _wrong(fired, watch, ended_at)):
                raised[place] = fired.replace(withdrawn=True)
                at = max(heard_at, fired.raised_at)
                out.append(
                    AlertWithdrawn(
                        commitment=watch.key,
                        rung=fired.rung,
                        reason=reason,
                        withdrawn_at=at,
                        turn=fired.turn,
                        region=state.region,
                    )
                )
        stand = {fired.rung for fired in raised if not fired.withdrawn}
        for rung, due_at in ladder:
            if rung in stand or not _is_due(watch, rung, due_at, ended_at, now):
                continue
            # What is heard late may carry a time before the rung was due; it was not raised then.
            at = max(heard_at, due_at)
            turn = 1 + sum(fired.rung is rung for fired in raised)
            raised.append(Raised(rung=rung, raised_at=at, turn=turn))
            alert = AlertRaised(
                commitment=watch.key,
                rung=rung,
                owner=watch.owner,
                matter=state.matter,
                region=state.region,
                due_at=due_at,
                raised_at=at,
                turn=turn,
                open_at=watch.open_at,
                ended_at=ended_at,
            )
            out.append(alert)
        if tuple(raised) != watch.raised:
            state = state.put(watch.replace(raised=tuple(raised)))
    return state, out


def _wrong(fired: Raised, watch: Watch, ended_at: datetime | None) -> str | None:
    """Why a rung that fired ought not to have, by what is known now."""
    due_at = watch.due.of(fired.rung) if watch.due is not None else None
    if due_at is None or due_at > fired.raised_at:
        return MOVED
    if fired.rung is not _WARNING and watch.delivered_at is not None and not watch.may_card(due_at):
        return UNDELIVERED  # and not where nobody has said when: states of old do not know
    return IN_TIME if ended_at is not None and ended_at <= due_at else None


def _is_due(watch: Watch, rung: Rung, due_at: datetime, ended_at: datetime | None, now: datetime | None) -> bool:
    """Whether this rung ought to have fired.

    Late is late: once answered, the answer's own time decides. Until then the clock is enough for a warning,
    but a card needs routing's word that the commitment was open when its time had run out. And whatever the department
    had not been given by then draws no card: that was ours.
    """
    if rung is not _WARNING and not watch.may_card(due_at):
        return False
    if ended_at is not None:
        return due_at < ended_at
    if rung is Rung.WARNING:
        return now is not None and due_at <= now
    return watch.open_at is not None and due_at < watch.open_at


def _verify(
    state: MonitoredCase, ahead: Ahead, now: datetime | None, first_of_routing: bool
) -> tuple[MonitoredCase, list[Message]]:
    """Ask routing before a card is issued, and forget the question when nothing hangs on it any longer.

    The first question waits until something shows that routing knows the case, or for as long as it would wait for
    the answer: asked any sooner, routing could not tell this case from one that is made up.
    """
    if now is not None and _is_forgotten(state, ahead):
        return state, [CaseAsked()]
    if now is not None and _cards(ahead, now):
        asked = state.replace(asked=state.asked + 1, asked_at=now, unanswered=state.unanswered + 1)
        return asked, [CaseAsked()] if state.routed or state.asked else []
    if state.asked_at is None:
        return state, []
    if not _cards(ahead, state.asked_at):
        return state.replace(asked=0, asked_at=None, unanswered=0), []
    return state, [CaseAsked()] if first_of_routing else []


def _tell_operations(state: MonitoredCase, heard_at: datetime) -> tuple[MonitoredCase, list[Message]]:
    """Tell operations of what the platform has failed in, and when it is settled."""
    failed = {(Problem.UNDELIVERED, watch.key): watch for watch in state.watches if watch.delivered_late()}
    case = state.watch(CASE)
    if case is not None and state.unanswered >= MOST_ASKED:
        failed[Problem.UNVERIFIED, CASE] = case
    if (not failed and not state.marks) or state.matter is None or state.region is None:
        return state, []
    marks = {(mark.problem, mark.commitment): mark for mark in state.marks}
    out: list[Message] = []
    for problem, key in sorted({*failed, *marks}):
        watch, mark = state.watch(key), marks.get((problem, key))
        if watch is None or watch.owner is None:
            continue
        settled_at = _settled_at(problem, state, watch, heard_at, failed=(problem, key) in failed)
        if mark is not None and (mark.settled_at is None) == (settled_at is None):
            continue
        raised_at = mark.raised_at if mark is not None else heard_at
        if settled_at is not None:
            settled_at = max(settled_at, raised_at)
        marks[problem, key] = Mark(problem=problem, commitment=key, raised_at=raised_at, settled_at=settled_at)
        out.append(
            OperationsAlerted(
                commitment=key,
                problem=problem,
                owner=watch.owner,
                matter=state.matter,
                region=state.region,
                raised_at=raised_at,
                settled_at=settled_at,
            )
        )
    return (state.replace(marks=tuple(marks[key] for key in sorted(marks))) if out else state), out


def _settled_at(
    problem: Problem, state: MonitoredCase, watch: Watch, heard_at: datetime, *, failed: bool
) -> datetime | None:
    """When a failure was made good; None while it lasts."""
    if problem is Problem.UNDELIVERED and failed:
        return watch.delivered_at or state.ended_at(watch)
    return None if failed else heard_at


def _is_forgotten(state: MonitoredCase, ahead: Ahead) -> bool:
    """Whether the case is open and no rung is left that would make us look at it again."""
    return not ahead and state.matter is not None and state.decided_at is None


def _cards(ahead: Ahead, until: datetime) -> bool:
    """Whether a card that may be called for at ``until`` is still to be verified."""
    return any(rung is not _WARNING and at <= until for rung, at in ahead)


def _ahead(state: MonitoredCase) -> Ahead:
    """The rungs of open commitments that have not fired, with the first moment at which they may."""
    if state.decided_at is not None:
        return []  # nothing is open any longer
    return [
        (rung, due_at if rung is _WARNING else due_at + _INSTANT)
        for watch in state.watches
        for rung, due_at in watch.ahead()
    ]


def _step(state: MonitoredCase, ahead: Ahead, out: tuple[Message, ...]) -> Step[MonitoredCase]:
    # A card that routing has been asked about waits for the answer, not for its moment, which is past.
    asked_at = state.asked_at
    wakes = [at for rung, at in ahead if rung is _WARNING or asked_at is None or at > asked_at]
    again = patience(state.asked, FIRST_PATIENCE, LONGEST_PATIENCE) if state.asked else None
    return Step(
        state=state,
        out=out,
        wake=min(wakes, default=None),
        again=UNTIL_DECIDED if _is_forgotten(state, ahead) else again,
        closed=state.matter is not None and state.decided_at is not None,
    )
