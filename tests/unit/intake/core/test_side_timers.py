"""Timers beside a case: published until monitor has confirmed them, and whenever it requests them."""

import pytest

from contracts.core import Rejected
from contracts.envelope import Message, TimerFired
from contracts.messages.side_timers import MAX_SIDE_TIMERS, SideTimer, SideTimersReported, SideTimersRequested
from services.intake.core.side_timers import EndTimer, StartTimer
from services.intake.core.state import Case
from tests.support.scenario import Scenario, of_type
from tests.unit.intake.core.cases import CASE, accepted, after, commitments


def start(commitment: str = "delivery", hours: float = 1) -> StartTimer:
    return StartTimer(commitment=commitment, owner="Commerce", started_at=after(hours))


def end(commitment: str = "delivery", hours: float = 3) -> EndTimer:
    return EndTimer(commitment=commitment, ended_at=after(hours))


def report(scenario: Scenario[Case]) -> SideTimersReported:
    """The timers as the last message made the case report them."""
    (found,) = of_type(SideTimersReported, scenario.last.out)
    return found


def answered() -> Scenario[Case]:
    """A decided case that monitor has confirmed: it is closed."""
    scenario = accepted(commitments(), (CASE.decided(after(1)), after(1)))
    assert scenario.last.closed
    return scenario


def test_a_timer_is_published_until_monitor_has_confirmed_it() -> None:
    scenario = answered().given((start(), after(2)))
    first = report(scenario)
    assert [one.commitment for one in first.timers] == ["delivery"]
    assert not scenario.last.closed and scenario.last.retry_after is not None
    assert report(scenario.given(TimerFired())) == first
    confirmed = scenario.given(commitments(change_ids=(first.change_id,))).last
    assert (confirmed.closed, confirmed.retry_after) == (False, None), "the timer runs, and all is confirmed"


def test_the_end_of_a_timer_is_published_and_closes_the_case() -> None:
    scenario = answered().given((start(), after(2)))
    first = report(scenario).change_id
    scenario.given(commitments(change_ids=(first,)), end())
    last = report(scenario)
    assert last.change_id != first
    assert [one.ended_at for one in last.timers] == [after(3)]
    assert not scenario.given(commitments(change_ids=(first,))).last.closed, "the end is not confirmed"
    assert scenario.given(commitments(change_ids=(first, last.change_id))).last.closed


def test_the_timers_are_published_whenever_monitor_requests_them() -> None:
    scenario = accepted(start("complaint/1"))
    before, published = scenario.case, report(scenario)
    scenario.given(SideTimersRequested())
    assert scenario.case is before
    assert report(scenario) == published
    assert report(accepted(SideTimersRequested())).timers == ()


def test_the_same_command_again_changes_nothing() -> None:
    scenario = accepted(start())
    started = scenario.case
    assert scenario.given(start()).case is started
    ended = scenario.given(end()).case
    assert scenario.given(end()).case is ended
    assert scenario.given(start()).case is ended, "an ended timer does not start again"


@pytest.mark.parametrize(
    ("before", "command", "reason"),
    [
        ((start(),), start(hours=2), "from another time"),
        ((), start(hours=-1), "before the case was accepted"),
        ((), end(), "no such timer"),
        ((start(),), end(hours=0.5), "before it starts"),
        ((start(), end()), end(hours=4), "at another time"),
        (tuple(start(f"complaint/{number}") for number in range(MAX_SIDE_TIMERS)), start(), "timers already"),
    ],
)
def test_an_illegal_command_is_refused_with_its_reason_in_both_languages(
    before: tuple[Message, ...], command: Message, reason: str
) -> None:
    refused = accepted(*before).refuses(command, after(2), reason, Rejected)
    assert isinstance(refused, Rejected) and refused.zh


def test_other_commitments_are_no_side_timers() -> None:
    for commitment in ("case", "step/licence", "procedure/1", "nonsense"):
        with pytest.raises(ValueError, match=r"commitment|valid Kind|pattern"):
            SideTimer(commitment=commitment, owner="Commerce", started_at=after(1))
