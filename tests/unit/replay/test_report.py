"""The result of a replay in words."""

from datetime import UTC, datetime

from onedoor.replay.history import History, RecordedCase
from onedoor.replay.report import Report, ladder_table, remarks

CASE = RecordedCase(2, "c1", datetime(2026, 3, 2, tzinfo=UTC), None, None, "Permits", "desk")
HISTORY = History((CASE,), (), ())


def report(*rungs: str) -> Report:
    found = Report()
    view = {
        "commitments": [{"committed_due": "2026-03-03T00:00:00Z"}],
        "decided_at": "2026-03-09T00:00:00Z",
    }
    found.add(CASE, view, dict.fromkeys(rungs, "2026-03-03T00:00:00Z"), HISTORY.ends)
    return found


def test_the_summary_counts_the_rungs_that_were_drawn_and_no_others() -> None:
    first, second = remarks(HISTORY, report("warning", "yellow"))
    assert first == (
        "1 case was closed late; rungs drawn, each once a case: 1 warning, 1 yellow. / "
        "1 件逾期办结；触发的警示（每件每级一次）：1 warning, 1 yellow。"
    )
    assert second.startswith("0 open cases were late when the history ended")
    assert "rungs drawn, each once a case: none. / " in next(iter(remarks(HISTORY, report())))


def test_the_table_has_the_rungs_of_the_ladder_only() -> None:
    assert [column.header for column in ladder_table(report("red")).columns] == ["", "red"]
