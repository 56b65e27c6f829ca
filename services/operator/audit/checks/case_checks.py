"""Faults of a case: its acceptance and its decision.

A pending next step explains a difference: a service that owes an answer has an external call due, a service that
needs one has a timer, and a message is marked until it is published. Any other difference is a fault.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from services.operator.audit.case_record import CaseRecord, Json, StoredCase, answer, contents, latest
from services.operator.audit.checks.ladder_checks import commitments, rungs
from services.operator.audit.checks.task_checks import tasks
from services.operator.audit.invariants import Fault, Invariant, Moments, moment, optional_moment


def check_case(case: CaseRecord, moments: Moments) -> list[Fault]:
    """All faults of this case."""
    return [*decided(case, moments), *tasks(case, moments), *commitments(case, moments), *rungs(case, moments)]


def decided(case: CaseRecord, moments: Moments) -> Iterator[Fault]:
    """Faults of a case that is not accepted once, or neither decided once nor open with a next step."""

    def fault(what: str, *, in_transit: bool = False, of: Invariant = Invariant.DECIDED) -> Fault:
        return Fault(of, case.case_id, what, in_transit)

    for name, rows in case.rows.items():
        if len(rows) > 1:
            yield fault(f"{name} holds the number {len(rows)} times", of=Invariant.UNIQUE)
    intake, routing = case.row("intake"), case.row("routing")
    accepted = case.messages("intake", "case.accepted")
    if intake is None:
        if not case.may_be_deleted(moments.closed_since) and (
            holders := [name for name in case.rows if case.rows[name]]
        ):
            yield fault(f"known to {', '.join(holders)}, and not to intake")
        elif not case.rows and any(moment(one.data["accepted_at"]) > moments.kept_since for one in accepted):
            yield fault("accepted, and no service knows it")
        return
    recent = moment(intake.state["accepted"]["accepted_at"]) > moments.kept_since
    if recent and not accepted:
        yield fault("its acceptance has not been published")
    if (ways := len(contents(accepted))) > 1:
        yield fault(f"accepted in {ways} different ways")
    yield from (fault(what, of=Invariant.UNIQUE) for what in _duplicate_fees(intake))
    yield from (fault(what) for what in _at_intake(intake))
    if routing is None:
        in_transit = intake.has_timer or any(message.unpublished for message in accepted)
        if not in_transit and not case.may_be_deleted(moments.closed_since):
            yield fault("unknown to routing, and no service will publish it again", in_transit=True)
        return
    yield from (fault(what) for what in _at_routing(case, routing, moments))
    yield from (fault(what) for what in _shown(intake.state, routing.state))


def _duplicate_fees(intake: StoredCase) -> Iterator[str]:
    steps = intake.state["accepted"]["plan"]["steps"]
    fees = Counter((step["step"], fee["name"]) for step in steps for fee in step.get("fees", ()))
    yield from (f"the fee {name!r} of step {step} is there {n} times" for (step, name), n in fees.items() if n > 1)


def _at_intake(intake: StoredCase) -> Iterator[str]:
    answered = (
        "decision" in intake.state
        and intake.state.get("monitored", False)
        and not _has_unconfirmed_changes(intake.state)
    )
    runs_on = any("ended_at" not in timer for timer in intake.state.get("timers", ()))
    if intake.closed_at is None:
        if not intake.has_timer and not (answered and runs_on):
            yield "open at intake, and nothing will move it"
        if answered and not runs_on:
            yield "answered at intake, and still open there"
    elif not answered or runs_on:
        yield "closed at intake without an answer to everything"
    elif intake.has_timer:
        yield "closed at intake with a timer left"


def _has_unconfirmed_changes(state: Json) -> bool:
    """Whether monitor has not confirmed all changes to the case's time."""
    changes = {change["change_id"] for name in ("suspensions", "restarts") for change in state.get(name, ())}
    changes |= {state["extension"]["change_id"]} if "extension" in state else set()
    changes |= {f"timers-{state['timer_changes']}"} if "timers" in state else set()
    return not changes <= {*state.get("confirmed_changes", ())}


def _at_routing(case: CaseRecord, routing: StoredCase, moments: Moments) -> Iterator[str]:
    decisions = case.messages("routing", "case.decided")
    if case.has_doubtful_times:
        decisions = latest(decisions)
    decided_at = optional_moment(routing.state.get("decided_at"))
    outcome = routing.state.get("outcome")
    if (ways := len(contents(decisions))) > 1:
        yield f"decided in {ways} different ways"
    if outcome is None or decided_at is None:
        if decisions:
            yield "published as decided, and open at routing"
        if not routing.has_timer:
            yield "open at routing, and nothing will move it"
        if routing.closed_at is not None:
            yield "closed at routing without a decision"
        return
    if routing.closed_at is None:
        yield "decided at routing, and still open there"
    if routing.has_timer:
        yield "decided at routing with a timer left"
    if not decisions and decided_at > moments.kept_since:
        yield "decided, and the decision has not been published"
    for one in decisions:
        if (one.data["outcome"], optional_moment(one.data["decided_at"])) != (outcome, decided_at):
            yield "routing has published another decision than it holds"
            break
        if _answers(one.data["steps"]) != _answers(_steps_of(routing.state)):
            yield "routing has published other answers than it holds"
            break


def _shown(intake: Json, routing: Json) -> Iterator[str]:
    decision = intake.get("decision")
    if decision is None:
        return  # intake retries until it has one
    if "outcome" not in routing:
        yield "decided at intake, and not at routing"
    elif (decision["outcome"], decision["decided_at"]) != (routing["outcome"], routing["decided_at"]):
        yield f"intake shows {decision['outcome']}, routing decided {routing['outcome']}, or at another time"
    elif _answers(intake["steps"]) != _answers(_steps_of(routing)):
        yield "intake shows other answers than routing has"


def _steps_of(routing: Json) -> list[Json]:
    return [{**step, "step": step["plan"]["step"]} for step in routing["steps"]]


def _answers(steps: Iterable[Json]) -> list[tuple[Any, ...]]:
    return sorted((step["step"], step.get("state", "waiting"), *answer(step)) for step in steps)
