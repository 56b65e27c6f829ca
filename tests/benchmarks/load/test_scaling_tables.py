"""The measured parts of docs/scaling.md: where they go, and how cores follow from processor time."""

import pytest

from tests.benchmarks.figures import Figure, figure
from tests.benchmarks.load import scaling_tables

FIGURES: list[Figure] = [
    figure("whole cases", 500, "cases/s"),
    figure("processor time of routing", 0.8, "ms a case"),
    figure("processor time of postgres", 2.5, "ms a case"),
    figure("processor time of sandbox-tax", 9.0, "ms a case"),
    figure("processor time of the load", 9.0, "ms a case"),
    figure("scaling: two replicas, records a second", 1.1, "1", ratio_to="one"),
    figure("scaling: two replicas, processor time of Kafka", 1.25, "1", ratio_to="one"),
    figure("scaling: three brokers, records a second", 0.7, "1", ratio_to="one"),
    figure("scaling: three brokers, processor time of Kafka", 2.5, "1", ratio_to="one"),
]


def test_cores_are_rate_times_processor_time_at_half_use_without_sandboxes_and_load() -> None:
    lines = scaling_tables.processor_table(FIGURES).splitlines()
    # 1,000 cases a second of 2.5 ms each keep 2.5 cores busy, so 5 are planned.
    assert lines[2] == "| postgres | 2.50 | 0.1 | 0.5 | 5.0 |"
    assert lines[3] == "| routing | 0.80 | 0.0 | 0.2 | 1.6 |"
    assert lines[4] == "| all | 3.30 | 0.1 | 0.7 | 6.6 |"


def test_each_trial_has_a_line_of_ratios() -> None:
    lines = scaling_tables.ratio_table(FIGURES).splitlines()
    assert lines[0] == "| | records a second | processor time of Kafka |"
    assert lines[2:4] == ["| two replicas | 1.10 | 1.25 |", "| three brokers | 0.70 | 2.50 |"]


def test_without_figures_the_error_names_the_command() -> None:
    with pytest.raises(LookupError, match="make bench"):
        scaling_tables.processor_table([])
    with pytest.raises(LookupError, match="make bench BENCH=scaling"):
        scaling_tables.ratio_table([])


def test_the_document_has_a_section_for_each_table() -> None:
    text = scaling_tables.DOCUMENT.read_text(encoding="utf-8")
    for name in ("processors", "ratios"):
        assert "measured anew" in scaling_tables.rewrite_section(text, name, "measured anew\n")
    with pytest.raises(LookupError, match="rivers"):
        scaling_tables.rewrite_section(text, "rivers", "")
