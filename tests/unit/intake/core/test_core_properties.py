"""Order, repetition and delay of messages do not matter."""

from hypothesis import given
from hypothesis import strategies as st

from contracts.envelope import TimerFired
from contracts.messages.cases import CaseReported, StepState
from contracts.messages.plans import Outcome
from services.intake.core.state import Case
from services.intake.web.answers import case_view
from tests.support.scenario import At
from tests.unit.intake.core.cases import CASE, NUMBER, STEPS, accept, accepted, after, commitments, step_report

step_names = st.sampled_from(STEPS)
hours = st.integers(2, 40).map(float)
moments = hours.map(after)
reports = st.lists(st.builds(step_report, step_names, st.sampled_from(StepState), hours), max_size=3)
outcomes, documents = st.sampled_from(Outcome), st.sampled_from(["Z1", "Z2"])
messages = st.one_of(
    st.builds(CASE.delivered, step_names, moments),
    st.builds(CASE.done, step_names, moments, outcome=outcomes, document=documents),
    reports.map(lambda steps: CaseReported(steps=tuple(steps))),
    st.builds(commitments, st.tuples(st.just("step/title"), hours)),
    st.just(accept()),
    st.just(TimerFired()),
)
histories = st.lists(st.tuples(messages, moments), max_size=12)
endings = st.tuples(
    st.builds(lambda end, steps: (CASE.decided(end, *steps), end), moments, reports),
    st.builds(lambda due, reported_at: (commitments(("case", due)), reported_at), hours, moments),
)


@given(histories, endings, st.data())
def test_any_order_and_repetition_leads_to_the_same_state(
    history: list[At], ending: tuple[At, ...], data: st.DataObject
) -> None:
    whole = [*history, *ending]
    repeated = [*whole, *data.draw(st.lists(st.sampled_from(whole), max_size=6), label="repeated")]
    in_any_order = data.draw(st.permutations(repeated), label="order")
    assert accepted(*in_any_order).case == accepted(*whole).case


@given(histories, st.data())
def test_a_message_received_twice_changes_the_case_once(history: list[At], data: st.DataObject) -> None:
    received = [one for one in history if not isinstance(one[0], TimerFired)]
    if received:
        scenario = accepted(*received)
        before = scenario.case
        assert scenario.given(data.draw(st.sampled_from(received))).case == before


@given(histories, endings)
def test_every_confirmed_case_closes_and_stays_closed(history: list[At], ending: tuple[At, ...]) -> None:
    scenario = accepted(*ending)
    assert scenario.last.closed
    for message, time in history:
        assert scenario.when(message, time) == ()
        assert scenario.last.closed


@given(histories)
def test_every_unconfirmed_case_publishes_again(history: list[At]) -> None:
    scenario = accepted(*history)
    assert not scenario.last.closed
    assert scenario.last.retry_after is not None
    assert scenario.when(TimerFired()) == (scenario.case.accepted,)


@given(histories)
def test_every_state_can_be_stored_and_shown(history: list[At]) -> None:
    state = accepted(*history).case
    assert Case.model_validate_json(state.model_dump_json()) == state
    shown = case_view(NUMBER, state)
    assert [event.at for event in shown.history] == sorted(event.at for event in shown.history)
    assert state.accepted.applicant is not None and state.accepted.applicant.id_number is not None
    assert state.accepted.applicant.id_number not in shown.model_dump_json()
