"""The course of a limit: suspensions, restarts, extensions, and the two rules of counting."""

import json
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.messages.plans import Limit
from contracts.working_time import (
    CountingMethod,
    CountingRules,
    Due,
    Extension,
    LimitHistory,
    OfficeHours,
    Suspended,
    Suspension,
    due,
    published_calendar,
    working_days_used,
)
from contracts.working_time.counted_time import SECOND
from contracts.working_time.hours import parse_sessions
from contracts.working_time.limit_history import Unit
from tests.unit.working_time import naive

CALENDAR = published_calendar()
HOURS = OfficeHours()
BY_DAY = CountingRules(CALENDAR, HOURS)
BY_SECOND = CountingRules(CALENDAR, HOURS, CountingMethod.SECOND)
SHANGHAI = ZoneInfo("Asia/Shanghai")
CARD_RULES = Path(__file__).resolve().parents[4] / "shared" / "data" / "rules" / "card-rules.json"
A_SECOND = timedelta(seconds=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def stay(since: str, until: str | None = None, article: str = "行政许可法第四十五条") -> Suspension:
    return Suspension(at(since), at(until) if until else None, "专家评审", article)


def days(n: int) -> Limit:
    return Limit(working_days=n)


def closing(day: str) -> Due:
    return Due(at(f"{day}T17:30"), provisional=False)


# 行政许可法第四十五条: time that a special procedure needs is not within the limit.
@pytest.mark.parametrize(
    ("suspensions", "last"),
    [
        ((), "2026-03-09"),
        ((stay("2026-03-04T15:00", "2026-03-06T09:00"),), "2026-03-11"),  # 4 and 5 do not count, 6 does again
        ((stay("2026-03-04T09:00", "2026-03-04T17:00"),), "2026-03-09"),  # begun and ended on one day: that day counts
        ((stay("2026-03-06T09:00", "2026-03-09T09:00"),), "2026-03-10"),  # one working day and a weekend
        ((stay("2026-03-07T09:00", "2026-03-09T09:00"),), "2026-03-09"),  # a weekend takes nothing
        ((stay("2026-03-09T09:00", "2026-03-10T09:00"),), "2026-03-10"),  # the last day itself
        ((stay("2026-03-10T09:00", "2026-03-20T09:00"),), "2026-03-09"),  # after the end it is too late to suspend
        ((stay("2026-02-20T09:00", "2026-03-04T09:00"),), "2026-03-10"),  # what lies before the event takes nothing
        ((stay("2026-03-03T09:00", "2026-03-05T09:00"), stay("2026-03-04T09:00", "2026-03-06T09:00")), "2026-03-12"),
        ((stay("2026-03-09T09:00", "2026-03-11T09:00"), stay("2026-03-11T09:00", "2026-03-12T09:00")), "2026-03-12"),
    ],
)
def test_article_45_days_of_a_special_procedure_do_not_count(suspensions: tuple[Suspension, ...], last: str) -> None:
    assert due(LimitHistory(days(5), at("2026-03-02T10:00"), suspensions), BY_DAY) == closing(last)


def test_article_45_while_a_suspension_is_open_nothing_is_due_and_the_rest_is_known() -> None:
    course = LimitHistory(days(5), at("2026-03-02T10:00"), (stay("2026-03-04T15:00"),))
    assert due(course, BY_DAY) == Suspended(at("2026-03-04T15:00"), 4, Unit.WORKING_DAYS)
    closed = stay("2026-03-04T15:00", "2026-03-06T09:00")
    course = LimitHistory(days(5), at("2026-03-02T10:00"), (closed, stay("2026-03-10T09:00")))
    assert due(course, BY_DAY) == Suspended(at("2026-03-10T09:00"), 2, Unit.WORKING_DAYS)
    too_late = LimitHistory(days(5), at("2026-03-02T10:00"), (stay("2026-03-10T09:00"),))
    assert due(too_late, BY_DAY) == closing("2026-03-09")


# 行政许可法第四十二条: extended once, by ten days, with a reason to the applicant.
def test_article_42_an_extension_adds_days_once() -> None:
    more = Extension(10, "案情复杂", at("2026-03-06T10:00"))
    assert due(LimitHistory(days(20), at("2026-03-02T10:00"), extension=more), BY_DAY) == closing("2026-04-14")
    with pytest.raises(ValueError, match="reason"):
        Extension(10, " ", at("2026-03-06T10:00"))
    with pytest.raises(ValueError, match="one day"):
        Extension(0, "案情复杂", at("2026-03-06T10:00"))


def test_a_restart_begins_anew() -> None:
    course = LimitHistory(days(5), at("2026-03-02T10:00"), (stay("2026-03-03T09:00", "2026-03-05T09:00"),))
    restarted = LimitHistory(days(5), course.began_at, course.suspensions, restarted_at=at("2026-03-05T09:00"))
    assert due(restarted, BY_DAY) == closing("2026-03-12")


# 民法典第二百零二条, 第二百零三条
@pytest.mark.parametrize(
    ("limit", "start", "last"),
    [
        (Limit(calendar_days=10), "2026-03-02T10:00", "2026-03-12"),
        (Limit(calendar_days=5), "2026-03-02T10:00", "2026-03-09"),  # a Saturday: the Monday after
        (Limit(calendar_days=3), "2026-09-28T10:00", "2026-10-08"),  # the first of the holiday: the day after it
        (Limit(calendar_days=12), "2026-09-28T10:00", "2026-10-10"),  # a Saturday that is worked
        (Limit(months=1), "2026-03-02T10:00", "2026-04-02"),
        (Limit(months=1), "2026-01-31T10:00", "2026-02-28"),  # no 31st: the last of the month, and it is worked
        (Limit(months=12), "2025-02-28T10:00", "2026-02-28"),
        (Limit(months=2), "2026-08-03T10:00", "2026-10-08"),
    ],
)
def test_articles_202_and_203_days_and_months_end_on_a_working_day(limit: Limit, start: str, last: str) -> None:
    assert due(LimitHistory(limit, at(start)), BY_DAY) == closing(last)


def test_calendar_days_are_suspended_too_and_never_end_in_a_suspension() -> None:
    limit = Limit(calendar_days=5)
    three = stay("2026-03-03T09:00", "2026-03-06T09:00")
    assert due(LimitHistory(limit, at("2026-03-02T10:00"), (three,)), BY_DAY) == closing("2026-03-10")
    still_open = stay("2026-03-09T09:00")  # what would roll into a suspension without an end is not due
    assert due(LimitHistory(limit, at("2026-03-02T10:00"), (still_open,)), BY_DAY) == Suspended(
        at("2026-03-09T09:00"), 0, Unit.CALENDAR_DAYS
    )
    over_the_end = stay("2026-03-09T09:00", "2026-03-11T09:00")  # the Saturday would roll into it
    assert due(LimitHistory(limit, at("2026-03-02T10:00"), (over_the_end,)), BY_DAY) == closing("2026-03-11")


@pytest.mark.parametrize(
    ("minutes", "start", "ends"),
    [
        (60, "2026-03-02T10:00", "2026-03-02T11:00"),
        (60, "2026-03-02T11:30", "2026-03-02T14:00"),  # across the break at noon
        (60, "2026-03-06T17:00", "2026-03-09T09:30"),  # across a weekend
        (60, "2026-03-07T12:00", "2026-03-09T10:00"),  # begun on a Saturday
        (60, "2026-03-06T16:30", "2026-03-09T09:00"),  # used up at closing: no more passes until opening time
        (420, "2026-03-02T08:00", "2026-03-03T09:00"),  # seven hours are a day of business
    ],
)
def test_minutes_are_counted_within_the_hours_of_business(minutes: int, start: str, ends: str) -> None:
    hours = OfficeHours(sessions=parse_sessions(("9:00-12:00", "13:30-17:30")))
    for rule in CountingMethod:
        found = due(LimitHistory(Limit(working_minutes=minutes), at(start)), CountingRules(CALENDAR, hours, rule))
        assert found == Due(at(ends), provisional=False)


def test_the_earlier_of_a_length_and_a_fixed_moment_applies() -> None:
    start, fixed = at("2026-03-02T10:00"), at("2026-03-05T12:00")
    assert due(LimitHistory(Limit(working_days=5, due_at=fixed), start), BY_DAY) == Due(fixed, provisional=False)
    assert due(LimitHistory(Limit(working_days=2, due_at=fixed), start), BY_DAY) == closing("2026-03-04")
    suspended = LimitHistory(Limit(working_days=5, due_at=fixed), start, (stay("2026-03-03T10:00"),))
    assert due(suspended, BY_DAY) == Due(fixed, provisional=False)


@pytest.mark.parametrize(
    "wrong", [{}, {"working_days": 1, "months": 1}, {"calendar_days": 0}, {"months": 0}, {"working_minutes": 0}]
)
def test_a_limit_has_one_length(wrong: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        Limit(**wrong)


def test_a_filing_is_due_on_the_spot_by_either_method_and_nothing_suspends_it() -> None:
    course = LimitHistory(days(0), at("2026-03-07T10:00"), (stay("2026-03-06T10:00"),))
    assert due(course, BY_DAY) == due(course, BY_SECOND) == closing("2026-03-09")


def test_a_suspension_cannot_end_before_it_begins() -> None:
    with pytest.raises(ValueError, match="suspension"):
        stay("2026-03-06T10:00", "2026-03-05T10:00")


def test_a_deadline_in_an_unpublished_year_is_provisional() -> None:
    late = datetime.combine(CALENDAR.first_unpublished - timedelta(days=3), time(10), SHANGHAI)
    found = due(LimitHistory(days(10), late), BY_SECOND)
    assert isinstance(found, Due) and found.provisional


# The worked timestamps of a province's rules: how many working days after the start each rung is overdue.
@pytest.mark.skipif(not CARD_RULES.is_file(), reason="the card rules are not beside this checkout")
def test_every_worked_timestamp_of_the_card_rules_to_the_second() -> None:
    rules = json.loads(CARD_RULES.read_text(encoding="utf-8"))
    # From the rules' text: "overtime >= k" is more than limit + k - 1 elapsed, "> k" is more than limit + k.
    offsets = {
        "case": {"pre_warning": ("promise_days", -3), "yellow": ("promise_days", 0), "red": ("statutory_days", 0)},
        "special_procedure": {"pre_warning": ("limit_days", -3), "yellow": ("limit_days", 0), "red": ("limit_days", 1)},
        "online_preaccept": {"pre_warning": ("limit_days", 0), "yellow": ("limit_days", 3), "red": ("limit_days", 5)},
        "e_licence": {"yellow": ("limit_days", 0)},
        "consultation": {"pre_warning": ("limit_days", -3), "yellow": ("limit_days", 0), "red": ("limit_days", 1)},
        "complaint": {"pre_warning": ("limit_days", -3), "yellow": ("limit_days", 0), "red": ("limit_days", 1)},
    }
    checked = 0
    for example in rules["examples"]:
        start = at(example["start"])
        for rung, (limit, offset) in offsets[example["kind"]].items():
            length = example[limit] + offset
            after = due(LimitHistory(days(length), start), BY_SECOND)
            worked = at(example[f"{rung}_after"])
            assert after == Due(worked, provisional=False), (example["kind"], rung)
            # At that second it is not late; one second later it is.
            assert naive.elapsed(start, worked, (), CALENDAR, HOURS) == timedelta(days=length)
            assert naive.elapsed(start, worked + A_SECOND, (), CALENDAR, HOURS) > timedelta(days=length)
            checked += 1
        if "due" in example:
            assert due(LimitHistory(days(example["limit_days"]), start), BY_SECOND) == Due(at(example["due"]), False)
    assert checked == 16


STARTS = st.timedeltas(timedelta(), timedelta(days=365 * 8)).map(
    lambda passed: datetime(2018, 1, 1, tzinfo=UTC) + timedelta(seconds=passed // A_SECOND)
)


@st.composite
def courses(draw: st.DrawFn) -> LimitHistory:
    start = draw(STARTS)
    suspensions = []
    for _ in range(draw(st.integers(0, 4))):
        since = start + timedelta(minutes=draw(st.integers(-5 * 1440, 40 * 1440)))
        lasts = draw(st.one_of(st.none(), st.integers(0, 30 * 1440)))
        suspensions.append(Suspension(since, None if lasts is None else since + timedelta(minutes=lasts)))
    return LimitHistory(days(draw(st.integers(1, 60))), start, tuple(suspensions))


@given(courses())
def test_by_the_day_agrees_with_a_naive_count(course: LimitHistory) -> None:
    length = course.limit.working_days or 0
    expected = naive.due_by_the_day(course.began_at, length, course.suspensions, CALENDAR, HOURS)
    found = due(course, BY_DAY)
    assert (found.at if isinstance(found, Due) else None) == expected


@given(courses(), st.integers(-10, 120))
def test_days_used_agree_with_a_naive_count(course: LimitHistory, later: int) -> None:
    start, end = course.began_at, course.began_at + timedelta(days=later)
    expected = naive.days_used(start, end, course.suspensions, CALENDAR, HOURS)
    for rules in (BY_DAY, BY_SECOND):
        assert working_days_used(start, course.suspensions, end, rules) == expected


@given(courses())
def test_a_limit_is_used_up_when_it_is_due(course: LimitHistory) -> None:
    found = due(course, BY_DAY)
    if isinstance(found, Due):
        assert working_days_used(course.began_at, course.suspensions, found.at, BY_DAY) == course.limit.working_days


@given(courses())
def test_by_the_second_exactly_the_limit_has_passed_when_it_is_due_and_more_a_moment_later(
    course: LimitHistory,
) -> None:
    limit = timedelta(days=course.limit.working_days or 0)
    found = due(course, BY_SECOND)
    if isinstance(found, Due):
        passed = naive.elapsed(course.began_at, found.at, course.suspensions, CALENDAR, HOURS)
        later = naive.elapsed(course.began_at, found.at + A_SECOND, course.suspensions, CALENDAR, HOURS)
        assert passed == limit < later
    else:
        before = naive.elapsed(course.began_at, max(found.since, course.began_at), course.suspensions, CALENDAR, HOURS)
        assert before + timedelta(microseconds=found.left) == limit
        assert found.unit is Unit.MICROSECONDS and found.left % SECOND == 0


@given(courses(), st.randoms(use_true_random=False), st.sampled_from(CountingMethod))
def test_the_order_of_suspensions_does_not_matter(course: LimitHistory, random: Random, rule: CountingMethod) -> None:
    shuffled = list(course.suspensions)
    random.shuffle(shuffled)
    terms = CountingRules(CALENDAR, HOURS, rule)
    assert due(LimitHistory(course.limit, course.began_at, tuple(shuffled)), terms) == due(course, terms)


@given(courses(), st.integers(1, 30), st.sampled_from(CountingMethod))
def test_a_longer_limit_and_a_later_start_are_never_due_sooner(
    course: LimitHistory, more: int, rule: CountingMethod
) -> None:
    terms = CountingRules(CALENDAR, HOURS, rule)
    found = due(course, terms)
    longer = due(
        LimitHistory(days((course.limit.working_days or 0) + more), course.began_at, course.suspensions), terms
    )
    later = due(LimitHistory(course.limit, course.began_at + timedelta(hours=more), course.suspensions), terms)
    if isinstance(found, Due):
        assert isinstance(longer, Suspended) or longer.at > found.at
        assert isinstance(later, Suspended) or later.at >= found.at
    else:
        assert isinstance(longer, Suspended)
