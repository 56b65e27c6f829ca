"""What every adapter must do, checked against a real system of its kind.

`CHECKS` are coroutines that take a `Site` and raise `Nonconforming`. Whoever writes an adapter writes a site
for it and runs them all.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

from contracts.messages.cases import Applicant
from contracts.messages.plans import Limit, Limits
from contracts.messages.tasks import Document, TaskRequested
from services.departments.sandbox.behaviour import Behaviour, Mistake
from services.departments.sandbox.ledger import LedgerEntry
from services.departments.sdk.adapter import Adapter
from services.departments.sdk.core.messages import Answer, Decision, DecisionNotified, Posted, Receipt
from services.runtime.external_system import InvalidNotification, Notification, UnparseableReply

START = datetime(2026, 3, 2, 2, tzinfo=UTC)
"""A Monday, ten in the morning in China."""

LATER = START + timedelta(days=365)
"""When every ordinary office has decided."""

PATIENCE_S = 20.0
LOOK_S = 0.02


class Nonconforming(AssertionError):
    """The adapter does not keep a promise of the port."""


class Site(Protocol):
    """An adapter and the system it speaks to, which the suite may set, stop and start."""

    adapter: Adapter

    async def work(self, manner: Behaviour) -> None:
        """Have the system work in this manner from now on. It keeps its books."""

    async def go_away(self) -> None:
        """Make the system unreachable, without warning."""

    async def come_back(self) -> None: ...

    def set_clock(self, at: datetime) -> None: ...

    async def books(self) -> Mapping[str, LedgerEntry]:
        """What the department has in its own books, by task id."""


def task(number: int, *, applicant: bool = True) -> TaskRequested:
    """A task to try with; the same number is the same task."""
    return TaskRequested(
        task_id=f"{number:04d}-AAAA-BBBB-C/licence",
        step="licence",
        item="item-7",
        item_name="营业执照 “设立” 登记",
        department="Department",
        system="system",
        region="445122",
        applicant=Applicant(kind="person", name="张 三", id_number="11010519491231002X") if applicant else None,
        materials=("身份证",),
        documents=(Document(step="title", number="证〔2026〕1号"),),
        limits=Limits(committed=Limit(working_days=5), statutory=Limit(working_days=20)),
        requested_at=START,
    )


async def submitted_twice_has_one_number(site: Site) -> None:
    one = task(1)
    first, second = await _reference(site, one), await _reference(site, one)
    _must(first == second, "the same task has two numbers")
    _must((await site.books())[one.task_id].number == first, "the number is not the one in the department's books")


async def number_is_kept_when_the_first_answer_is_lost(site: Site) -> None:
    await site.work(Behaviour(mistake_share=1, mistakes=(Mistake.SILENT,)))
    one = task(1)
    (first,) = await _submit(site, [one])
    _must(not isinstance(first, Receipt | Decision), "an answer that never came was understood")
    await _until(lambda: _has_books(site, one), "the department has not taken the task")
    number = (await site.books())[one.task_id].number
    _must(await _reference(site, one) == number, "asked again, the department gave another number")


async def decision_is_heard_until_acknowledged(site: Site) -> None:
    one, other = task(1), task(2, applicant=False)
    taken = {each.task_id: await _reference(site, each) for each in (one, other)}
    site.set_clock(LATER)
    await _decisions(site, [one, other])
    again = await _decisions(site, [one, other])  # nothing has been acknowledged
    decided = {
        task_id: heard.message.decision
        for task_id, heard in again.items()
        if isinstance(heard.message, DecisionNotified)
    }
    _must({task_id: said.reference for task_id, said in decided.items()} == taken, "a decision under another number")
    for said in decided.values():
        _must(said.delivered_at <= said.decided_at <= LATER, "decided before it was taken, or in the future")
    _must(all(heard.case_id == task_id[:16] for task_id, heard in again.items()), "a decision for another case")
    await site.adapter.acknowledge([again[one.task_id].receipt])
    left = await _decisions(site, [other])
    _must(one.task_id not in left, "what was acknowledged is heard again")
    await _acknowledge_all(site)
    _must(not await site.adapter.poll(10), "what was acknowledged is heard again")


async def decision_at_once_needs_no_listening(site: Site) -> None:
    await site.work(Behaviour(at_once=True))
    (answer,) = await _submit(site, [task(1)])
    _must(isinstance(answer, Decision), f"a decision was to be had at once, not {answer!r}")


async def present_truth_is_told_to_who_asks_again(site: Site) -> None:
    await site.work(Behaviour(mistake_share=1, mistakes=(Mistake.LOST,)))
    one = task(1)
    await _reference(site, one)
    site.set_clock(LATER)
    decided = await _decided(site, one)
    _must(decided.reference == (await site.books())[one.task_id].number, "a decision under another number")


async def decision_said_twice_is_the_same(site: Site) -> None:
    await site.work(Behaviour(mistake_share=1, mistakes=(Mistake.REPEATED,)))
    one = task(1)
    await _reference(site, one)
    site.set_clock(LATER)
    said: list[Decision] = []

    async def twice() -> bool:
        said[:] = [
            one.message.decision
            for one in await site.adapter.poll(10)
            if isinstance(one, Notification) and isinstance(one.message, DecisionNotified)
        ]
        return len(said) > 1

    await _until(twice, "a decision said twice was not heard twice")
    _must(len(set(said)) == 1, "a decision said twice is not the same twice")


async def nonsense_for_a_receipt_is_kept_and_asked_again(site: Site) -> None:
    await site.work(Behaviour(mistake_share=1, mistakes=(Mistake.GARBLED_RECEIPT,)))
    one = task(1)
    (answer,) = await _submit(site, [one])
    if isinstance(answer, UnparseableReply):
        _must(bool(answer.raw), "nonsense was not kept")
    else:
        _must(isinstance(answer, Posted), f"nonsense was understood as {answer!r}")
        await _misheard(site)
    _must(await _reference(site, one) == (await site.books())[one.task_id].number, "another number")


async def nonsense_for_a_decision_is_kept_and_asked_again(site: Site) -> None:
    await site.work(Behaviour(mistake_share=1, mistakes=(Mistake.GARBLED_DECISION,)))
    one = task(1)
    await _reference(site, one)
    site.set_clock(LATER)
    await _misheard(site)
    await _decided(site, one)


async def system_away_is_an_error_and_later_fine(site: Site) -> None:
    known, new = task(1), task(2)
    number = await _reference(site, known)
    await site.go_away()
    answers = await _submit(site, [new])
    _must(isinstance(answers[0], Exception), f"the system is away, and yet it answered {answers[0]!r}")
    _must(not isinstance(answers[0], UnparseableReply), "no answer is not an answer that cannot be understood")
    await site.come_back()
    _must(await _reference(site, known) == number, "a number was forgotten")
    await _reference(site, new)


async def hundred_at_once_have_a_number_each(site: Site) -> None:
    tasks = [task(number) for number in range(100)]
    answers = await _submit(site, tasks)
    left = [one for one, answer in zip(tasks, answers, strict=True) if not isinstance(answer, Receipt)]
    for one in left:
        await _reference(site, one)
    books = await site.books()
    _must(len({books[one.task_id].number for one in tasks}) == 100, "tasks share a number")
    site.set_clock(LATER)
    await _decisions(site, tasks)


CHECKS: tuple[Callable[[Site], Awaitable[None]], ...] = (
    submitted_twice_has_one_number,
    number_is_kept_when_the_first_answer_is_lost,
    decision_is_heard_until_acknowledged,
    decision_at_once_needs_no_listening,
    present_truth_is_told_to_who_asks_again,
    decision_said_twice_is_the_same,
    nonsense_for_a_receipt_is_kept_and_asked_again,
    nonsense_for_a_decision_is_kept_and_asked_again,
    system_away_is_an_error_and_later_fine,
    hundred_at_once_have_a_number_each,
)
"""All promises."""


async def _submit(site: Site, tasks: Sequence[TaskRequested]) -> Sequence[Answer | Exception]:
    """Submit in lots as large as the adapter takes; a lot that fails as a whole failed for each."""
    lots = [tasks[first : first + site.adapter.batch_size] for first in range(0, len(tasks), site.adapter.batch_size)]
    results = await asyncio.gather(*(site.adapter.submit(lot) for lot in lots), return_exceptions=True)
    answers: list[Answer | Exception] = []
    for lot, result in zip(lots, results, strict=True):
        if isinstance(result, Exception):
            answers += [result] * len(lot)
        elif isinstance(result, BaseException):
            raise result
        else:
            _must(len(result) == len(lot), "there are not as many answers as tasks")
            answers += result
    return answers


async def _reference(site: Site, one: TaskRequested) -> str:
    """Ask until there is a number."""
    answers: list[Receipt | Decision] = []

    async def answered() -> bool:
        (answer,) = await _submit(site, [one])
        if isinstance(answer, Receipt | Decision):
            answers.append(answer)
        return bool(answers)

    await _until(answered, "asked again and again, the department gave no number")
    return answers[0].reference


async def _decided(site: Site, one: TaskRequested) -> Decision:
    """Ask until there is a decision."""
    answers: list[Decision] = []

    async def answered() -> bool:
        (answer,) = await _submit(site, [one])
        if isinstance(answer, Decision):
            answers.append(answer)
        return bool(answers)

    await _until(answered, "asked again and again, the department did not tell its decision")
    return answers[0]


async def _decisions(site: Site, tasks: Sequence[TaskRequested]) -> Mapping[str, Notification]:
    """Listen until the decisions on these tasks are heard; everything decided that was heard with them."""
    wanted = {one.task_id for one in tasks}
    heard: dict[str, Notification] = {}

    async def all_heard() -> bool:
        heard.clear()
        for one in await site.adapter.poll(10 * len(tasks) + 10):
            if isinstance(one, Notification) and isinstance(one.message, DecisionNotified):
                heard[one.message.task_id] = one
        return wanted <= heard.keys()

    await _until(all_heard, "a decision was not heard")
    return heard


async def _misheard(site: Site) -> None:
    """Listen until something is not understood; it is kept raw, and once acknowledged not heard again."""
    faults: list[InvalidNotification] = []

    async def some() -> bool:
        faults.extend(one for one in await site.adapter.poll(10) if isinstance(one, InvalidNotification))
        return bool(faults)

    await _until(some, "nonsense was not noticed")
    _must(bool(faults[0].error.raw), "nonsense was not kept")
    await site.adapter.acknowledge([faults[0].receipt])
    again = [one for one in await site.adapter.poll(10) if isinstance(one, InvalidNotification)]
    _must(not again, "nonsense that was acknowledged is heard again")


async def _acknowledge_all(site: Site) -> None:
    await site.adapter.acknowledge([one.receipt for one in await site.adapter.poll(100)])


async def _has_books(site: Site, one: TaskRequested) -> bool:
    return one.task_id in await site.books()


async def _until(condition: Callable[[], Awaitable[bool]], otherwise: str) -> None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not await condition():  # noqa: ASYNC110  # a department gives no signal
                await asyncio.sleep(LOOK_S)
    except TimeoutError:
        raise Nonconforming(otherwise) from None


def _must(kept: bool, otherwise: str) -> None:
    if not kept:
        raise Nonconforming(otherwise)
