"""Values: what a copy with other fields is."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.messages.cases import StepReport, StepState
from contracts.messages.plans import Outcome

AT = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)

reports = st.builds(
    StepReport,
    step=st.sampled_from(["licence", "tax"]),
    state=st.sampled_from(StepState),
    requested_at=st.sampled_from([None, AT]),
) | st.builds(StepReport, step=st.just("licence"), state=st.sampled_from(StepState))
news = st.fixed_dictionaries(
    {},
    optional={
        "state": st.sampled_from(StepState),
        "decided_at": st.sampled_from([None, AT]),
        "outcome": st.sampled_from([None, *Outcome]),
        "document": st.sampled_from([None, "Z1"]),
    },
)


@given(reports, news)
def test_a_replaced_value_is_what_pydantic_would_have_made(report: StepReport, news: dict[str, object]) -> None:
    before = report.model_copy()
    replaced, copied = report.replace(**news), report.model_copy(update=news)
    assert type(replaced) is StepReport
    assert replaced == copied
    assert replaced.model_dump_json() == copied.model_dump_json()
    assert replaced.model_dump_json(exclude_defaults=True) == copied.model_dump_json(exclude_defaults=True)
    assert repr(replaced) == repr(copied)
    assert hash(replaced) == hash(copied)
    assert replaced.model_copy(update={"document": "Z2"}) == copied.model_copy(update={"document": "Z2"})
    assert report == before


def test_no_value_keeps_a_set_of_its_own_of_the_fields_that_were_given() -> None:
    """They would be half of what a case takes in memory."""
    made, read = (
        StepReport(step="a", state=StepState.REQUESTED),
        StepReport.model_validate_json('{"step": "a", "state": "requested"}'),
    )
    assert made.model_fields_set is read.model_fields_set is made.replace(step="b").model_fields_set
    assert made.model_copy(update={"step": "b"}) == made.replace(step="b")
    assert made.model_fields_set == set()


def test_a_replaced_value_is_frozen() -> None:
    replaced = StepReport(step="licence", state=StepState.WAITING).replace(state=StepState.REQUESTED)
    with pytest.raises(ValidationError, match="frozen"):
        replaced.state = StepState.DONE  # type: ignore[misc]


def test_a_field_that_a_value_does_not_have_cannot_be_replaced() -> None:
    report = StepReport(step="licence", state=StepState.WAITING)
    with pytest.raises(TypeError, match="StepReport has no documents, stat"):
        report.replace(stat=StepState.DONE, documents=())
