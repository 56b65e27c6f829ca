"""Order, repetition and delay of messages do not matter."""

from hypothesis import given
from hypothesis import strategies as st

from contracts.envelope import Envelope, Message, TimerFired
from contracts.messages.cases import StepState
from contracts.messages.plans import Outcome
from services.intake.core.state import Case
from services.intake.web.answers import case_view
from tests.unit.intake.cases import (
    NUMBER,
    STEPS,
    accept,
    commitments,
    decided,
    delivered,
    done,
    envelope,
    handle,
    report,
    reported,
    run,
)

step_names = st.sampled_from(sorted(STEPS))
hours = st.integers(2, 40).map(float)
reports = st.builds(report, step_names, st.sampled_from(StepState), hours)
messages = st.one_of(
    st.builds(delivered, step_names, hours),
    st.builds(done, step_names, hours, st.sampled_from(Outcome), st.sampled_from(["Z1", "Z2"])),
    st.lists(reports, max_size=3).map(lambda steps: reported(*steps)),
    st.builds(commitments, st.tuples(st.just("step/title"), hours)),
    st.builds(lambda: accept()),
    st.builds(TimerFired),
)
histories = st.lists(st.builds(envelope, messages, hours), max_size=12)
endings = st.tuples(
    st.builds(lambda end, steps: envelope(decided(end, *steps), end), hours, st.lists(reports, max_size=3)),
    st.builds(lambda due, reported_at: envelope(commitments(("case", due)), reported_at), hours, hours),
)


def final(history: list[Envelope[Message]]) -> Case:
    return run(envelope(accept()), *history).state


@given(histories, endings, st.data())
def test_any_order_and_repetition_leads_to_the_same_state(
    history: list[Envelope[Message]], ending: tuple[Envelope[Message], ...], data: st.DataObject
) -> None:
    whole = [*history, *ending]
    repeated = [*whole, *data.draw(st.lists(st.sampled_from(whole), max_size=6), label="repeated")]
    assert final(data.draw(st.permutations(repeated), label="order")) == final(whole)


@given(histories, st.data())
def test_a_message_received_twice_changes_the_case_once(history: list[Envelope[Message]], data: st.DataObject) -> None:
    received = [message for message in history if not isinstance(message.data, TimerFired)]
    if received:
        state = final(received)
        assert handle(state, data.draw(st.sampled_from(received))).state == state


@given(histories, endings)
def test_every_confirmed_case_closes_and_stays_closed(
    history: list[Envelope[Message]], ending: tuple[Envelope[Message], ...]
) -> None:
    step = run(envelope(accept()), *ending)
    for message in history:
        assert step.closed
        step = handle(step.state, message)
        assert step.out == ()
    assert step.closed


@given(histories)
def test_every_unconfirmed_case_publishes_again(history: list[Envelope[Message]]) -> None:
    step = run(envelope(accept()), *history)
    assert not step.closed
    assert step.retry_after is not None
    assert handle(step.state, envelope(TimerFired())).out == (step.state.accepted,)


@given(histories)
def test_every_state_can_be_stored_and_shown(history: list[Envelope[Message]]) -> None:
    state = final(history)
    assert Case.model_validate_json(state.model_dump_json()) == state
    shown = case_view(NUMBER, state)
    assert [event.at for event in shown.history] == sorted(event.at for event in shown.history)
    assert state.accepted.applicant is not None
    assert state.accepted.applicant.id_number not in shown.model_dump_json()
