"""The report and the verdict of a run follow from its outcomes."""

import time
from pathlib import Path
from typing import Any, cast

from tests.chaos import report
from tests.chaos.applicants import RequestOutcome
from tests.chaos.faults.fault import FaultPeriod
from tests.chaos.faults.outages import DepartmentOutage, WipedKafka
from tests.chaos.run import Outcome, Run

RATE = 50.0


def run_of(*outcomes: Outcome) -> Run:
    """A run of 20 seconds in which every case was finished at once."""
    run = Run(cast(Any, None), [one.fault for one in outcomes], RATE, 1, print)
    run.outcomes = list(outcomes)
    for second in range(20):
        at = run.began + second
        run.applicants.accepted += [(at, f"{second}-{number}") for number in range(50)]
        run.applicants.requests += [RequestOutcome(at, 201, 0.01)] * 50
        run.progress.closed["intake"].append((at, 50))
    return run


def passed_outcome(**changes: Any) -> Outcome:
    now = time.monotonic()
    values = {"healed": now + 5, "rate_before": 50.0, "recovered_s": 6.0, "drained_s": 2.0} | changes
    return Outcome(DepartmentOutage("tax", 10), now, **values)


def test_a_run_passes_if_all_outcomes_passed(tmp_path: Path) -> None:
    run = run_of(passed_outcome())
    assert run.passed
    text = report.write(run, tmp_path, 3).read_text()
    assert "All faults passed" in text and "tax down for 10 s" in text
    assert (tmp_path / report.PICTURE).read_text().count("tax down") == 1


def test_the_report_names_failed_faults(tmp_path: Path) -> None:
    for changes in ({"recovered_s": None}, {"drained_s": None}, {"violations": ["7: decided 2 times"]}):
        outcome = passed_outcome(**changes)
        run = run_of(passed_outcome(), outcome)
        assert not run.passed
        text = report.write(run, tmp_path, 3).read_text()
        assert "1 of 2 faults failed" in text and "**broken**" in text
        assert all(violation in text for violation in outcome.violations)


def test_a_run_fails_after_an_unexpected_answer(tmp_path: Path) -> None:
    run = run_of(passed_outcome())
    run.applicants.unexpected["500 oh"] += 2
    assert not run.passed
    assert "2 times 500 oh" in report.write(run, tmp_path, 3).read_text()


def test_a_run_without_faults_does_not_pass() -> None:
    assert not run_of().passed


def test_the_report_names_skipped_faults(tmp_path: Path) -> None:
    run = run_of(Outcome(WipedKafka(), time.monotonic(), skipped="no right to mount"))
    assert "skipped: no right to mount" in report.write(run, tmp_path, 3).read_text()


def test_other_departments_must_go_on_during_an_outage() -> None:
    run = run_of()
    rates_before = {"accepted": 50.0, "commerce": 50.0, "land": 50.0, "tax": 50.0}
    run.progress.closed["land"] = [(run.began + second, 50) for second in range(20)]
    run.progress.closed["commerce"] = [(run.began + second, 10) for second in range(20)]
    period = FaultPeriod(run.began, run.began + 15, run.applicants, run.progress, rates_before)
    assert list(DepartmentOutage("tax", 10).violations(period)) == [
        "commerce: 20% of the usual rate while tax was down"
    ]
