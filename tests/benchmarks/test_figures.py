"""The pure parts of the measurements: their counts, and the printed figures."""

import json
from pathlib import Path

import pytest

from services.registry import CORE_SERVICES, default_systems
from tests.benchmarks import __main__ as bench
from tests.benchmarks.figures import figure, meets_target, merge, quantile, save, table
from tests.benchmarks.load import case_cost, latency
from tests.support.cases import stored_cases
from tests.support.cases.simulated_case import simulate, three_departments_plan
from tests.support.messages import CASE_ID


def test_a_quantile_is_the_nearest_rank() -> None:
    values = [float(n) for n in range(100, 0, -1)]
    assert [quantile(values, share) for share in (0.5, 0.95, 0.99, 1.0)] == [50, 95, 99, 100]
    assert quantile([7.0], 0.01) == 7
    for values, share in (([], 0.5), ([1.0], 0.0), ([1.0], 1.1)):
        with pytest.raises(ValueError, match="no quantile"):
            quantile(values, share)


def test_a_target_is_a_minimum_or_a_maximum() -> None:
    assert meets_target(figure("rate", 500, "cases/s", 500)) is True
    assert meets_target(figure("rate", 499, "cases/s", 500)) is False
    assert meets_target(figure("p99", 80, "ms", 80, at_most=True)) is True
    assert meets_target(figure("p99", 81, "ms", 80, at_most=True)) is False
    assert meets_target(figure("seen", 1, "1")) is None
    assert "MISSED: at most 80" in table([figure("p99", 81, "ms", 80, at_most=True)])


def test_new_figures_replace_known_ones(tmp_path: Path) -> None:
    first, again, other = figure("a", 1, "s"), figure("a", 2, "s"), figure("b", 3, "s")
    assert merge([first, other], [again]) == [again, other]
    output = tmp_path / "bench.json"
    save([first, other], output)
    save([again], output)
    assert json.loads(output.read_text()) == [again, other]


def test_statements_are_read_from_the_servers_log() -> None:
    log = (
        "2026-11-22 LOG:  something without a mark\n"
        "~onedoor~onedoor_intake|onedoor intake|LOG:  execute __asyncpg_1: \n\tINSERT INTO cases\n\t  VALUES ($1)\n"
        "~onedoor~onedoor_intake|onedoor intake|LOG:  statement: BEGIN;\n"
        "~onedoor~onedoor_intake|benchmark|LOG:  statement: SELECT 1\n"
        "~onedoor~onedoor_tax|onedoor tax|ERROR:  statement: nonsense\n"
        "~onedoor~onedoor_intake|onedoor intake|LOG:  execute __asyncpg_1: \n\tINSERT INTO cases VALUES ($1)\n"
    )
    assert case_cost.statements(log.splitlines(keepends=True)) == {
        ("onedoor_intake", "INSERT INTO cases VALUES ($1)"): 2,
        ("onedoor_intake", "BEGIN;"): 1,
    }


def test_every_message_of_a_case_has_its_reason() -> None:
    life = simulate(three_departments_plan(), answered=True)
    assert {envelope.type for envelope in life.published} <= set(case_cost.WHY_MESSAGE)


def test_arrivals_of_an_open_loop_have_the_requested_rate() -> None:
    found = latency.arrival_times(rate=100, seconds=50)
    assert found == sorted(found) and found[0] > 0 and found[-1] < 50
    assert 4700 < len(found) < 5300


def test_every_copy_has_a_number_of_its_own() -> None:
    numbers = {stored_cases.number_of(n) for n in range(10_000)}
    assert len(numbers) == 10_000
    assert all(len(number) == len(CASE_ID) for number in numbers)


def test_a_simulated_case_is_closed_everywhere_or_open_everywhere() -> None:
    closed, still_open = (simulate(three_departments_plan(), answered=answered) for answered in (True, False))
    assert all(closed.last(name).transition.closed for name in closed.stored)
    assert not any(still_open.last(name).transition.closed for name in still_open.stored)
    assert set(closed.stored) == set(CORE_SERVICES) | set(default_systems())


def test_measurements_are_chosen_by_name_and_count() -> None:
    assert list(bench.chosen([])) == list(bench.MEASUREMENTS)
    assert bench.chosen(["latency", "due:1000"]) == {"latency": None, "due": 1000}
    for wrong in ("nothing", "due:", "due:0", "due:many"):
        with pytest.raises(ValueError, match=wrong.split(":", maxsplit=1)[0]):
            bench.chosen([wrong])
