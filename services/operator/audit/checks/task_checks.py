"""Faults of a case's tasks: each is requested, held by its department's service, and once in its ledger."""

from collections.abc import Iterator
from datetime import datetime

from contracts.bilingual import both
from contracts.text import number
from services.operator.audit.case_record import (
    CaseRecord,
    Json,
    LedgerRow,
    PublishedMessage,
    StoredCase,
    answer,
    contents,
    latest,
)
from services.operator.audit.invariants import MAX_CLOCK_STEP, Fault, Invariant, Moments, moment, optional_moment

CORE = ("intake", "routing", "monitor")


def tasks(case: CaseRecord, moments: Moments) -> Iterator[Fault]:
    """Faults of tasks that are not handed over once under one number."""
    routing = case.row("routing")
    requested = {
        f"{case.case_id}/{step['plan']['step']}": step
        for step in (routing.state["steps"] if routing else ())
        if "requested_at" in step
    }
    texts = [
        *_requested(case, requested, routing, moments),
        *(_begun(requested, routing) if routing else ()),
        *(what for system in _systems(case) for what in _at_department(case, system, requested, moments)),
        *(what for task_id, step in requested.items() for what in _handed_over(case, task_id, step, routing, moments)),
    ]
    yield from (Fault(Invariant.TASKS, case.case_id, what) for what in texts)


def _systems(case: CaseRecord) -> list[str]:
    return sorted({*case.rows, *case.ledgers} - {*CORE})


def _requested(
    case: CaseRecord, requested: dict[str, Json], routing: StoredCase | None, moments: Moments
) -> Iterator[str]:
    """Compare routing's state with its published requests."""
    published: dict[str, list[PublishedMessage]] = {}
    for message in case.messages("routing", "task.requested"):
        published.setdefault(message.data["task_id"], []).append(message)
    for task_id, step in requested.items():
        requests = published.get(task_id, [])
        if not requests and moment(step["requested_at"]) > moments.kept_since:
            yield both(f"{task_id} has not been requested", "未交办")
        if len(contents(requests)) > 1:
            yield both(f"{task_id} has been requested in different ways", "交办内容不一致")
        if {request.data["system"] for request in requests} - {step["plan"]["system"]}:
            yield both(f"{task_id} has been requested of another system", "交办给了另一系统")
    if routing is not None:
        for task_id in {*published} - {*requested}:
            yield both(f"{task_id} has been requested, and routing does not know it", "已交办，routing 却没有记录")


def _begun(requested: dict[str, Json], routing: StoredCase) -> Iterator[str]:
    """Compare when each step was requested with the arrival of the answers that it waited for."""
    arrived = {step["plan"]["step"]: optional_moment(step.get("arrived_at")) for step in routing.state["steps"]}
    accepted_at = moment(routing.state["accepted_at"])
    for task_id, step in requested.items():
        awaited = [arrived[name] for name in step["plan"].get("after", ())]
        known = [at for at in awaited if at is not None]
        if len(known) < len(awaited):
            yield both(f"{task_id} has been requested before an answer that it waits for", "交办早于其所等的答复")
        elif moment(step["requested_at"]) != max(known, default=accepted_at):
            what, what_zh = ("the last answer that it waits for arrived", "其所等的最后一项答复的到达时间")
            if not awaited:
                what, what_zh = "the case was accepted", "受理时间"
            yield both(f"{task_id} begins at another moment than {what}", f"开始时间与{what_zh}不同")


def _handed_over(
    case: CaseRecord, task_id: str, step: Json, routing: StoredCase | None, moments: Moments
) -> Iterator[str]:
    """Compare routing's step with the task of the department's service."""
    system = step["plan"]["system"]
    task = _tasks_at(case, system).get(task_id)
    will_retry = routing is not None and routing.has_timer
    done = step["state"] == "done"
    if task is None:
        old = done and moment(step["decided_at"]) < moments.closed_since
        if done and not old:
            yield both(f"{task_id} is answered, and unknown to {system}", f"已答复，{system} 却没有记录")
        elif not done and not will_retry:
            yield both(
                f"{task_id} is unknown to {system}, and routing will not request it again",
                f"{system} 没有记录，且 routing 不会再交办",
            )
    elif "decision" not in task:
        if done:
            yield both(f"{task_id} is answered, and open at {system}", f"已答复，在 {system} 却未结")
    elif not done:
        if not will_retry:
            yield both(
                f"{task_id} is answered by {system}, and routing will not request the answer",
                f"{system} 已答复，但 routing 不会再索取",
            )
    elif answer(step) != answer(task["decision"]):
        yield both(f"{task_id} is answered otherwise by {system}", f"{system} 的答复与 routing 的记录不同")


def _at_department(case: CaseRecord, system: str, requested: dict[str, Json], moments: Moments) -> Iterator[str]:
    """Compare the state of a department's service with the requests, its published answers and the ledger."""
    stored = case.row(system)
    held = _tasks_at(case, system)
    ledger: dict[str, list[LedgerRow]] = {}
    for row in case.ledgers.get(system, ()):
        ledger.setdefault(row.task_id, []).append(row)
    if stored is not None:
        waits = any("decision" not in task for task in held.values())
        if waits and stored.call_due_at is None:
            yield both(f"open at {system}, and no call is due", f"在 {system} 未结，且没有待发的调用")
        if waits != (stored.closed_at is None):
            state, state_zh = ("open", "未关闭") if stored.closed_at is None else ("closed", "已关闭")
            yield both(f"{state} at {system} against what it holds", f"在 {system} {state_zh}，与其内容不符")
        if not waits and stored.call_due_at is not None:
            yield both(f"answered at {system}, with a call left", f"在 {system} 已答复，却仍有待发的调用")
    for task_id, task in held.items():
        if task_id not in requested and (case.row("routing") or not case.may_be_deleted(moments.closed_since)):
            yield both(
                f"{task_id} is held by {system}, and no service requested it", f"{system} 有此任务，但没有服务交办"
            )
        yield from _impossible_times(task_id, task, moments)
        yield from _reported(case, system, task_id, task, moments)
        if system in case.ledgers:
            yield from _in_ledger(system, task_id, task, ledger.get(task_id, []), moments)
    for task_id, rows in ledger.items():
        if task_id not in held and any(row.received_at > moments.kept_since for row in rows):
            yield both(
                f"{task_id} is in the ledger of {system}, and its service does not know it",
                f"{system} 的台账有此任务，其服务却没有记录",
            )
        if task_id not in held and len(rows) > 1:
            yield both(
                f"{task_id} is in the ledger of {system} {len(rows)} times", f"在 {system} 的台账中出现 {len(rows)} 次"
            )


def _tasks_at(case: CaseRecord, system: str) -> dict[str, Json]:
    stored = case.row(system)
    return {task["request"]["task_id"]: task for task in (stored.state.get("tasks", ()) if stored else ())}


def _impossible_times(task_id: str, task: Json, moments: Moments) -> Iterator[str]:
    """Question the moments that count for a task: none lies long before an earlier step, or long ahead."""
    known = task.get("decision") or task.get("receipt") or {}
    names = {
        "requested_at": ("requested", "交办"),
        "delivered_at": ("received", "接收"),
        "decided_at": ("decided", "决定"),
        "arrived_at": ("reported", "回报"),
    }
    before: tuple[datetime, str, str] | None = None
    for field, (name, name_zh) in names.items():
        text = {**task["request"], **known}.get(field)
        if text is None:
            continue
        at = moment(text)
        if before is not None and at < before[0] - MAX_CLOCK_STEP:
            yield both(f"{task_id} was {name} before it was {before[1]}", f"{name_zh}早于{before[2]}")
        if at > moments.now + MAX_CLOCK_STEP:
            yield both(f"{task_id} was {name} at a moment that lies ahead", f"{name_zh}时间在未来")
        before = at, name, name_zh


def _reported(case: CaseRecord, system: str, task_id: str, task: Json, moments: Moments) -> Iterator[str]:
    """Compare a task of a department's service with the answers that it published."""
    reports = [
        message
        for kind in ("task.delivered", "task.done")
        for message in case.messages(system, kind)
        if message.data["task_id"] == task_id
    ]
    numbers = {message.data["reference"] for message in reports}
    known = task.get("decision") or task.get("receipt")
    numbers -= _other_numbers(task, known)
    if len(numbers) > 1:
        yield both(f"{task_id} has been reported under {len(numbers)} numbers", f"以 {len(numbers)} 个编号回报")
    if known is None:
        if reports:
            yield both(f"{task_id} has been reported, and {system} has no answer to it", f"已回报，{system} 却没有答复")
        return
    if not reports and moment(known["delivered_at"]) > moments.kept_since:
        yield both(f"{task_id} has been delivered, and {system} has not reported it", f"已送达，{system} 却未回报")
    if numbers - {known["reference"]}:
        yield both(
            f"{task_id} has been reported under another number than {system} holds", f"回报的编号与 {system} 的记录不同"
        )
    answered = [message for message in reports if message.kind == "task.done"]
    if case.has_doubtful_times:
        answered = latest(answered)
    answers = {answer(message.data) for message in answered}
    if answers - {answer(task.get("decision") or {})}:
        yield both(
            f"{task_id} has been reported with another answer than {system} holds", f"回报的答复与 {system} 的记录不同"
        )


def _other_numbers(task: Json, known: Json | None) -> set[str]:
    """The numbers that an operator has settled to be of the same task, besides that of its answer."""
    others = {number for corrected in task.get("corrections", ()) for number in corrected.get("other_numbers", ())}
    return others - {known["reference"]} if known is not None else others


def _in_ledger(system: str, task_id: str, task: Json, rows: list[LedgerRow], moments: Moments) -> Iterator[str]:
    """Compare a task of a department's service with the rows of the department's ledger."""
    known = task.get("decision") or task.get("receipt")
    if len(rows) > 1:
        yield both(
            f"{task_id} is in the ledger of {system} {len(rows)} times", f"在 {system} 的台账中出现 {len(rows)} 次"
        )
    if known is None:
        return  # the department's service calls until it knows
    if not rows:
        if moment(known["delivered_at"]) > moments.kept_since:
            yield both(f"{task_id} is not in the ledger of {system}", f"{system} 的台账中没有此任务")
        return
    if {known["reference"], *_other_numbers(task, known)}.isdisjoint(number(row.number) for row in rows):
        yield both(f"{task_id} has another number in the ledger of {system}", f"{system} 台账中的编号不同")
    if "decision" in task and known["outcome"] not in {row.outcome for row in rows}:
        yield both(f"{task_id} has another outcome in the ledger of {system}", f"{system} 台账中的结果不同")
