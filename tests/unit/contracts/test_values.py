"""Values, and the private parts of pydantic that they rely on: a change of those fails here, and only here."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from contracts.messages.cases import StepReport, StepState
from contracts.messages.plans import Outcome

AT = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)

reports = st.builds(
    StepReport,
    step=st.sampled_from(["licence", "tax"]),
    state=st.sampled_from(StepState),
    requested_at=st.sampled_from([None, AT]),
) | st.builds(StepReport, step=st.just("licence"), state=st.sampled_from(StepState))
changes = st.fixed_dictionaries(
    {},
    optional={
        "state": st.sampled_from(StepState),
        "decided_at": st.sampled_from([None, AT]),
        "outcome": st.sampled_from([None, *Outcome]),
        "document": st.sampled_from([None, "Z1"]),
    },
)


def test_an_instance_of_a_model_consists_of_the_four_attributes_that_replace_sets() -> None:
    parts = {"__dict__", "__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__"}
    assert set(BaseModel.__slots__) == parts


@given(reports, changes)
def test_replace_returns_what_model_copy_returns(report: StepReport, changes: dict[str, object]) -> None:
    before = report.model_copy()
    replaced, copied = report.replace(**changes), report.model_copy(update=changes)
    assert type(replaced) is StepReport
    assert replaced == copied
    assert replaced.model_dump_json() == copied.model_dump_json()
    assert replaced.model_dump_json(exclude_defaults=True) == copied.model_dump_json(exclude_defaults=True)
    assert repr(replaced) == repr(copied)
    assert hash(replaced) == hash(copied)
    assert replaced.model_copy(update={"document": "Z2"}) == copied.model_copy(update={"document": "Z2"})
    assert report == before


def test_values_share_one_empty_set_of_fields_set() -> None:
    """Sets of their own would be half of the memory of a decoded state."""
    made = StepReport(step="a", state=StepState.REQUESTED)
    read = StepReport.model_validate_json('{"step": "a", "state": "requested"}')
    assert made.model_fields_set is read.model_fields_set is made.replace(step="b").model_fields_set
    assert made.model_copy(update={"step": "b"}) == made.replace(step="b")
    assert made.model_fields_set == set(), "model_copy must not write to the shared set"


def test_a_replaced_value_is_frozen() -> None:
    replaced = StepReport(step="licence", state=StepState.WAITING).replace(state=StepState.REQUESTED)
    with pytest.raises(ValidationError, match="frozen"):
        replaced.state = StepState.DONE  # type: ignore[misc]


def test_replacing_an_unknown_field_raises() -> None:
    report = StepReport(step="licence", state=StepState.WAITING)
    with pytest.raises(TypeError, match="StepReport has no documents, stat"):
        report.replace(stat=StepState.DONE, documents=())
