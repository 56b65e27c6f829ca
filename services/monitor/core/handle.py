"""Monitor's core: holds every commitment of a case to its deadlines. Pure.

Messages come in any order, late and more than once. So each is first merged into the facts (`facts`), then the
deadlines are reckoned from the facts by the rules (`reckoning`), and what is to be said follows from both: which rungs
ought to have fired, less those that have (`climbing`), and who is to be asked before a card is issued (`verification`).
What supervisors and departments say of an alert is in `remarks`.
"""

from datetime import datetime, timedelta

from contracts.core import InvalidMessage, Step, UnknownCase, backoff
from contracts.envelope import Envelope, Message, RulesChanged, TimerFired
from contracts.messages.alerts import AlertAction, Rung
from contracts.messages.cases import (
    CaseAccepted,
    CaseDecided,
    CaseExtended,
    CaseHeld,
    CaseReported,
    CaseRestarted,
    CaseSuspended,
    StepState,
)
from contracts.messages.plans import Outcome
from contracts.messages.side_timers import SideTimersReported
from contracts.messages.tasks import TaskDelivered, TaskDone, TaskSuspended
from services.monitor.core import alert_actions, facts
from services.monitor.core.alerts import closed, raise_due
from services.monitor.core.deadlines import OF_INTAKE, reckon
from services.monitor.core.rules import Rules
from services.monitor.core.state import CASE, Answers, ExtensionRecord, MonitoredCase, step_key
from services.monitor.core.verification import (
    Ahead,
    answered,
    is_forgotten,
    rungs_ahead,
    spared,
    tell_operations,
    verify,
)

OF_ROUTING = (TaskDelivered, TaskSuspended, TaskDone, CaseReported, CaseDecided)
"""What nobody says of a case unless routing knows it."""

CONSUMES = (*OF_INTAKE, *OF_ROUTING)

LOOKS = (TimerFired, RulesChanged)
"""With these a case is looked at, at a moment of the clock."""

OF_KNOWN_CASES = (*LOOKS, AlertAction, CaseHeld)
"""What nobody says to a case of which nothing has been heard."""

FIRST_PATIENCE = timedelta(seconds=30)
LONGEST_PATIENCE = timedelta(hours=1)

UNTIL_DECIDED = timedelta(days=1)
"""Machine time after which routing is asked about an open case that no deadline will ask about: its decision may have
been lost on its way to us alone."""


def handle(rules: Rules, state: MonitoredCase | None, envelope: Envelope[Message]) -> Step[MonitoredCase]:
    """Answer one message by the rules in force.

    Raises `InvalidMessage` for a deadline beyond the calendar or a message not meant for us, and `Rejected` for a
    remark on an alert that cannot be made.
    """
    message = envelope.data
    if state is None and isinstance(message, OF_KNOWN_CASES):
        raise UnknownCase(envelope.subject)
    known, said = _merged(state or MonitoredCase(), message, envelope.time)
    now = envelope.time if isinstance(message, LOOKS) else None
    first_of_routing = not known.known_to_routing and isinstance(message, OF_ROUTING)
    if first_of_routing:
        known = known.replace(known_to_routing=True)
    known, told = reckon(state, facts.procedures(known), rules, message)
    answers = known.answers()
    climbed, alerts = raise_due(known, answers, envelope.time, now)
    if climbed is not known:
        known, answers = climbed, climbed.answers()
    ahead = rungs_ahead(known, answers)
    # A change of rules makes a million cases be looked at: each asks when its own alarm rings.
    asks_at = None if isinstance(message, RulesChanged) else now
    known, questions = verify(known, ahead, asks_at, first_of_routing)
    known, problems = tell_operations(known, envelope.time)
    out = (*told, *said, *alerts, *closed(state, known), *spared(state, known), *questions, *problems)
    return _step(known, answers, ahead, out, envelope.time)


def _merged(known: MonitoredCase, message: Message, time: datetime) -> tuple[MonitoredCase, list[Message]]:
    """The case with what this message tells of it, and what is to be said of that by itself."""
    match message:
        case TimerFired() | RulesChanged():  # first, since a million of these come at once
            return known, []
        case CaseAccepted():
            return facts.accept(known, message), []
        case TaskDelivered():
            key = step_key(message.step)
            return facts.learn(known, key, opened_at=message.requested_at, delivered_at=message.delivered_at), []
        case TaskSuspended():
            return known.suspend(facts.procedure(message)), []
        case CaseSuspended():
            return known.record_change(message.change_id).suspend(facts.suspension(message)), []
        case CaseHeld():
            said = message.replace(region=known.region)
            return known.suspend(facts.hold(message)), [said]
        case CaseExtended():
            more = ExtensionRecord(
                days=message.days, reason=message.reason, article=message.article, notified_at=message.notified_at
            )
            return known.record_change(message.change_id).extend(more), []
        case CaseRestarted():
            return known.record_change(message.change_id).restart(message.restarted_at), []
        case SideTimersReported():
            return answered(facts.clocks(known, message, time), by_intake=True), []
        case TaskDone():
            return _done(known, message), []
        case CaseReported():
            return _reported(known, message, time), []
        case CaseDecided():
            decided = facts.learn(known, CASE, ended_at=message.decided_at)
            return facts.learn_steps(decided, message.steps, message.decided_at), []
        case AlertAction():
            return alert_actions.take(known, message)
        case _:
            raise InvalidMessage(f"{message.type} is not for monitor")


def _done(known: MonitoredCase, message: TaskDone) -> MonitoredCase:
    known = known.end(message.step, message.decided_at)
    known = facts.learn(
        known,
        step_key(message.step),
        opened_at=message.requested_at,
        ended_at=message.decided_at,
        delivered_at=message.delivered_at,
    )
    if message.outcome is Outcome.APPROVED:
        return known.approve(message.step, message.decided_at)
    return known


def _reported(known: MonitoredCase, message: CaseReported, time: datetime) -> MonitoredCase:
    if any(step.state is StepState.REQUESTED for step in message.steps):
        known = facts.learn(known, CASE, undelivered_at=time)
    else:
        known = facts.learn(known, CASE, open_at=time)
    return answered(facts.learn_steps(known, message.steps, time, known_open=True), by_intake=False)


def _step(
    state: MonitoredCase, answers: Answers, ahead: Ahead, out: tuple[Message, ...], time: datetime
) -> Step[MonitoredCase]:
    # A card that somebody has been asked about waits for the answer, not for its moment, which is past.
    asked_at = state.queried_at
    wakes = [at for _, rung, at in ahead if asked_at is None or at > asked_at or rung is Rung.WARNING]
    # Whoever looks for what falls due goes by the alarms, so there is one at each committed limit.
    for watch, ended_at in answers:
        if ended_at is None and (limit := watch.unmarked_limit) is not None and limit > time:
            wakes.append(limit)
    again = backoff(state.query_count, FIRST_PATIENCE, LONGEST_PATIENCE) if state.query_count else None
    return Step(
        state=state,
        out=out,
        timer_at=min(wakes, default=None),
        retry_after=UNTIL_DECIDED if is_forgotten(state, ahead) else again,
        closed=state.matter is not None and all(ended_at is not None for _, ended_at in answers),
    )
