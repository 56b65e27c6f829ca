"""The promises of the port `Adapter`, checked against a real system of the adapter's kind.

`CHECKS` are coroutine functions that take a `Site` and raise `Nonconforming`. The tests of an adapter implement a site
and run them all.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol, TypeVar

from contracts.messages.cases import Applicant
from contracts.messages.plans import Limit, Limits, Outcome
from contracts.messages.tasks import Document, TaskRequested
from services.departments.sandbox.behaviour import Behaviour, Mistake
from services.departments.sandbox.ledger import LedgerEntry
from services.departments.sdk.adapter import Adapter
from services.departments.sdk.core.messages import Answer, Decision, Notified, Posted, Procedure, Receipt
from services.runtime.external_system import (
    KEPT_BYTES,
    InvalidNotification,
    Notification,
    ParkedFailure,
    UnparseableReply,
)

START = datetime(2026, 3, 2, 2, tzinfo=UTC)
"""A Monday, ten in the morning in China."""

LATER = START + timedelta(days=365)
"""A moment at which every case is decided."""

A = TypeVar("A", bound=Receipt | Decision)

TIMEOUT_S = 20.0
POLL_S = 0.02


class Nonconforming(AssertionError):
    """The adapter breaks a promise of the port."""


class Site(Protocol):
    """An adapter and its department's system, which the suite sets, stops and starts."""

    adapter: Adapter

    async def set_behaviour(self, behaviour: Behaviour) -> None:
        """Change the behaviour of the system. Its ledger stays."""

    async def stop(self) -> None:
        """Make the system unreachable at once."""

    async def start(self) -> None:
        """Make the system reachable again."""

    def set_clock(self, at: datetime) -> None:
        """Set the clock of the system and the adapter."""

    async def ledger(self) -> Mapping[str, LedgerEntry]:
        """The department's own ledger, by task id."""


_APPLICANTS = (
    Applicant(kind="person", name="Zoë O'Brien", id_kind="414", id_number="E1234567"),
    Applicant(kind="person", name="张 三", id_number="11010519491231002X"),
    Applicant(kind="organisation", name="Müller & Söhne GmbH", id_kind="099"),
)
"""With a passport, with a citizen card, and without a number."""


def task(number: int, *, applicant: bool = True, item: str = "item-7") -> TaskRequested:
    """A sample task; the same number is the same task."""
    return TaskRequested(
        task_id=f"{number:04d}-AAAA-BBBB-C/licence",
        step="licence",
        item=item,
        item_name="营业执照 “设立” 登记",
        department="Department",
        system="system",
        region="445122",
        applicant=_APPLICANTS[number % len(_APPLICANTS)] if applicant else None,
        materials=("身份证",),
        documents=(Document(step="title", number="证〔2026〕1号"),),
        limits=Limits(committed=Limit(working_days=5), statutory=Limit(working_days=20)),
        requested_at=START,
    )


def content_of(one: Notification | InvalidNotification) -> Receipt | Procedure | Decision | None:
    """The content of a valid notification; None for an invalid one."""
    return one.message.content if isinstance(one, Notification) and isinstance(one.message, Notified) else None


async def submitted_twice_has_one_number(site: Site) -> None:
    one = task(1)
    first, second = await _reference(site, one), await _reference(site, one)
    _must(first == second, "the same task has two numbers")
    _must((await site.ledger())[one.task_id].number == first, "the number is not the one in the department's ledger")


async def number_is_kept_when_the_first_answer_is_lost(site: Site) -> None:
    await site.set_behaviour(Behaviour(mistake_share=1, mistakes=(Mistake.NO_ANSWER,)))
    one = task(1)
    (first,) = await _submit(site, [one])
    _must(not isinstance(first, Receipt | Decision), "an answer that was never sent was accepted")
    await _until(lambda: _is_in_ledger(site, one), "the department has not received the task")
    number = (await site.ledger())[one.task_id].number
    _must(await _reference(site, one) == number, "a repeated submission has another number")


async def decision_is_reported_until_acknowledged(site: Site) -> None:
    one, other = task(1), task(2, applicant=False)
    taken = {each.task_id: await _reference(site, each) for each in (one, other)}
    site.set_clock(LATER)
    await _decisions(site, [one, other])
    again = await _decisions(site, [one, other])  # nothing has been acknowledged
    decided = {task_id: decision for task_id, one in again.items() if isinstance(decision := content_of(one), Decision)}
    numbers = {task_id: decision.reference for task_id, decision in decided.items()}
    _must(numbers == taken, "a decision under another number")
    for decision in decided.values():
        in_order = decision.delivered_at <= decision.decided_at <= LATER
        _must(in_order, "decided before it was received, or in the future")
    _must(all(one.case_id == task_id[:16] for task_id, one in again.items()), "a decision for another case")
    await site.adapter.acknowledge([again[one.task_id].ack_token])
    left = await _decisions(site, [other])
    _must(one.task_id not in left, "an acknowledged notification is reported again")
    await _acknowledge_all(site)
    _must(not await site.adapter.poll(10), "an acknowledged notification is reported again")


async def decision_at_once_is_in_the_answer(site: Site) -> None:
    await site.set_behaviour(Behaviour(at_once=True))
    (answer,) = await _submit(site, [task(1)])
    _must(isinstance(answer, Decision), f"a decision was expected at once, not {answer!r}")


async def repeated_submission_has_the_present_state(site: Site) -> None:
    await site.set_behaviour(Behaviour(mistake_share=1, mistakes=(Mistake.LOST,)))
    one = task(1)
    await _reference(site, one)
    site.set_clock(LATER)
    decided = await _decided(site, one)
    _must(decided.reference == (await site.ledger())[one.task_id].number, "a decision under another number")


async def decision_reported_twice_is_the_same(site: Site) -> None:
    await site.set_behaviour(Behaviour(mistake_share=1, mistakes=(Mistake.REPEATED,)))
    one = task(1)
    await _reference(site, one)
    site.set_clock(LATER)
    decisions: list[Decision] = []

    async def twice() -> bool:
        polled = await site.adapter.poll(10)
        decisions[:] = [decision for one in polled if isinstance(decision := content_of(one), Decision)]
        return len(decisions) > 1

    await _until(twice, "a decision reported twice was not received twice")
    _must(len(set(decisions)) == 1, "the two reports of a decision differ")


async def impossible_time_is_passed_on(site: Site) -> None:
    await site.set_behaviour(Behaviour(mistake_share=1, mistakes=(Mistake.WRONG_CLOCK,)))
    one = task(1)
    await _reference(site, one)
    site.set_clock(LATER)
    decided = await _decided(site, one)
    years_ago = START - timedelta(days=365)
    _must(decided.decided_at < years_ago, "a time that cannot be true was replaced: the service has to know of it")


async def contradicting_decisions_are_both_reported(site: Site) -> None:
    await site.set_behaviour(Behaviour(mistake_share=1, mistakes=(Mistake.CONTRADICTED,)))
    one = task(1)
    await _reference(site, one)
    site.set_clock(LATER)

    async def both_reported() -> bool:
        return len(await _outcomes(site)) == 2

    await _until(both_reported, "of two contradicting decisions one was not reported")
    decided = await _decided(site, one)  # must not take the other one away
    _must({decided.outcome} | await _outcomes(site) == set(Outcome), "of two contradicting decisions one was lost")


async def padded_number_is_the_same_number(site: Site) -> None:
    await site.set_behaviour(Behaviour(mistake_share=1, mistakes=(Mistake.PADDED_NUMBER,)))
    one = task(1)
    received = await _reference(site, one)
    site.set_clock(LATER)
    (decided,) = map(content_of, (await _decisions(site, [one])).values())
    _must(isinstance(decided, Decision) and decided.reference == received, "a number and the same one padded are two")
    _must((await site.ledger())[one.task_id].number == received, "the number is not the one in the department's ledger")


async def invalid_receipt_is_kept_and_requested_again(site: Site) -> None:
    await _invalid_receipt(site, Mistake.GARBLED_RECEIPT)


async def blank_number_is_no_receipt(site: Site) -> None:
    await _invalid_receipt(site, Mistake.BLANK_NUMBER)


async def _invalid_receipt(site: Site, mistake: Mistake) -> None:
    await site.set_behaviour(Behaviour(mistake_share=1, mistakes=(mistake,)))
    one = task(1)
    (answer,) = await _submit(site, [one])
    if isinstance(answer, UnparseableReply):
        _must(bool(answer.raw), "an invalid answer was not kept")
    else:
        _must(isinstance(answer, Posted), f"an invalid answer was accepted as {answer!r}")
        await _invalid_notification(site)
    _must(await _reference(site, one) == (await site.ledger())[one.task_id].number, "another number")


async def invalid_decision_is_kept_and_requested_again(site: Site) -> None:
    await site.set_behaviour(Behaviour(mistake_share=1, mistakes=(Mistake.GARBLED_DECISION,)))
    one = task(1)
    await _reference(site, one)
    site.set_clock(LATER)
    await _invalid_notification(site)
    await _decided(site, one)


async def invalid_decision_does_not_hold_others_back(site: Site) -> None:
    await site.set_behaviour(Behaviour(mistake_share=0.5, mistakes=(Mistake.GARBLED_DECISION,)))
    tasks = [task(number) for number in range(20)]
    await _submit(site, tasks)
    for one in tasks:
        await _reference(site, one)
    site.set_clock(LATER)
    ledger = await site.ledger()
    good = [one for one in tasks if ledger[one.task_id].mistake is None]
    _must(0 < len(good) < len(tasks), "the system does not make the mistake in half of the cases")
    await _decisions(site, good)
    await _acknowledge_all(site)
    _must(not await site.adapter.poll(10), "an acknowledged notification is reported again")


async def oversized_decision_is_kept_in_part(site: Site) -> None:
    await site.set_behaviour(Behaviour(mistake_share=0.5, mistakes=(Mistake.OVERSIZED_DECISION,)))
    tasks = [task(number) for number in range(10)]
    for one in tasks:
        await _reference(site, one)
    site.set_clock(LATER)
    ledger = await site.ledger()
    good = [one for one in tasks if ledger[one.task_id].mistake is None]
    bad = [one for one in tasks if one not in good]
    _must(bool(good and bad), "the system does not make the mistake in some of the cases")
    await _decisions(site, good)
    fault = await _invalid_notification(site)
    _must(len(fault.error.raw) <= KEPT_BYTES, f"{len(fault.error.raw)} bytes of an answer are kept")
    await _decided(site, bad[0])


async def poll_gives_no_more_than_its_limit(site: Site) -> None:
    await site.set_behaviour(Behaviour(mistake_share=1, mistakes=(Mistake.REPEATED,)))
    tasks = [task(number) for number in range(5)]
    for one in tasks:
        await _reference(site, one)
    site.set_clock(LATER)
    decided: set[str | None] = set()

    async def all_reported() -> bool:
        polled = await site.adapter.poll(1)
        _must(len(polled) <= 1, f"a poll for one notification gave {len(polled)}")
        decided.update(one.case_id for one in polled if isinstance(content_of(one), Decision))
        await site.adapter.acknowledge([one.ack_token for one in polled])
        return len(decided) == len(tasks)

    await _until(all_reported, "decisions beyond the limit of a poll were not reported by the next")


async def rejected_task_does_not_hold_others_back(site: Site) -> None:
    await site.set_behaviour(Behaviour(rejected_items=("rejected",)))
    good, bad = [task(number) for number in range(1, 20)], task(0, item="rejected")
    before, rejected, *after = await _submit(site, [good[0], bad, *good[1:]])
    _must(not isinstance(rejected, Receipt | Decision), f"a rejected task was answered with {rejected!r}")
    if isinstance(rejected, Exception):
        _must(isinstance(rejected, ParkedFailure) and bool(rejected.raw), "a rejected task is shown to no person")
    held_back = [answer for answer in (before, *after) if isinstance(answer, Exception)]
    _must(not held_back, f"{len(held_back)} tasks are held back by a rejected one")
    for one in good:
        await _reference(site, one)
    await site.set_behaviour(Behaviour())
    number = await _reference(site, bad)
    _must(number == (await site.ledger())[bad.task_id].number, "a number that is not in the department's ledger")


async def unreachable_system_is_an_error(site: Site) -> None:
    known, new = task(1), task(2)
    number = await _reference(site, known)
    await site.stop()
    answers = await _submit(site, [new])
    _must(isinstance(answers[0], Exception), f"the system is unreachable, and yet the answer is {answers[0]!r}")
    _must(not isinstance(answers[0], UnparseableReply), "no answer was taken for an invalid answer")
    await site.start()
    _must(await _reference(site, known) == number, "a number was lost")
    await _reference(site, new)


async def hundred_concurrent_tasks_have_numbers_of_their_own(site: Site) -> None:
    tasks = [task(number) for number in range(100)]
    answers = await _submit(site, tasks)
    left = [one for one, answer in zip(tasks, answers, strict=True) if not isinstance(answer, Receipt)]
    for one in left:
        await _reference(site, one)
    ledger = await site.ledger()
    _must(len({ledger[one.task_id].number for one in tasks}) == 100, "tasks share a number")
    site.set_clock(LATER)
    await _decisions(site, tasks)


CHECKS: tuple[Callable[[Site], Awaitable[None]], ...] = (
    submitted_twice_has_one_number,
    number_is_kept_when_the_first_answer_is_lost,
    decision_is_reported_until_acknowledged,
    decision_at_once_is_in_the_answer,
    repeated_submission_has_the_present_state,
    decision_reported_twice_is_the_same,
    impossible_time_is_passed_on,
    contradicting_decisions_are_both_reported,
    padded_number_is_the_same_number,
    invalid_receipt_is_kept_and_requested_again,
    blank_number_is_no_receipt,
    invalid_decision_is_kept_and_requested_again,
    invalid_decision_does_not_hold_others_back,
    oversized_decision_is_kept_in_part,
    poll_gives_no_more_than_its_limit,
    rejected_task_does_not_hold_others_back,
    unreachable_system_is_an_error,
    hundred_concurrent_tasks_have_numbers_of_their_own,
)
"""All checks."""


async def _submit(site: Site, tasks: Sequence[TaskRequested]) -> Sequence[Answer | Exception]:
    """Submit in batches of the adapter's size. A batch that fails as a whole fails for each task."""
    batches = [
        tasks[first : first + site.adapter.batch_size] for first in range(0, len(tasks), site.adapter.batch_size)
    ]
    results = await asyncio.gather(*(site.adapter.submit(batch) for batch in batches), return_exceptions=True)
    answers: list[Answer | Exception] = []
    for batch, result in zip(batches, results, strict=True):
        if isinstance(result, Exception):
            answers += [result] * len(batch)
        elif isinstance(result, BaseException):
            raise result
        else:
            _must(len(result) == len(batch), "the number of answers is not that of tasks")
            answers += result
    return answers


async def _reference(site: Site, one: TaskRequested) -> str:
    """Submit until there is a number."""
    return (await _answered(site, one, (Receipt, Decision), "repeated submissions gave no number")).reference


async def _decided(site: Site, one: TaskRequested) -> Decision:
    """Submit until there is a decision."""
    return await _answered(site, one, (Decision,), "repeated submissions gave no decision")


async def _answered(site: Site, one: TaskRequested, kinds: tuple[type[A], ...], otherwise: str) -> A:
    """Submit until the answer is of one of these kinds."""
    answers: list[A] = []

    async def answered() -> bool:
        (answer,) = await _submit(site, [one])
        if isinstance(answer, kinds):
            answers.append(answer)
        return bool(answers)

    await _until(answered, otherwise)
    return answers[0]


async def _decisions(site: Site, tasks: Sequence[TaskRequested]) -> Mapping[str, Notification]:
    """Poll until these tasks are decided. Returns all decisions of the last poll, by task id."""
    wanted = {one.task_id for one in tasks}
    found: dict[str, Notification] = {}

    async def all_reported() -> bool:
        found.clear()
        for one in await site.adapter.poll(10 * len(tasks) + 10):
            match one:
                case Notification(message=Notified(task_id=task_id, content=Decision())):
                    found[task_id] = one
        return wanted <= found.keys()

    await _until(all_reported, "a decision was not reported")
    return found


async def _outcomes(site: Site) -> set[Outcome]:
    """The outcomes in all decisions that are reported now."""
    polled = map(content_of, await site.adapter.poll(10))
    return {content.outcome for content in polled if isinstance(content, Decision)}


async def _invalid_notification(site: Site) -> InvalidNotification:
    """Poll until there is an invalid notification. It is kept raw, and gone once it is acknowledged."""
    faults: list[InvalidNotification] = []

    async def some() -> bool:
        faults.extend(one for one in await site.adapter.poll(10) if isinstance(one, InvalidNotification))
        return bool(faults)

    await _until(some, "an invalid notification was not noticed")
    _must(bool(faults[0].error.raw), "an invalid answer was not kept")
    await site.adapter.acknowledge([faults[0].ack_token])
    again = [one.ack_token for one in await site.adapter.poll(10) if isinstance(one, InvalidNotification)]
    _must(faults[0].ack_token not in again, "an acknowledged invalid notification is reported again")
    return faults[0]


async def _acknowledge_all(site: Site) -> None:
    await site.adapter.acknowledge([one.ack_token for one in await site.adapter.poll(100)])


async def _is_in_ledger(site: Site, one: TaskRequested) -> bool:
    return one.task_id in await site.ledger()


async def _until(condition: Callable[[], Awaitable[bool]], otherwise: str) -> None:
    try:
        async with asyncio.timeout(TIMEOUT_S):
            while not await condition():  # noqa: ASYNC110  # a department gives no signal
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        raise Nonconforming(otherwise) from None


def _must(kept: bool, otherwise: str) -> None:
    if not kept:
        raise Nonconforming(otherwise)
