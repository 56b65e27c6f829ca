"""Changes of the time of a case by staff: recorded, published until confirmed, or refused."""

import pytest

from contracts.core import Rejected, UnknownCase
from contracts.envelope import Message, TimerFired
from services.intake.app import SERVICE
from services.intake.core.case_time import MAX_TIME_CHANGES
from tests.support.messages import case_extended, case_restarted
from tests.support.scenario import Scenario
from tests.unit.intake.core.cases import CASE, NUMBER, accepted, after, commitments, hold


def test_a_change_is_published_again_until_monitor_has_confirmed_it() -> None:
    scenario = accepted()
    assert scenario.when(hold(), after(1)) == (hold(),)
    assert scenario.when(TimerFired()) == (scenario.case.accepted, hold())
    scenario.given(commitments())
    assert scenario.when(TimerFired())[1:] == (hold(),)
    scenario.given(commitments(change_ids=("s1-begin", "of-another-case")))
    assert scenario.case.confirmed_changes == ("s1-begin",)
    assert scenario.when(TimerFired()) == (scenario.case.accepted,)


def test_a_decided_case_is_not_closed_while_a_change_is_unconfirmed() -> None:
    scenario = accepted(commitments(), hold(), (CASE.decided(after(2)), after(2)))
    assert (scenario.last.closed, scenario.last.retry_after is not None) == (False, True)
    scenario.when(commitments(change_ids=("s1-begin",)), after(3))
    assert scenario.last.closed


def test_the_same_change_twice_is_one() -> None:
    scenario = accepted(hold())
    before = scenario.case
    assert scenario.given(hold()).case is before


@pytest.mark.parametrize(
    ("before", "change", "reason"),
    [
        ((hold(),), hold("s2"), "suspended already"),
        ((), hold(until=3), "no such suspension"),
        ((hold(), hold(until=3)), hold(until=4, change_id="again"), "has ended"),
        ((case_extended(10, after(1)),), case_extended(10, after(1), "e2"), "once only"),
        ((CASE.decided(after(1)),), hold(), "decided"),
        ((CASE.decided(after(1)),), case_restarted(after(2)), "decided"),
    ],
)
def test_an_illegal_change_is_refused_with_its_reason_in_both_languages(
    before: tuple[Message, ...], change: Message, reason: str
) -> None:
    refused = accepted(*before).refuses(change, after(1), reason, Rejected)
    assert isinstance(refused, Rejected) and refused.why_zh


def test_another_suspension_may_begin_after_one_has_ended() -> None:
    assert len(accepted(hold(), hold(until=3), hold("s2")).case.time_changes) == 3


def restarts(count: int) -> list[Message]:
    return [case_restarted(after(number), f"r{number}") for number in range(count)]


def test_the_number_of_changes_is_limited() -> None:
    accepted(*restarts(MAX_TIME_CHANGES)).refuses(case_extended(10, after(1)), after(1), "times already", Rejected)


def test_a_suspension_may_end_beyond_the_limit() -> None:
    scenario = accepted(*restarts(MAX_TIME_CHANGES - 1), hold(), hold(until=3))
    assert len(scenario.case.time_changes) == MAX_TIME_CHANGES + 1


def test_the_time_of_an_unknown_case_does_not_change() -> None:
    Scenario(SERVICE.core, NUMBER).refuses(hold(), error=UnknownCase)
