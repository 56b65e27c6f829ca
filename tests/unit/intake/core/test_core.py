"""The life of a case in intake, by example."""

from datetime import timedelta

from contracts.core import UnknownCase
from contracts.envelope import TimerFired
from contracts.messages.cases import CaseAccepted, CaseStateRequested, StepState
from contracts.messages.plans import Outcome
from contracts.working_time import CountingMethod
from contracts.working_time.almanac import almanac
from services.intake.app import SERVICE
from services.intake.core import lifecycle
from services.intake.core.lifecycle import CaseState, KeyReused
from services.intake.documents import core_for
from tests.support.messages import MONDAY, at
from tests.support.scenario import Scenario
from tests.unit.intake.core.cases import ALL_DONE, CASE, NUMBER, accept, accepted, after, commitments, step_report


def test_a_case_is_accepted_and_published() -> None:
    scenario = accepted()
    (published,) = scenario.published
    assert isinstance(published, CaseAccepted)
    assert published == scenario.case.accepted
    assert published.accepted_at == MONDAY
    assert lifecycle.state_of(scenario.case) is CaseState.ACCEPTED
    assert scenario.last.retry_after == timedelta(seconds=30)
    assert not scenario.last.closed


def test_its_deadlines_are_known_at_once() -> None:
    due = accepted().case.due_at_acceptance
    assert due is not None
    assert due.committed == at("2026-03-09 17:30")  # Monday 2 March and 5 working days
    assert due.statutory == at("2026-04-14 17:30")
    assert not due.provisional


def test_its_deadlines_are_counted_by_the_method_of_the_rules() -> None:
    by_the_second = core_for(1, almanac(counting=CountingMethod.SECOND))
    scenario = Scenario(by_the_second, case_id=NUMBER).given(accept())
    due = scenario.case.due_at_acceptance
    assert due is not None
    assert due.committed == MONDAY + timedelta(days=7)  # 5 working days


def test_the_same_request_again_publishes_nothing_and_keeps_the_case() -> None:
    scenario = accepted()
    first = scenario.case
    assert scenario.when(accept(), after(5)) == ()
    assert scenario.case == first


def test_another_request_under_the_same_number_is_refused() -> None:
    accepted().refuses(accept("another fingerprint"), error=KeyReused)


def test_the_acceptance_is_published_again_at_growing_intervals() -> None:
    scenario = accepted()
    waits = []
    for _ in range(12):
        assert scenario.when(TimerFired()) == (scenario.case.accepted,)
        waits.append(scenario.last.retry_after)
    assert waits[:3] == [timedelta(seconds=60), timedelta(seconds=120), timedelta(seconds=240)]
    assert waits[-1] == timedelta(hours=6)


def test_it_is_published_until_both_routing_and_monitor_have_confirmed_it() -> None:
    decision, held = CASE.decided(after(30), *ALL_DONE), commitments(("case", 100))
    for half in (decision, held):
        scenario = accepted(half)
        assert len(scenario.when(TimerFired())) == 1
        assert not scenario.last.closed
    scenario = accepted(decision, held)
    assert scenario.last.closed
    assert scenario.last.retry_after is None
    assert scenario.when(TimerFired()) == ()
    assert scenario.last.closed


def test_reports_of_steps_are_recorded() -> None:
    delivered = CASE.delivered("taxes", after(2), requested_at=after(1))
    taxes, title, registration = accepted(delivered, CASE.done("title", after(20), document="Z1")).case.steps
    assert (taxes.state, taxes.requested_at, taxes.delivered_at) == (StepState.DELIVERED, after(1), after(2))
    decided = (title.state, title.decided_at, title.outcome, title.document)
    assert decided == (StepState.DONE, after(20), Outcome.APPROVED, "Z1")
    assert registration.state is StepState.WAITING


def test_of_two_answers_the_earlier_holds_and_neither_is_mixed_with_the_other() -> None:
    early = CASE.done("title", after(20), outcome=Outcome.REFUSED, document="Z9")
    late = CASE.done("title", after(25), document="Z1")
    for messages in ([early, late], [late, early]):
        title = accepted(*messages).case.steps[1]
        assert (title.decided_at, title.outcome, title.document) == (after(20), Outcome.REFUSED, "Z9")
        assert title.arrived_at == after(20)


def test_the_report_of_routing_prevails_over_the_answer_of_a_department() -> None:
    answer = CASE.done("title", after(20), outcome=Outcome.REFUSED, document="Z9")
    report = CASE.reported(step_report("title", StepState.DONE, 25))
    for messages in ([answer, report], [report, answer]):
        title = accepted(*messages).case.steps[1]
        assert (title.decided_at, title.outcome, title.document) == (after(25), Outcome.APPROVED, "Z1")


def test_a_decision_decides_the_case() -> None:
    state = accepted(CASE.decided(after(30), *ALL_DONE)).case
    assert lifecycle.state_of(state) is CaseState.DECIDED
    assert state.decision is not None
    assert (state.decision.decided_at, state.decision.outcome) == (after(30), Outcome.APPROVED)
    assert {step.state for step in state.steps} == {StepState.DONE}


def test_a_later_report_of_monitor_replaces_an_earlier_one() -> None:
    early = commitments(("case", 100), ("step/title", 50)), after(1)
    late = commitments(("case", 90)), after(2)
    for messages in ([early, late], [late, early]):
        held = {one.commitment.key: one.commitment for one in accepted(*messages).case.commitments}
        assert held["case"].committed_due == after(90)
        assert held["step/title"].committed_due == after(50)


def test_a_case_that_was_not_accepted_is_unknown() -> None:
    decision = CASE.decided(after(30), *ALL_DONE)
    for message in (TimerFired(), CASE.delivered("title", after(1)), decision, commitments(("case", 100))):
        Scenario(SERVICE.core, NUMBER).refuses(message, error=UnknownCase)


def test_a_message_that_is_not_for_intake_is_invalid() -> None:
    accepted().refuses(CaseStateRequested(), reason="not for intake")


def test_a_step_that_the_plan_does_not_have_is_invalid() -> None:
    wrong = CASE.delivered("title", after(1)).replace(step="no-such-step")
    accepted().refuses(wrong, reason="no step no-such-step")
