"""The conformance suite catches an adapter that breaks a promise on purpose."""

from collections.abc import Awaitable, Callable, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from contracts.messages.tasks import TaskRequested
from services.departments.conformance import suite
from services.departments.conformance.suite import START, Nonconforming, Site
from services.departments.sdk.adapter import Adapter
from services.departments.sdk.core.messages import Answer, Decision, Receipt
from services.runtime.external_system import (
    KEPT_BYTES,
    InvalidNotification,
    Notification,
    ParkedFailure,
    UnparseableReply,
)
from tests.support.adapter_sites import BaseSite, CommerceSite, LandSite, TaxSite


class BrokenAdapter:
    """An adapter in front of a good one. As it is, it keeps all promises."""

    def __init__(self, good: Adapter) -> None:
        self.good = good
        self.batch_size = good.batch_size
        self.open, self.close = good.open, good.close
        self.acknowledge = good.acknowledge

    async def submit(self, tasks: Sequence[TaskRequested]) -> Sequence[Answer | Exception]:
        return [self.answer(answer) for answer in await self.good.submit(tasks)]

    async def poll(self, limit: int) -> Sequence[Notification | InvalidNotification]:
        return await self.good.poll(limit)

    def answer(self, answer: Answer | Exception) -> Answer | Exception:
        return answer


class HoldsTheLotBack(BrokenAdapter):
    """It fails for a whole lot with a rejected task in it."""

    def answer(self, answer: Answer | Exception) -> Answer | Exception:
        if isinstance(answer, ParkedFailure):
            raise answer
        return answer


class HidesTheRejection(BrokenAdapter):
    """It answers as if the department were away."""

    def answer(self, answer: Answer | Exception) -> Answer | Exception:
        return TimeoutError() if isinstance(answer, ParkedFailure) else answer


class LosesTheContradiction(BrokenAdapter):
    """It acknowledges all that is reported when it has an answer."""

    async def submit(self, tasks: Sequence[TaskRequested]) -> Sequence[Answer | Exception]:
        answers = await super().submit(tasks)
        await self.acknowledge([one.ack_token for one in await self.good.poll(100)])
        return answers


class KeepsThePadding(BrokenAdapter):
    """It takes the number of a receipt as it is written."""

    def answer(self, answer: Answer | Exception) -> Answer | Exception:
        if isinstance(answer, Receipt):
            return answer.model_copy(update={"reference": f"{answer.reference}  "})
        return answer


class TakesABlankNumber(BrokenAdapter):
    """It takes white space for a number."""

    def answer(self, answer: Answer | Exception) -> Answer | Exception:
        if isinstance(answer, UnparseableReply):
            return Receipt.model_construct(reference=" ", delivered_at=START)
        return answer


class WaitsForTheInvalid(BrokenAdapter):
    """It reports nothing while one notification is invalid."""

    async def poll(self, limit: int) -> Sequence[Notification | InvalidNotification]:
        polled = await super().poll(limit)
        return [] if any(isinstance(one, InvalidNotification) for one in polled) else polled


class ForgetsTheOtherDecision(BrokenAdapter):
    """It reports one decision for each task."""

    async def poll(self, limit: int) -> Sequence[Notification | InvalidNotification]:
        first: dict[Any, Notification | InvalidNotification] = {}
        for one in await super().poll(limit):
            decided = isinstance(suite.content_of(one), Decision)
            first.setdefault(one.case_id if decided else id(one), one)
        return list(first.values())


class KeepsItWhole(BrokenAdapter):
    """It keeps an answer of any length."""

    async def poll(self, limit: int) -> Sequence[Notification | InvalidNotification]:
        polled = await super().poll(limit)
        for one in polled:
            if isinstance(one, InvalidNotification):
                one.error.raw += bytes(KEPT_BYTES)
        return polled


class StopsAtTheInvalid(BrokenAdapter):
    """It reports nothing that comes after an invalid notification."""

    async def poll(self, limit: int) -> Sequence[Notification | InvalidNotification]:
        return list(takewhile(lambda one: isinstance(one, Notification), await super().poll(limit)))


class IgnoresItsLimit(BrokenAdapter):
    """It reports all there is."""

    async def poll(self, limit: int) -> Sequence[Notification | InvalidNotification]:
        return await super().poll(1000)


class ForgetsBeyondItsLimit(BrokenAdapter):
    """It acknowledges all there is, and reports the first."""

    async def poll(self, limit: int) -> Sequence[Notification | InvalidNotification]:
        polled = await super().poll(1000)
        await self.acknowledge([one.ack_token for one in polled])
        return polled[:limit]


class CorrectsTheTime(BrokenAdapter):
    """It replaces a time that cannot be true by one that can."""

    def answer(self, answer: Answer | Exception) -> Answer | Exception:
        if isinstance(answer, Decision):
            return answer.model_copy(update={"decided_at": max(answer.decided_at, START)})
        return answer


Check = Callable[[Site], Awaitable[None]]

BROKEN: list[tuple[type[BaseSite], type[BrokenAdapter], Check, str]] = [
    (CommerceSite, HoldsTheLotBack, suite.rejected_task_does_not_hold_others_back, "19 tasks are held back"),
    (TaxSite, HidesTheRejection, suite.rejected_task_does_not_hold_others_back, "shown to no person"),
    (CommerceSite, LosesTheContradiction, suite.contradicting_decisions_are_both_reported, "was lost"),
    (TaxSite, ForgetsTheOtherDecision, suite.contradicting_decisions_are_both_reported, "was not reported"),
    (TaxSite, KeepsThePadding, suite.padded_number_is_the_same_number, "the same one padded"),
    (TaxSite, TakesABlankNumber, suite.blank_number_is_no_receipt, "was accepted"),
    (LandSite, KeepsItWhole, suite.oversized_decision_is_kept_in_part, "bytes of an answer are kept"),
    (LandSite, StopsAtTheInvalid, suite.oversized_decision_is_kept_in_part, "was not reported"),
    (LandSite, IgnoresItsLimit, suite.poll_gives_no_more_than_its_limit, "a poll for one notification gave"),
    (LandSite, ForgetsBeyondItsLimit, suite.poll_gives_no_more_than_its_limit, "were not reported by the next"),
    (TaxSite, CorrectsTheTime, suite.impossible_time_is_passed_on, "was replaced"),
    (TaxSite, WaitsForTheInvalid, suite.invalid_decision_does_not_hold_others_back, "was not reported"),
]


@pytest.mark.parametrize(("kind", "broken", "check", "fault"), BROKEN, ids=[one[1].__name__ for one in BROKEN])
async def test_the_suite_catches_it(
    kind: type[BaseSite],
    broken: type[BrokenAdapter],
    check: Check,
    fault: str,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(suite, "TIMEOUT_S", 3.0)
    async with kind(database_url, tmp_path) as site:
        site.adapter = broken(site.adapter)
        with pytest.raises(Nonconforming, match=fault):
            await check(site)
