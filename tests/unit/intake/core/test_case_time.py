"""Changes of the time of a case by staff: recorded, published until confirmed, or refused."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.core import Rejected, UnknownCase
from contracts.envelope import Message, TimerFired
from contracts.messages.cases import CaseExtended, StepState
from contracts.messages.plans import Outcome
from services.intake.app import SERVICE
from services.intake.core.case_time import MAX_TIME_CHANGES
from services.intake.core.state import Case
from tests.support.messages import CaseMessages, case_extended, case_restarted, plan, plan_step
from tests.support.scenario import Scenario
from tests.unit.intake.core.cases import CASE, NUMBER, accept, accepted, after, commitments, hold, step_report


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
    assert isinstance(refused, Rejected) and refused.zh


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


# -- the steps that an extension is for --------------------------------------------------------------------------------


def extended(scenario: Scenario[Case], hours: float, steps: Sequence[str] = ()) -> CaseExtended:
    """The extension as it is published, of which the applicant was notified after so many hours."""
    (published,) = scenario.when(case_extended(10, after(hours), steps=steps), after(hours))
    assert isinstance(published, CaseExtended)
    assert published == scenario.case.extension
    return published


def test_an_extension_is_for_the_steps_that_are_open() -> None:
    assert [(step.step, step.after) for step in CASE.plan.steps] == [
        ("taxes", ()),
        ("title", ()),
        ("registration", ("taxes", "title")),
    ]
    assert extended(accepted(), 1).steps == ("taxes", "title"), "none of them is known to be requested"
    done = accepted((CASE.done("taxes", after(2)), after(2)))
    assert extended(done, 3).steps == ("title",)
    both = accepted((CASE.done("taxes", after(2)), after(2)), (CASE.done("title", after(3)), after(3)))
    assert extended(both, 4).steps == ("registration",)


def test_the_steps_that_were_open_when_the_applicant_was_notified_count() -> None:
    done = accepted((CASE.done("taxes", after(2)), after(2)), (CASE.done("title", after(3)), after(3)))
    published = done.when(case_extended(10, after(2.5)), after(4))
    assert [one.steps for one in published if isinstance(one, CaseExtended)] == [("title",)]


def test_a_step_after_a_refused_one_is_not_open() -> None:
    refused = CASE.done("taxes", after(2), outcome=Outcome.REFUSED)
    assert extended(accepted((refused, after(2))), 3).steps == ("title",)
    dropped = CASE.reported(step_report("registration", StepState.DROPPED, 2))
    assert extended(accepted((refused, after(2)), (dropped, after(2))), 3).steps == ("title",)


def test_a_step_whose_approval_arrived_later_had_not_opened_the_next_one() -> None:
    late = [(CASE.done(step, after(1), arrived_at=after(5)), after(5)) for step in ("taxes", "title")]
    assert extended(accepted(*late), 3).steps == ()
    assert extended(accepted(*late), 6).steps == ("registration",)


def test_an_answer_shows_that_the_steps_before_it_are_over() -> None:
    last = accepted((CASE.done("registration", after(2)), after(2)))
    assert extended(last, 3).steps == (), "only the decision is still on its way"


@given(st.data())
def test_no_way_through_the_plan_is_extended_twice_and_every_open_one_once(data: st.DataObject) -> None:
    """Each step is drawn after some of those before it, and answered or not, as soon as those it waits for are."""
    count = data.draw(st.integers(1, 7))
    steps: dict[str, list[str]] = {}
    for number in range(count):
        before = data.draw(st.lists(st.sampled_from([*steps]), unique=True, max_size=3)) if steps else []
        steps[f"s{number}"] = before
    of = CaseMessages(plan(*(plan_step(name, after=tuple(before)) for name, before in steps.items())), NUMBER, "110105")
    done: list[str] = []
    for name, before in steps.items():
        if set(before) <= set(done) and data.draw(st.booleans()):
            done.append(name)
    received = data.draw(st.lists(st.sampled_from(done), unique=True)) if done else []
    scenario = Scenario(SERVICE.core, NUMBER).given(accept().replace(plan=of.plan))
    scenario.given(*((of.done(name, after(1)), after(1)) for name in received))
    given_days = extended(scenario, 2).steps
    for way in ways(steps):
        known = max((way.index(name) for name in received if name in way), default=-1)
        left = [name for name in way[known + 1 :] if name in given_days]
        assert len([name for name in way if name in given_days]) == len(left) <= 1
    complete = set(received) == set(done)
    if complete:
        assert set(given_days) == {name for name in steps if name not in done and set(steps[name]) <= set(done)}


def ways(steps: dict[str, list[str]]) -> list[list[str]]:
    """Every way through the plan, from a step without prerequisites to each step."""
    found: dict[str, list[list[str]]] = {}
    for name, before in steps.items():
        found[name] = [[*way, name] for one in before for way in found[one]] or [[name]]
    return [way for own in found.values() for way in own]


def test_an_extension_may_name_a_step_that_begins_later() -> None:
    assert extended(accepted(), 1, ["registration"]).steps == ("registration",)


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        (["nosuch"], "has no step nosuch"),
        (["taxes"], "had ended when the applicant was notified"),
        (["title", "registration"], "step registration comes after step title"),
        (["registration", "title"], "step registration comes after step title"),
    ],
)
def test_an_extension_for_another_step_is_refused(steps: list[str], reason: str) -> None:
    scenario = accepted((CASE.done("taxes", after(2)), after(2)))
    refused = scenario.refuses(case_extended(10, after(3), steps=steps), after(3), reason, Rejected)
    assert isinstance(refused, Rejected) and refused.zh
