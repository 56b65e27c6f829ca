"""What is wrong with a case, from all that is on record of it: acceptance, decision, tasks. Pure.

Nothing is wrong with what somebody will still move: who owes an answer has an open question, who needs one has an
alarm, and what has been said is marked until it is published. A fault is what no such next step explains.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from services.operator.audit.case_record import CaseRecord, Json, LedgerRow, PublishedMessage, StoredCase
from services.operator.audit.invariants import Fault, Grounds, Invariant, at, moment
from services.operator.audit.ladder_checks import commitments, rungs

CORE = ("intake", "routing", "monitor")


def judge(case: CaseRecord, grounds: Grounds) -> list[Fault]:
    """Everything that is wrong with this case."""
    return [*decided(case, grounds), *tasks(case, grounds), *commitments(case, grounds), *rungs(case, grounds)]


def decided(case: CaseRecord, grounds: Grounds) -> Iterator[Fault]:
    """Accepted once and decided once, or open with a next step."""

    def fault(what: str, *, waits: bool = False, of: Invariant = Invariant.DECIDED) -> Fault:
        return Fault(of, case.case_id, what, waits)

    for name, rows in case.rows.items():
        if len(rows) > 1:
            yield fault(f"{name} holds the number {len(rows)} times", of=Invariant.UNIQUE)
    intake, routing = case.kept("intake"), case.kept("routing")
    accepted = case.ledger("intake", "case.accepted")
    if intake is None:
        if not forgotten(case, grounds) and (holders := [name for name in case.rows if case.rows[name]]):
            yield fault(f"known to {', '.join(holders)}, and not to intake")
        elif not case.rows and any(moment(said.data["accepted_at"]) > grounds.kept_since for said in accepted):
            yield fault("accepted, and no service knows it")
        return
    young = moment(intake.state["accepted"]["accepted_at"]) > grounds.kept_since
    if young and not accepted:
        yield fault("its acceptance has not been said")
    if (ways := len(different(accepted))) > 1:
        yield fault(f"accepted in {ways} different ways")
    yield from (fault(what, of=Invariant.UNIQUE) for what in _charged_twice(intake))
    yield from (fault(what) for what in _at_intake(intake))
    if routing is None:
        on_its_way = intake.asks or any(said.unpublished for said in accepted)
        if not on_its_way and not forgotten(case, grounds):
            yield fault("unknown to routing, and nobody will say it again", waits=True)
        return
    yield from (fault(what) for what in _at_routing(case, routing, grounds))
    yield from (fault(what) for what in _shown(case, intake.state, routing.state))


def _charged_twice(intake: StoredCase) -> Iterator[str]:
    steps = intake.state["accepted"]["plan"]["steps"]
    fees = Counter((step["step"], fee["name"]) for step in steps for fee in step.get("fees", ()))
    yield from (f"the fee {name!r} of step {step} stands {n} times" for (step, name), n in fees.items() if n > 1)


def _at_intake(intake: StoredCase) -> Iterator[str]:
    answered = "decision" in intake.state and intake.state.get("monitored", False) and not _unheard(intake.state)
    runs_on = any("ended_at" not in clock for clock in intake.state.get("timers", ()))
    if intake.closed_at is None:
        if not intake.asks and not (answered and runs_on):
            yield "open at intake, and nothing will move it"
        if answered and not runs_on:
            yield "answered at intake, and still open there"
    elif not answered or runs_on:
        yield "closed at intake without an answer to everything"
    elif intake.asks:
        yield "closed at intake with an alarm left"


def _unheard(state: Json) -> bool:
    """Whether monitor is not known to have heard all that was said of the case's time."""
    said = {word["change_id"] for name in ("suspensions", "restarts") for word in state.get(name, ())}
    said |= {state["extension"]["change_id"]} if "extension" in state else set()
    said |= {f"timers-{state['timer_changes']}"} if "timers" in state else set()
    return not said <= {*state.get("confirmed_changes", ())}


def _at_routing(case: CaseRecord, routing: StoredCase, grounds: Grounds) -> Iterator[str]:
    said = case.ledger("routing", "case.decided")
    decided_at = at(routing.state.get("decided_at"))
    outcome = routing.state.get("outcome")
    if (ways := len(different(said))) > 1:
        yield f"decided in {ways} different ways"
    if outcome is None or decided_at is None:
        if said:
            yield "said to be decided, and open at routing"
        if not routing.asks:
            yield "open at routing, and nothing will move it"
        if routing.closed_at is not None:
            yield "closed at routing without a decision"
        return
    if routing.closed_at is None:
        yield "decided at routing, and still open there"
    if routing.asks:
        yield "decided at routing with an alarm left"
    if not said and decided_at > grounds.kept_since:
        yield "decided, and the decision has not been said"
    for one in said:
        if (one.data["outcome"], at(one.data["decided_at"])) != (outcome, decided_at):
            yield "routing has said another decision than it holds"
            break
        if _answers(one.data["steps"]) != _answers(_reports(routing.state)):
            yield "routing has said other answers than it holds"
            break


def _shown(case: CaseRecord, intake: Json, routing: Json) -> Iterator[str]:
    decision = intake.get("decision")
    if decision is None:
        return  # intake asks until it knows
    if "outcome" not in routing:
        yield "decided at intake, and not at routing"
    elif (decision["outcome"], decision["decided_at"]) != (routing["outcome"], routing["decided_at"]):
        yield f"intake shows {decision['outcome']}, routing decided {routing['outcome']}, or at another time"
    elif _answers(intake["steps"]) != _answers(_reports(routing)):
        yield "intake shows other answers than routing has"


def _reports(routing: Json) -> list[Json]:
    return [{**step, "step": step["plan"]["step"]} for step in routing["steps"]]


def _answers(steps: Iterable[Json]) -> list[tuple[Any, ...]]:
    return sorted((step["step"], step.get("state", "waiting"), *_answer(step)) for step in steps)


def _answer(step: Json) -> tuple[str, ...]:
    return tuple(step.get(name) or "" for name in ("outcome", "document", "decided_at"))


def different(said: Iterable[PublishedMessage]) -> set[str]:
    """The contents of these messages, each once."""
    return {said.text.split('"data":', 1)[1] for said in said}


def forgotten(case: CaseRecord, grounds: Grounds) -> bool:
    """Whether all who know the case have closed it so long ago that others may have forgotten it."""
    rows = [row for rows in case.rows.values() for row in rows]
    return bool(rows) and all(row.closed_at is not None and row.closed_at < grounds.closed_since for row in rows)


def tasks(case: CaseRecord, grounds: Grounds) -> Iterator[Fault]:
    """Each task handed over once: asked for, held by its department's service, in the books under one number."""
    routing = case.kept("routing")
    asked = {
        f"{case.case_id}/{step['plan']['step']}": step
        for step in (routing.state["steps"] if routing else ())
        if "requested_at" in step
    }
    said: dict[str, list[PublishedMessage]] = {}
    for message in case.ledger("routing", "task.requested"):
        said.setdefault(message.data["task_id"], []).append(message)
    whats = [
        *_asked_for(asked, said, routing, grounds),
        *(what for system in _systems(case) for what in _held(case, system, asked, grounds)),
        *(what for task_id, step in asked.items() for what in _handed(case, task_id, step, routing, grounds)),
    ]
    yield from (Fault(Invariant.TASKS, case.case_id, what) for what in whats)


def _systems(case: CaseRecord) -> list[str]:
    return sorted({*case.rows, *case.books} - {*CORE})


def _asked_for(
    asked: dict[str, Json], said: dict[str, list[PublishedMessage]], routing: StoredCase | None, grounds: Grounds
) -> Iterator[str]:
    for task_id, step in asked.items():
        requests = said.get(task_id, [])
        if not requests and moment(step["requested_at"]) > grounds.kept_since:
            yield f"{task_id} has not been asked for"
        if len(different(requests)) > 1:
            yield f"{task_id} has been asked for in different ways"
        if {request.data["system"] for request in requests} - {step["plan"]["system"]}:
            yield f"{task_id} has been asked of another system"
    if routing is not None:
        yield from (f"{task_id} has been asked for, and routing does not know" for task_id in {*said} - {*asked})


def _handed(case: CaseRecord, task_id: str, step: Json, routing: StoredCase | None, grounds: Grounds) -> Iterator[str]:
    """What routing holds of a task, beside what its department's service holds."""
    system = step["plan"]["system"]
    task = _tasks_at(case, system).get(task_id)
    asks = routing is not None and routing.asks
    done = step["state"] == "done"
    if task is None:
        old = done and moment(step["decided_at"]) < grounds.closed_since
        if done and not old:
            yield f"{task_id} is answered, and unknown to {system}"
        elif not done and not asks:
            yield f"{task_id} is unknown to {system}, and nobody will ask again"
    elif "decision" not in task:
        if done:
            yield f"{task_id} is answered, and open at {system}"
    elif not done:
        if not asks:
            yield f"{task_id} is answered by {system}, and nobody will ask for it"
    elif _answer(step) != _answer(task["decision"]):
        yield f"{task_id} is answered otherwise by {system}"


def _held(case: CaseRecord, system: str, asked: dict[str, Json], grounds: Grounds) -> Iterator[str]:
    """What a department's service holds, beside what was asked for, what it told, and the department's books."""
    kept = case.kept(system)
    held = _tasks_at(case, system)
    books: dict[str, list[LedgerRow]] = {}
    for entry in case.books.get(system, ()):
        books.setdefault(entry.task_id, []).append(entry)
    if kept is not None:
        waits = any("decision" not in task for task in held.values())
        if waits and kept.call_due_at is None:
            yield f"open at {system}, and nothing will be asked"
        if waits != (kept.closed_at is None):
            yield f"{'open' if kept.closed_at is None else 'closed'} at {system} against what it holds"
        if not waits and kept.call_due_at is not None:
            yield f"answered at {system}, with a question left"
    for task_id, task in held.items():
        if task_id not in asked and (case.kept("routing") or not forgotten(case, grounds)):
            yield f"{task_id} is held by {system}, and nobody asked for it"
        yield from _told(case, system, task_id, task, grounds)
        if system in case.books:
            yield from _booked(system, task_id, task, books.get(task_id, []), grounds)
    for task_id, entries in books.items():
        if task_id not in held and any(entry.received_at > grounds.kept_since for entry in entries):
            yield f"{task_id} is in the books of {system}, and its service does not know it"
        if task_id not in held and len(entries) > 1:
            yield f"{task_id} is in the books of {system} {len(entries)} times"


def _tasks_at(case: CaseRecord, system: str) -> dict[str, Json]:
    kept = case.kept(system)
    return {task["request"]["task_id"]: task for task in (kept.state.get("tasks", ()) if kept else ())}


def _told(case: CaseRecord, system: str, task_id: str, task: Json, grounds: Grounds) -> Iterator[str]:
    told = [
        message
        for kind in ("task.delivered", "task.done")
        for message in case.ledger(system, kind)
        if message.data["task_id"] == task_id
    ]
    numbers = {message.data["reference"] for message in told}
    known = task.get("decision") or task.get("receipt")
    if len(numbers) > 1:
        yield f"{task_id} has been told under {len(numbers)} numbers"
    if known is None:
        if told:
            yield f"{task_id} has been told, and {system} has no answer to it"
        return
    if not told and moment(known["delivered_at"]) > grounds.kept_since:
        yield f"{task_id} has been taken, and {system} has not told"
    if numbers - {known["reference"]}:
        yield f"{task_id} has been told under another number than {system} holds"
    answers = {_answer(message.data) for message in told if message.kind == "task.done"}
    if answers - {_answer(task.get("decision") or {})}:
        yield f"{task_id} has been told with another answer than {system} holds"


def _booked(system: str, task_id: str, task: Json, entries: list[LedgerRow], grounds: Grounds) -> Iterator[str]:
    known = task.get("decision") or task.get("receipt")
    if len(entries) > 1:
        yield f"{task_id} is in the books of {system} {len(entries)} times"
    if known is None:
        return  # the department's service asks until it knows
    if not entries:
        if moment(known["delivered_at"]) > grounds.kept_since:
            yield f"{task_id} is not in the books of {system}"
        return
    if known["reference"] not in {entry.number for entry in entries}:
        yield f"{task_id} has another number in the books of {system}"
    if "decision" in task and known["outcome"] not in {entry.outcome for entry in entries}:
        yield f"{task_id} has another outcome in the books of {system}"
