"""The only door of intake's core: each message goes to one small function.

Each capability has its states and its table of moves in a module of its own beside this one: `lifecycle`, `suspension`,
`extension`, `side_timers`, `confirmation`. Messages from other services merge so that order, repetition and delay do
not matter.
"""

from datetime import datetime
from typing import assert_never, cast

from contracts.core import InvalidMessage, Transition, UnknownCase
from contracts.envelope import Envelope, Message, RulesChanged, TimerFired
from contracts.messages.cases import CaseDecided, CaseExtended, CaseReported, CaseRestarted, CaseSuspended
from contracts.messages.commitments import CommitmentsMoved, CommitmentsOpened
from contracts.messages.side_timers import SideTimersRequested
from contracts.messages.tasks import TaskDelivered, TaskDone
from contracts.working_time.almanac import RegionalRules
from services.intake.core import case_time, facts, lifecycle, side_timers
from services.intake.core.confirmation import confirm, publish, publish_again, transition
from services.intake.core.lifecycle import AcceptCase
from services.intake.core.side_timers import EndTimer, StartTimer
from services.intake.core.state import Case, TimeChange

IntakeMessage = (
    AcceptCase
    | TaskDelivered
    | TaskDone
    | CaseReported
    | CaseDecided
    | CommitmentsOpened
    | CommitmentsMoved
    | TimerFired
    | RulesChanged
    | CaseSuspended
    | CaseExtended
    | CaseRestarted
    | StartTimer
    | EndTimer
    | SideTimersRequested
)
"""All messages that intake processes."""

_MESSAGES = frozenset(IntakeMessage.__args__)


def handle(rules: RegionalRules, state: Case | None, envelope: Envelope[Message]) -> Transition[Case]:
    """Process one message of one case. ``rules``: how time counts in each region.

    Raises `UnknownCase` for a case that was not accepted here, `KeyReused` for a second application under one case
    number, `Rejected` for a command that the state of the case does not allow, and `InvalidMessage` for a message
    that contradicts the case or is not for intake.
    """
    if type(envelope.data) not in _MESSAGES:
        raise InvalidMessage(f"{envelope.type} is not for intake", f"{envelope.type} 不由 intake 处理")
    message = cast(IntakeMessage, envelope.data)
    if state is None:
        if not isinstance(message, AcceptCase):
            raise UnknownCase(envelope.subject)
        return _accept(rules, message)
    # The frequent messages stand first: each pattern costs a little.
    match message:
        case TaskDelivered():
            return transition(facts.merge_delivery(envelope.subject, state, message))
        case TaskDone():
            return transition(facts.merge_answer(envelope.subject, state, message))
        case CommitmentsOpened():
            return _commitments_opened(state, message, envelope.time)
        case CaseDecided():
            return transition(lifecycle.decide(facts.merge_reports(state, message.steps), message))
        case CommitmentsMoved():
            return _commitments_moved(state, message, envelope.time)
        case TimerFired():
            return publish_again(state)
        case AcceptCase():
            return _accept_again(state, message)
        case CaseReported():
            return transition(facts.merge_reports(state, message.steps))
        case RulesChanged():
            return transition(state)  # Monitor holds the deadlines and reports those that move.
        case CaseSuspended() | CaseExtended() | CaseRestarted():
            return _time_changed(state, message)
        case StartTimer():
            return _timers_changed(state, side_timers.start(state, message))
        case EndTimer():
            return _timers_changed(state, side_timers.end(state, message))
        case SideTimersRequested():
            return transition(state, side_timers.report(state))
        case _:
            assert_never(message)


def _accept(rules: RegionalRules, command: AcceptCase) -> Transition[Case]:
    case = lifecycle.accept(command, rules.counting_rules(command.region))
    return transition(case, case.accepted)


def _accept_again(case: Case, command: AcceptCase) -> Transition[Case]:
    lifecycle.check_same_request(case, command)
    return transition(case)


def _commitments_opened(case: Case, opened: CommitmentsOpened, reported_at: datetime) -> Transition[Case]:
    case = facts.merge_commitments(case, opened.commitments, opened.sequence, reported_at)
    return transition(confirm(case, opened.change_ids).replace(monitored=True))


def _commitments_moved(case: Case, moved: CommitmentsMoved, reported_at: datetime) -> Transition[Case]:
    commitments = tuple(move.commitment for move in moved.moves)
    case = facts.merge_commitments(case, commitments, moved.sequence, reported_at)
    return transition(confirm(case, moved.change_ids))


def _time_changed(case: Case, change: TimeChange) -> Transition[Case]:
    changed = case_time.change_time(case, change)
    if changed is case:
        return transition(case)
    # As it is recorded: an extension names its steps.
    return publish(changed, next(one for one in changed.time_changes if one.change_id == change.change_id))


def _timers_changed(case: Case, changed: Case) -> Transition[Case]:
    return transition(case) if changed is case else publish(changed, side_timers.report(changed))
