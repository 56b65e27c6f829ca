"""The life of a case in intake, by example."""

from datetime import UTC, datetime, timedelta

import pytest

from contracts.core import InvalidMessage, UnknownCase
from contracts.envelope import TimerFired
from contracts.messages.cases import CaseAccepted, CaseStateRequested, StepState
from contracts.messages.plans import Outcome
from services.intake.core import lifecycle
from services.intake.core.lifecycle import CaseState, KeyReused
from tests.unit.intake.cases import (
    ACCEPTED_AT,
    accept,
    at,
    commitments,
    decided,
    delivered,
    done,
    envelope,
    report,
    reported,
    run,
)

ALL_DONE = [report(step, StepState.DONE, 30) for step in ("taxes", "title", "registration")]


def test_a_case_is_accepted_and_published() -> None:
    step = run(envelope(accept()))
    (published,) = step.out
    assert isinstance(published, CaseAccepted)
    assert published == step.state.accepted
    assert published.accepted_at == ACCEPTED_AT
    assert lifecycle.state_of(step.state) is CaseState.ACCEPTED
    assert step.retry_after == timedelta(seconds=30)
    assert not step.closed


def test_its_deadlines_are_known_at_once() -> None:
    due = run(envelope(accept())).state.due_at_acceptance
    assert due is not None
    assert due.committed == datetime(2026, 3, 9, 9, 30, tzinfo=UTC)  # Monday 2 March and 5 working days
    assert due.statutory == datetime(2026, 4, 14, 9, 30, tzinfo=UTC)
    assert not due.provisional


def test_the_same_request_again_publishes_nothing_and_keeps_the_case() -> None:
    first = run(envelope(accept()))
    again = run(envelope(accept()), envelope(accept(), hours=5))
    assert again.out == ()
    assert again.state == first.state


def test_another_request_under_the_same_number_is_refused() -> None:
    with pytest.raises(KeyReused):
        run(envelope(accept()), envelope(accept("another fingerprint")))


def test_the_acceptance_is_published_again_at_growing_intervals() -> None:
    messages = [envelope(accept())]
    waits = []
    for _ in range(12):
        messages.append(envelope(TimerFired()))
        step = run(*messages)
        assert step.out == (step.state.accepted,)
        waits.append(step.retry_after)
    assert waits[:3] == [timedelta(seconds=60), timedelta(seconds=120), timedelta(seconds=240)]
    assert waits[-1] == timedelta(hours=6)


def test_it_is_published_until_both_routing_and_monitor_have_confirmed_it() -> None:
    decision, held = envelope(decided(30, *ALL_DONE)), envelope(commitments(("case", 100)))
    for half in (decision, held):
        step = run(envelope(accept()), half, envelope(TimerFired()))
        assert len(step.out) == 1
        assert not step.closed
    step = run(envelope(accept()), decision, held)
    assert step.closed
    assert step.retry_after is None
    late = run(envelope(accept()), decision, held, envelope(TimerFired()))
    assert late.out == ()
    assert late.closed


def test_reports_of_steps_are_recorded() -> None:
    state = run(
        envelope(accept()),
        envelope(delivered("taxes", 2)),
        envelope(done("title", 20)),
    ).state
    taxes, title, registration = state.steps
    assert (taxes.state, taxes.requested_at, taxes.delivered_at) == (StepState.DELIVERED, at(1), at(2))
    assert (title.state, title.decided_at, title.outcome, title.document) == (
        StepState.DONE,
        at(20),
        Outcome.APPROVED,
        "Z1",
    )
    assert registration.state is StepState.WAITING


def test_of_two_answers_the_earlier_holds_and_neither_is_mixed_with_the_other() -> None:
    early, late = done("title", 20, Outcome.REFUSED, "Z9"), done("title", 25)
    for messages in ([early, late], [late, early]):
        title = run(envelope(accept()), *map(envelope, messages)).state.steps[1]
        assert (title.decided_at, title.outcome, title.document) == (at(20), Outcome.REFUSED, "Z9")


def test_the_report_of_routing_prevails_over_the_answer_of_a_department() -> None:
    answer, decision = done("title", 20, Outcome.REFUSED, "Z9"), reported(report("title", StepState.DONE, 25))
    for messages in ([answer, decision], [decision, answer]):
        title = run(envelope(accept()), *map(envelope, messages)).state.steps[1]
        assert (title.decided_at, title.outcome, title.document) == (at(25), Outcome.APPROVED, "Z1")


def test_a_decision_decides_the_case() -> None:
    state = run(envelope(accept()), envelope(decided(30, *ALL_DONE))).state
    assert lifecycle.state_of(state) is CaseState.DECIDED
    assert state.decision is not None
    assert (state.decision.decided_at, state.decision.outcome) == (at(30), Outcome.APPROVED)
    assert {step.state for step in state.steps} == {StepState.DONE}


def test_a_later_report_of_monitor_replaces_an_earlier_one() -> None:
    early, late = envelope(commitments(("case", 100), ("step/title", 50)), 1), envelope(commitments(("case", 90)), 2)
    for messages in ([early, late], [late, early]):
        held = {h.commitment.key: h.commitment for h in run(envelope(accept()), *messages).state.commitments}
        assert held["case"].committed_due == at(90)
        assert held["step/title"].committed_due == at(50)


def test_a_case_that_was_not_accepted_is_unknown() -> None:
    for message in (TimerFired(), delivered("title", 1), decided(30, *ALL_DONE), commitments(("case", 100))):
        with pytest.raises(UnknownCase):
            run(envelope(message))


def test_a_message_that_is_not_for_intake_is_invalid() -> None:
    with pytest.raises(InvalidMessage, match="not for intake"):
        run(envelope(accept()), envelope(CaseStateRequested()))


def test_a_step_that_the_plan_does_not_have_is_invalid() -> None:
    wrong = delivered("title", 1).model_copy(update={"step": "no-such-step"})
    with pytest.raises(InvalidMessage, match="no step no-such-step"):
        run(envelope(accept()), envelope(wrong))
