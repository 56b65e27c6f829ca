"""Another system's cases: rows that are read, rows that are rejected with a reason, and rows that are only odd."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from contracts.messages.cases import Channel
from onedoor.replay.history import read
from services.runtime.files.encoding import InvalidFile

ZONE = ZoneInfo("Asia/Shanghai")
HEAD = "case_id,startdate,deadline,enddate,department,channel,other"


def history(*rows: str) -> bytes:
    return "\n".join([HEAD, *rows]).encode()


def test_a_case_is_read_with_the_columns_that_it_has() -> None:
    found = read(history("c1,2011-10-11T13:42:22.688+02:00,2011-12-06T13:41:31+01:00,,General,Internet,x"), ZONE)
    (case,) = found.cases
    assert case.reference == "c1"
    assert case.started_at == datetime(2011, 10, 11, 11, 42, 22, 688000, tzinfo=UTC)
    assert case.deadline == datetime(2011, 12, 6, 12, 41, 31, tzinfo=UTC)
    assert case.ended_at is None
    assert (case.department, case.label, case.channel) == ("General", "Internet", Channel.WEB)
    assert not found.rejected and not found.odd


def test_a_moment_without_a_zone_is_of_the_zone_given() -> None:
    (case,) = read(history("c1,2026-03-02 09:00:00,,2026-03-03,General,window,"), ZONE).cases
    assert case.started_at == datetime(2026, 3, 2, 1, tzinfo=UTC)
    assert case.ended_at == datetime(2026, 3, 2, 16, tzinfo=UTC)
    assert case.deadline is None


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (",2026-03-02,,,General,Desk,", "line 2, case_id: is empty"),
        ("c1,,,,General,Desk,", "line 2, startdate: is empty"),
        (
            "c1,yesterday,,,General,Desk,",
            "line 2, startdate: yesterday is no date and time; write for example 2026-03-02",
        ),
        ("4.40306E+17,2026-03-02,,,General,Desk,", "line 2, case_id: 4.40306E+17 is a number that a spreadsheet"),
        ("c1,2026-03-02,soon,,General,Desk,", "line 2, deadline: soon is no date and time"),
        ("c1,2026-03-02,,2026-02-30,General,Desk,", "line 2, enddate: 2026-02-30 is no day and time of the calendar"),
        ("c1,2026-03-02,,,,Desk,", "line 2, department: is empty"),
        ("c1,2026-03-02,2026-03-01,,General,Desk,", "line 2, deadline: lies before startdate"),
        ("c1,3/2/2026,,,General,Desk,", "line 2, startdate: 3/2/2026 may begin with the day or with the month"),
        ("c1,2026-03-02,,,General,Desk,x,y", "line 2: there are more cells than columns"),
        ("c1,0001-03-02,,,General,Desk,", "line 2, startdate: lies outside the years"),
    ],
)
def test_a_row_that_cannot_be_replayed_is_rejected_with_its_reason_and_the_others_stay(row: str, reason: str) -> None:
    found = read(history(row, "good,2026-03-02,,,General,Desk,"), ZONE)
    assert [case.reference for case in found.cases] == ["good"]
    (rejected,) = found.rejected
    assert reason in rejected.reason and "第 2 行" in rejected.reason and rejected.line == 2


def test_a_repeated_case_is_rejected() -> None:
    found = read(history("c1,2026-03-02,,,General,Desk,", "c1,2026-03-03,,,General,Desk,"), ZONE)
    assert len(found.cases) == 1
    assert "stands in line 2 already" in found.rejected[0].reason


@pytest.mark.parametrize("same", ["c1\u200b", "\u202dc1\u202c", "c1\u00a0", '"=""c1"""', "\ufeffc1", "ｃ１"])
def test_a_number_that_is_typed_in_another_way_is_the_same(same: str) -> None:
    found = read(history("c1,2026-03-02,,,General,Desk,", f"{same},2026-03-03,,,General,Desk,"), ZONE)
    assert [case.reference for case in found.cases] == ["c1"]
    assert "stands in line 2 already" in found.rejected[0].reason


def test_a_case_that_ends_before_it_starts_is_kept_and_reported() -> None:
    found = read(history("c1,2026-03-02,,2026-03-01,General,Desk,"), ZONE)
    assert len(found.cases) == 1 and not found.rejected
    assert "before the case starts" in found.odd[0].reason


def test_the_log_ends_with_the_last_start_or_end_and_no_deadline() -> None:
    found = read(history("c1,2026-03-02,2027-01-01,2026-03-04,G,Desk,", "c2,2026-03-03,,,G,Desk,"), ZONE)
    assert found.ends == datetime(2026, 3, 3, 16, tzinfo=UTC)


def test_a_file_without_the_columns_is_refused_by_their_names() -> None:
    with pytest.raises(InvalidFile, match="no column deadline, enddate; the columns are case_id"):
        read(b"case_id,startdate,department,channel\nc1,2026-03-02,G,Desk\n", ZONE)


@pytest.mark.parametrize(
    ("label", "channel"), [("Desk", Channel.WINDOW), ("e-mail", Channel.EMAIL), ("fax", Channel.OTHER)]
)
def test_channels_of_other_systems_are_mapped(label: str, channel: Channel) -> None:
    (case,) = read(history(f"c1,2026-03-02,,,General,{label},"), ZONE).cases
    assert case.channel is channel


def test_a_deadline_that_is_a_day_lasts_to_its_end() -> None:
    in_time, late = read(
        history(
            "c1,2023-01-03 09:00,2023-01-10,2023-01-10 10:00,P,desk,", "c2,2023-01-03,2023-01-10,2023-01-11,P,desk,"
        ),
        ZONE,
    ).cases
    assert in_time.deadline == late.deadline == datetime(2023, 1, 10, 23, 59, 59, 999999, ZONE)
    assert in_time.ended_at is not None and late.ended_at is not None
    assert in_time.ended_at <= datetime(2023, 1, 11, tzinfo=ZONE) <= late.ended_at


def test_a_case_that_ends_on_the_day_of_its_start_ends_not_before_it() -> None:
    found = read(history("c1,2023-01-03 09:00,2023-01-10,2023-01-03,P,desk,"), ZONE)
    (case,) = found.cases
    assert case.ended_at == case.started_at
    assert not found.odd


def test_a_file_of_a_spreadsheet_program_is_read_and_reported() -> None:
    text = "case_id;startdate;deadline;enddate;department;channel\nc1;2023/1/5;2023年1月9日;44935.5;税务局;窗口\n"
    found = read(text.encode("gb18030"), ZONE)
    (case,) = found.cases
    assert case.started_at == datetime(2023, 1, 5, tzinfo=ZONE)
    assert case.deadline == datetime(2023, 1, 9, 23, 59, 59, 999999, ZONE)
    assert case.ended_at == datetime(2023, 1, 9, 12, tzinfo=ZONE)
    assert case.department == "税务局"
    assert [note.split(" / ")[0] for note in found.notes] == [
        "read as GB18030, semicolons",
        "numbers in enddate are read as Excel's serial numbers of days",
    ]
