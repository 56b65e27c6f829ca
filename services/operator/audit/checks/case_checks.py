"""Faults of a case: its acceptance and its decision.

A pending next step explains a difference: a service that owes an answer has an external call due, a service that
needs one has a timer, and a message is marked until it is published. Any other difference is a fault.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from contracts.bilingual import both
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
            yield fault(
                both(f"{name} holds the number {len(rows)} times", f"{name} 中该编号出现 {len(rows)} 次"),
                of=Invariant.UNIQUE,
            )
    intake, routing = case.row("intake"), case.row("routing")
    accepted = case.messages("intake", "case.accepted")
    if intake is None:
        if not case.may_be_deleted(moments.closed_since) and (
            holders := [name for name in case.rows if case.rows[name]]
        ):
            yield fault(
                both(f"known to {', '.join(holders)}, and not to intake", f"{'、'.join(holders)} 有此办件，intake 没有")
            )
        elif not case.rows and any(moment(one.data["accepted_at"]) > moments.kept_since for one in accepted):
            yield fault(both("accepted, and no service knows it", "已受理，但没有服务知道"))
        return
    recent = moment(intake.state["accepted"]["accepted_at"]) > moments.kept_since
    if recent and not accepted:
        yield fault(both("its acceptance has not been published", "受理消息未发布"))
    if (ways := len(contents(accepted))) > 1:
        yield fault(both(f"accepted in {ways} different ways", f"受理消息有 {ways} 种不同内容"))
    yield from (fault(what, of=Invariant.UNIQUE) for what in _duplicate_fees(intake))
    yield from (fault(what) for what in _at_intake(intake))
    if routing is None:
        in_transit = intake.has_timer or any(message.unpublished for message in accepted)
        if not in_transit and not case.may_be_deleted(moments.closed_since):
            yield fault(
                both(
                    "unknown to routing, and no service will publish it again", "routing 没有此办件，且不会再有服务发布"
                ),
                in_transit=True,
            )
        return
    yield from (fault(what) for what in _at_routing(case, routing, moments))
    yield from (fault(what) for what in _shown(intake.state, routing.state))


def _duplicate_fees(intake: StoredCase) -> Iterator[str]:
    steps = intake.state["accepted"]["plan"]["steps"]
    fees = Counter((step["step"], fee["name"]) for step in steps for fee in step.get("fees", ()))
    yield from (
        both(f"the fee {name!r} of step {step} is there {n} times", f"环节 {step} 的费用 {name!r} 重复 {n} 次")
        for (step, name), n in fees.items()
        if n > 1
    )


def _at_intake(intake: StoredCase) -> Iterator[str]:
    answered = (
        "decision" in intake.state
        and intake.state.get("monitored", False)
        and not _has_unconfirmed_changes(intake.state)
    )
    runs_on = any("ended_at" not in timer for timer in intake.state.get("timers", ()))
    if intake.closed_at is None:
        if not intake.has_timer and not (answered and runs_on):
            yield both("open at intake, and nothing will move it", "在 intake 未结，且没有后续动作")
        if answered and not runs_on:
            yield both("answered at intake, and still open there", "在 intake 已答复，却未关闭")
    elif not answered or runs_on:
        yield both("closed at intake without an answer to everything", "在 intake 已关闭，却未全部答复")
    elif intake.has_timer:
        yield both("closed at intake with a timer left", "在 intake 已关闭，却仍有定时")


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
        yield both(f"decided in {ways} different ways", f"办结消息有 {ways} 种不同内容")
    if outcome is None or decided_at is None:
        if decisions:
            yield both("published as decided, and open at routing", "已发布办结，routing 却未结")
        if not routing.has_timer:
            yield both("open at routing, and nothing will move it", "在 routing 未结，且没有后续动作")
        if routing.closed_at is not None:
            yield both("closed at routing without a decision", "在 routing 已关闭，却没有办结")
        return
    if routing.closed_at is None:
        yield both("decided at routing, and still open there", "在 routing 已办结，却未关闭")
    if routing.has_timer:
        yield both("decided at routing with a timer left", "在 routing 已办结，却仍有定时")
    if not decisions and decided_at > moments.kept_since:
        yield both("decided, and the decision has not been published", "已办结，但办结消息未发布")
    for one in decisions:
        if (one.data["outcome"], optional_moment(one.data["decided_at"])) != (outcome, decided_at):
            yield both("routing has published another decision than it holds", "routing 发布的办结与其记录不同")
            break
        if _answers(one.data["steps"]) != _answers(_steps_of(routing.state)):
            yield both("routing has published other answers than it holds", "routing 发布的答复与其记录不同")
            break


def _shown(intake: Json, routing: Json) -> Iterator[str]:
    decision = intake.get("decision")
    if decision is None:
        return  # intake retries until it has one
    if "outcome" not in routing:
        yield both("decided at intake, and not at routing", "在 intake 已办结，在 routing 没有")
    elif (decision["outcome"], decision["decided_at"]) != (routing["outcome"], routing["decided_at"]):
        yield both(
            f"intake shows {decision['outcome']}, routing decided {routing['outcome']}, or at another time",
            "intake 显示的结果或时间与 routing 的办结不同",
        )
    elif _answers(intake["steps"]) != _answers(_steps_of(routing)):
        yield both("intake shows other answers than routing has", "intake 显示的答复与 routing 不同")


def _steps_of(routing: Json) -> list[Json]:
    return [{**step, "step": step["plan"]["step"]} for step in routing["steps"]]


def _answers(steps: Iterable[Json]) -> list[tuple[Any, ...]]:
    return sorted((step["step"], step.get("state", "waiting"), *answer(step)) for step in steps)
