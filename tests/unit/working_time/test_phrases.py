"""Days and lengths of time as people say them: the examples of the design, and what holds for all."""

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.bilingual import Language
from contracts.working_time import phrases, published_calendar
from contracts.working_time.phrases import Limit

at = datetime.fromisoformat

NOW = at("2026-05-07 10:24")
TODAY = NOW.date()
DAYS = st.dates(date(2000, 1, 1), date(2199, 12, 31))
BOTH: tuple[Language, ...] = ("zh", "en")


def in_both(say: "object") -> tuple[str, str]:
    return tuple(str(say(language)) for language in BOTH)  # type: ignore[operator, return-value]


@pytest.mark.parametrize(
    ("due", "left", "zh", "en"),
    [
        (
            at("2026-05-12 17:30"),
            3,
            "还有 3 个工作日，5月12日 周二 17:30 止",
            "3 working days left, Tue 12 May, 17:30",
        ),
        (
            at("2026-05-08 17:30"),
            1,
            "还有 1 个工作日，5月8日 周五 17:30 止",
            "1 working day left, Fri 8 May, 17:30",
        ),
        (
            at("2026-05-09 17:30"),
            2,
            "还有 2 个工作日，5月9日 周六（调休上班） 17:30 止",
            "2 working days left, Sat 9 May (make-up working day), 17:30",
        ),
        (
            at("2027-01-06 17:30"),
            167,
            "还有 167 个工作日，2027年1月6日 周三 17:30 止",
            "167 working days left, Wed 6 Jan 2027, 17:30",
        ),
        (at("2026-05-07 17:30"), 0, "今天到期，剩 7 小时 06 分", "Due today, 7 h 06 min left"),
        (at("2026-05-07 10:23"), 0, "今天到期，剩 0 小时 00 分", "Due today, 0 h 00 min left"),
    ],
)
def test_the_rest_of_a_limit(due: datetime, left: int, zh: str, en: str) -> None:
    calendar = published_calendar()
    assert in_both(lambda language: phrases.ahead(due, NOW, left, language, calendar)) == (zh, en)


def test_a_limit_that_is_over_says_which_limit_it_is() -> None:
    due = date(2026, 4, 30)
    assert in_both(lambda language: phrases.over(2, due, Limit.COMMITTED, TODAY, language)) == (
        "超期 2 个工作日，承诺 4月30日 止",
        "2 working days over, committed limit 30 Apr",
    )
    assert in_both(lambda language: phrases.over(1, date(2025, 12, 31), Limit.STATUTORY, TODAY, language)) == (
        "超期 1 个工作日，法定 2025年12月31日 止",
        "1 working day over, statutory limit 31 Dec 2025",
    )
    assert in_both(lambda language: phrases.over(0, TODAY, Limit.COMMITTED, TODAY, language)) == (
        f"刚刚超期，承诺 {phrases.day(TODAY, TODAY, 'zh')} 止",
        f"Just over, committed limit {phrases.day(TODAY, TODAY, 'en')}",
    )


def test_a_clock_that_is_stopped_a_day_that_may_move_and_a_fault_of_ours() -> None:
    assert in_both(lambda language: phrases.stopped(2, date(2026, 4, 17), TODAY, language)) == (
        "暂停计时，剩 2 个工作日，4月17日 起",
        "Clock stopped since 17 Apr, 2 working days left",
    )
    assert in_both(lambda language: phrases.provisional(date(2027, 1, 6), TODAY, language)) == (
        "2027年1月6日（暂定）",
        "6 Jan 2027 (provisional)",
    )
    assert in_both(lambda language: phrases.platform_fault("Land", language)) == (
        "平台故障，不计部门",
        "Platform fault, not counted against Land",
    )


@pytest.mark.parametrize(
    ("value", "zh", "en"),
    [
        (0.21, "比3月高 0.21 个百分点", "0.21 points above March"),
        (-1.43, "比3月低 1.43 个百分点", "1.43 points below March"),
        (2.0, "比3月高 2 个百分点", "2 points above March"),
        (0.0, "与3月相同", "Same as March"),
    ],
)
def test_a_change(value: float, zh: str, en: str) -> None:
    assert phrases.change(value, "个百分点", "3月", "zh") == zh
    assert phrases.change(value, "points", "March", "en") == en


def test_a_change_of_cases() -> None:
    assert phrases.change(-2, "件", "3月", "zh") == "比3月低 2 件"
    assert phrases.change(-2, "", "March", "en") == "2 below March"


@pytest.mark.parametrize(
    ("first", "last", "months", "zh", "en"),
    [
        (date(2026, 4, 1), date(2026, 4, 30), 1, "2026年4月", "April 2026"),
        (date(2026, 1, 1), date(2026, 3, 31), 3, "2026年第一季度", "the first quarter of 2026"),
        (date(2025, 10, 1), date(2025, 12, 31), 3, "2025年第四季度", "the fourth quarter of 2025"),
        (date(2026, 1, 1), date(2026, 12, 31), 12, "2026年", "2026"),
        (date(2026, 4, 3), date(2026, 5, 6), 0, "2026年4月3日至5月6日", "3 Apr to 6 May 2026"),
        (date(2025, 12, 3), date(2026, 1, 6), 0, "2025年12月3日至2026年1月6日", "3 Dec 2025 to 6 Jan 2026"),
        (date(2026, 2, 1), date(2026, 4, 30), 3, "2026年2月1日至4月30日", "1 Feb to 30 Apr 2026"),
    ],
)
def test_a_period(first: date, last: date, months: int, zh: str, en: str) -> None:
    assert in_both(lambda language: phrases.period(first, last, months, language)) == (zh, en)


def test_a_month_of_the_same_year_has_no_year() -> None:
    month = (date(2026, 3, 1), date(2026, 3, 31), 1)
    assert in_both(lambda language: phrases.period(*month, language, date(2026, 4, 1))) == ("3月", "March")
    assert in_both(lambda language: phrases.period(*month, language, date(2027, 1, 1))) == ("2026年3月", "March 2026")


@given(DAYS, DAYS)
def test_the_year_is_said_only_where_it_is_another_one(one: date, today: date) -> None:
    for language in BOTH:
        for said in (phrases.day(one, today, language), phrases.weekday(one, today, language)):
            assert (str(one.year) in said) == (one.year != today.year)


@given(DAYS, st.integers(0, 86_399), st.integers(1, 400))
def test_a_phrase_has_its_length_first_and_no_empty_part(day: date, second: int, days: int) -> None:
    now = datetime.combine(day, datetime.min.time()) + timedelta(seconds=second)
    for language in BOTH:
        for phrase in (
            phrases.ahead(now + timedelta(days=days), now, days, language),
            phrases.ahead(now, now, 0, language),
            phrases.over(days, day, Limit.COMMITTED, day, language),
            phrases.stopped(days, day, day, language),
        ):
            assert phrase.length and phrase.when and str(phrase).startswith(phrase.length)
            assert ("，" in str(phrase)) == (language == "zh")


@given(DAYS)
def test_make_up_days_alone_are_named_as_such(one: date) -> None:
    calendar = published_calendar()
    makeup = one.weekday() >= 5 and calendar.is_working(one)
    assert ("调休上班" in phrases.weekday(one, TODAY, "zh", calendar)) == makeup
    assert ("make-up" in phrases.weekday(one, TODAY, "en", calendar)) == makeup
