"""Days and moments as people and spreadsheet programs write them."""

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from contracts.faults import texts_of
from contracts.working_time.written import WrittenDate, parse_written


@pytest.mark.parametrize(
    "text",
    [
        "2023-01-05",
        "2023/1/5",
        "2023.1.5",
        "2023-1-5",
        "2023年1月5日",
        "2023 年 1 月 5 号",
        "２０２３／１／５",
        "20230105",
        "44931",
    ],
)
def test_a_day(text: str) -> None:
    found = parse_written(text)
    assert (found.at, found.is_day) == (datetime(2023, 1, 5), True)  # noqa: DTZ001


@pytest.mark.parametrize(
    "text",
    [
        "2023-01-05 09:30",
        "2023-01-05T09:30:00",
        "2023/1/5 9:30",
        "2023/1/5 9:30:00",
        "2023/1/5 上午9:30:00",
        "2023/1/5上午9:30",
        "2023年1月5日 9时30分",
        "2023年1月5日9时30分0秒",
        "2023年1月5日 9点30分",
        "20230105093000",
        "202301050930",
        "44931.3958333333",
    ],
)
def test_a_moment(text: str) -> None:
    found = parse_written(text)
    assert (found.at, found.is_day) == (datetime(2023, 1, 5, 9, 30), False)  # noqa: DTZ001


def test_afternoons_the_end_of_a_day_and_zones() -> None:
    assert parse_written("2023/1/5 下午2:05").at.hour == 14
    assert parse_written("2023/1/5 24:00").at == datetime(2023, 1, 6)  # noqa: DTZ001
    assert parse_written("2023/1/5 9:30+08:00").at == datetime(2023, 1, 5, 1, 30, tzinfo=UTC)
    assert parse_written("2023/1/5 9:30Z").at.tzinfo is not None


@pytest.mark.parametrize("serial", ["44931.999999", "44931.99999998843"])
def test_the_last_moment_of_a_day_is_not_the_next_day(serial: str) -> None:
    found = parse_written(serial)
    assert (found.at, found.is_day) == (datetime(2023, 1, 6), False)  # noqa: DTZ001


def test_only_serial_numbers_count_as_such() -> None:
    assert parse_written("44931").is_serial and not parse_written("2023/1/5").is_serial


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1/5/2023", "write the year first"),
        ("05.01.2023", "write the year first"),
        ("5-1-23", "write the year first"),
        ("2023/2/30", "no day and time of the calendar"),
        ("2023-02-30", "no day and time of the calendar"),
        ("2023/1/5 25:00", "no day and time of the calendar"),
        ("2023/1/5 上午12:30", "midnight or noon"),
        ("2023/1/5 上午13:30", "midnight or noon"),
        ("2023-01-05+08:00", "write for example 2026-03-02"),
        ("2023-01-05-08:00", "write for example 2026-03-02"),
        ("2023-01-05x08:00", "write for example 2026-03-02"),
        ("2023-1-123:00", "write for example 2026-03-02"),
        ("yesterday", "write for example 2026-03-02"),
        ("12", "write for example 2026-03-02"),
        ("2023", "write for example 2026-03-02"),
        ("", "write for example 2026-03-02"),
    ],
)
def test_another_text_is_refused_with_what_to_write(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as refused:
        parse_written(text)
    assert texts_of(refused.value)[1] != texts_of(refused.value)[0]


@given(st.datetimes(datetime(1950, 1, 1), datetime(2173, 1, 1)))  # noqa: DTZ001
def test_what_programs_write_is_read_again(at: datetime) -> None:
    assert parse_written(at.isoformat()).at == at
    assert parse_written(at.replace(tzinfo=timezone(timedelta(hours=8))).isoformat()).at.replace(tzinfo=None) == at
    second = at.replace(microsecond=0)
    assert parse_written(f"{at.year}年{at.month}月{at.day}日 {at.hour}时{at.minute}分{at.second}秒").at == second
    serial = (second - datetime(1899, 12, 30)) / timedelta(days=1)  # noqa: DTZ001
    assert parse_written(f"{serial:.8f}").at == second


@given(st.text(max_size=30))
def test_any_text_is_a_moment_or_refused(text: str) -> None:
    with suppress(ValueError):
        assert parse_written(text).at


DAYS: TypeAdapter[date] = TypeAdapter(WrittenDate)


@pytest.mark.parametrize("value", ["2026-03-02", "2026/3/2", 20260302, date(2026, 3, 2)])
def test_the_day_of_a_document(value: object) -> None:
    assert DAYS.validate_python(value) == date(2026, 3, 2)


@pytest.mark.parametrize("value", ["2026-03-02 09:00", 0, True, 12.5, None])
def test_a_number_or_a_moment_is_no_day(value: object) -> None:
    with pytest.raises(ValidationError):
        DAYS.validate_python(value)
