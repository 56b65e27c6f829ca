"""The report says what has happened, and a run is judged by it."""

import time
from pathlib import Path
from typing import Any, cast

from tests.chaos import report
from tests.chaos.applicants import Try
from tests.chaos.fault import Lasted
from tests.chaos.outages import DepartmentAway, Wiped
from tests.chaos.run import Outcome, Run

RATE = 50.0


def run_of(*outcomes: Outcome) -> Run:
    """A run of some seconds in which everything was whole at once."""
    run = Run(cast(Any, None), [one.fault for one in outcomes], RATE, 1, print)
    run.outcomes = list(outcomes)
    for second in range(20):
        at = run.began + second
        run.applicants.accepted += [(at, f"{second}-{number}") for number in range(50)]
        run.applicants.tries += [Try(at, 201, 0.01)] * 50
        run.gauge.closed["intake"].append((at, 50))
    return run


def borne(**changes: Any) -> Outcome:
    now = time.monotonic()
    values = {"healed": now + 5, "earlier": 50.0, "recovered_s": 6.0, "drained_s": 2.0} | changes
    return Outcome(DepartmentAway("tax", 10), now, **values)


def test_what_was_borne_is_well(tmp_path: Path) -> None:
    run = run_of(borne())
    assert run.well
    text = report.write(run, tmp_path, 3).read_text()
    assert "All is well" in text and "tax away for 10 s" in text
    assert (tmp_path / report.PICTURE).read_text().count("tax away") == 1


def test_what_was_not_borne_is_named(tmp_path: Path) -> None:
    for outcome in (borne(recovered_s=None), borne(drained_s=None), borne(wrong=["7: decided 2 times"])):
        run = run_of(borne(), outcome)
        assert not run.well
        text = report.write(run, tmp_path, 3).read_text()
        assert "1 of 2 faults were not borne" in text and "**broken**" in text
        assert all(fault in text for fault in outcome.wrong)


def test_an_answer_that_nobody_should_get_is_no_good_run(tmp_path: Path) -> None:
    run = run_of(borne())
    run.applicants.wrong["500 oh"] += 2
    assert not run.well
    assert "2 times 500 oh" in report.write(run, tmp_path, 3).read_text()


def test_a_run_without_faults_proves_nothing() -> None:
    assert not run_of().well


def test_a_fault_left_out_is_said(tmp_path: Path) -> None:
    run = run_of(Outcome(Wiped(), time.monotonic(), skipped="no right to mount"))
    assert "left out: no right to mount" in report.write(run, tmp_path, 3).read_text()


def test_others_must_go_on_while_a_department_is_away() -> None:
    run = run_of()
    earlier = {"accepted": 50.0, "commerce": 50.0, "land": 50.0, "tax": 50.0}
    run.gauge.closed["land"] = [(run.began + second, 50) for second in range(20)]
    run.gauge.closed["commerce"] = [(run.began + second, 10) for second in range(20)]
    lasted = Lasted(run.began, run.began + 15, run.applicants, run.gauge, earlier)
    assert list(DepartmentAway("tax", 10).claims(lasted)) == ["commerce: 20% of the usual rate while tax was away"]
