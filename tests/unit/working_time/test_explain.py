"""Explanations of deadlines: as data, as text, as a picture."""

from datetime import timedelta
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.bilingual import Language
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
)
from contracts.working_time.counted_time import counted_time
from contracts.working_time.explanation.explain import DayKind, explain
from contracts.working_time.explanation.svg import svg
from contracts.working_time.explanation.wording import text
from contracts.working_time.notices import Notice, amend
from tests.unit.working_time.test_limit_history import BY_DAY, CALENDAR, HOURS, at, courses, days, stay


def kinds(course: LimitHistory, terms: CountingRules = BY_DAY) -> list[str]:
    return [f"{day.day:%m-%d} {day.kind} {day.total}" for day in explain(course, terms).days]


def test_each_day_has_its_reason() -> None:
    course = LimitHistory(days(4), at("2026-09-28T10:00"), (stay("2026-09-30T09:00", "2026-10-08T09:00"),))
    assert kinds(course) == [
        "09-28 event 0",
        "09-29 counted 1",
        *[f"{day} suspended 1" for day in ("09-30", "10-01", "10-02", "10-03", "10-04", "10-05", "10-06", "10-07")],
        "10-08 counted 2",
        "10-09 counted 3",
        "10-10 makeup 4",
    ]
    found = explain(course, BY_DAY)
    assert found.days[2].article == "行政许可法第四十五条" and found.days[2].reason == "专家评审"
    assert "行政许可法第四十五条" in found.articles
    assert found.due_at == at("2026-10-10T17:30")


def test_days_off_have_their_names() -> None:
    found = explain(LimitHistory(days(3), at("2026-09-30T10:00")), BY_DAY)
    assert [(day.kind, day.name) for day in found.days[1:4]] == [(DayKind.HOLIDAY, "国庆节")] * 3
    assert found.days[-1].kind is DayKind.MAKEUP


def test_a_limit_that_ends_on_a_day_off_rolls_to_the_next_working_day() -> None:
    assert kinds(LimitHistory(Limit(calendar_days=5), at("2026-03-02T10:00")))[-3:] == [
        "03-07 counted 5",
        "03-08 weekend 5",
        "03-09 rolled 5",
    ]


def test_a_filing_that_comes_in_on_a_saturday_waits_for_monday() -> None:
    assert kinds(LimitHistory(days(0), at("2026-03-07T10:00"))) == [
        "03-07 event 0",
        "03-08 weekend 0",
        "03-09 rolled 0",
    ]


def test_an_open_suspension_shows_the_rest_of_the_limit() -> None:
    found = explain(LimitHistory(days(5), at("2026-03-02T10:00"), (stay("2026-03-04T15:00"),)), BY_DAY)
    assert (found.due_at, found.suspended_since, found.left) == (None, at("2026-03-04T15:00"), 4)
    assert "尚余 4个工作日" in text(found, "zh") and "4 working days left" in text(found, "en")


def test_a_year_not_yet_published_makes_it_provisional_from_its_first_day() -> None:
    start = at(f"{CALENDAR.first_unpublished - timedelta(days=5)}T10:00")
    found = explain(LimitHistory(days(10), start), BY_DAY)
    assert found.provisional_from == CALENDAR.provisional_from
    assert "暂定" in text(found, "zh") and "rovisional" in text(found, "en")


def test_a_deadline_late_in_december_is_provisional_before_the_next_notice() -> None:
    start = at(f"{CALENDAR.first_unpublished.year - 1}-12-24T10:00")
    found = due(LimitHistory(days(4), start), BY_DAY)
    assert isinstance(found, Due) and found.provisional
    year = CALENDAR.first_unpublished.year
    text = f'''{{"year": {year}, "days": [{{"name": "元旦", "date": "{year - 1}-12-30", "isOffDay": true}}]}}'''
    moved = due(LimitHistory(days(4), start), CountingRules(amend(CALENDAR, Notice.model_validate_json(text))))
    assert isinstance(moved, Due) and moved.at > found.at and not moved.provisional


def test_a_fixed_moment_is_as_provisional_as_the_days_before_it() -> None:
    start = at(f"{CALENDAR.first_unpublished.year - 1}-12-20T10:00")
    soon, late = (start + timedelta(days=days) for days in (3, 40))
    assert due(LimitHistory(Limit(working_days=29, due_at=soon), start), BY_DAY) == Due(soon, provisional=False)
    assert due(LimitHistory(Limit(working_days=29, due_at=late - timedelta(days=20)), start), BY_DAY)[1] is True
    explained = explain(LimitHistory(Limit(working_days=300, due_at=soon), start), BY_DAY)
    assert explained.pinned and explained.provisional_from is None
    assert explained.days[-1].day == HOURS.local(soon).date()


def test_a_suspension_after_the_last_counted_day_is_shown() -> None:
    course = LimitHistory(
        Limit(calendar_days=5), at("2026-03-02T10:00"), (stay("2026-03-09T09:00", "2026-03-11T09:00"),)
    )
    assert kinds(course)[-3:] == ["03-09 suspended 5", "03-10 suspended 5", "03-11 rolled 5"]


def test_the_longest_limits_are_explained_completely() -> None:
    found = explain(LimitHistory(days(3650), at("2012-06-01T10:00")), BY_DAY)
    assert found.days[-1].total == 3650 and not found.truncated
    forever = stay("2012-06-04T10:00", "2112-06-04T10:00")
    cut = explain(LimitHistory(days(3650), at("2012-06-01T10:00"), (forever,)), BY_DAY)
    assert cut.truncated and "are left out" in text(cut, "en") and "从略" in text(cut, "zh")


def test_elapsed_time_is_explained_by_the_share_of_each_day() -> None:
    found = explain(
        LimitHistory(days(2), at("2026-03-05T10:00")), CountingRules(CALENDAR, HOURS, CountingMethod.SECOND)
    )
    given_hours = [day.counted / 3_600_000_000 for day in found.days]
    assert given_hours == [14, 24, 0, 0, 10]
    assert "14:00:00" in text(found, "en") and "工作时间14:00:00" in text(found, "zh")


def test_a_fixed_moment_has_no_days() -> None:
    found = explain(LimitHistory(Limit(due_at=at("2026-03-05T12:00")), at("2026-03-02T10:00")), BY_DAY)
    assert (found.due_at, found.pinned, found.days) == (at("2026-03-05T12:00"), True, ())
    assert "fixed by another party" in text(found, "en") and svg(found, "zh").startswith("<svg")


@pytest.mark.parametrize(
    "limit", [Limit(due_at=at("2026-03-05T12:00")), days(9).replace(due_at=at("2026-03-05T12:00"))]
)
def test_a_fixed_moment_names_what_does_not_move_it(limit: Limit) -> None:
    ended, lasting = stay("2026-03-03T09:00", "2026-03-04T09:00"), Suspension(at("2026-03-05T09:00"), None, "鉴定")
    found = explain(LimitHistory(limit, at("2026-03-02T10:00"), (ended, lasting)), BY_DAY)
    assert found.due_at == at("2026-03-05T12:00") and found.without_effect == (ended, lasting)
    assert "Not moved by the suspension from Tue 2026-03-03 09:00 to Wed 2026-03-04 09:00: 专家评审" in text(
        found, "en"
    )
    assert "自 2026-03-05 周四 09:00 起的暂停计时不移动该时刻: 鉴定" in text(found, "zh")
    counted = explain(LimitHistory(days(9), at("2026-03-02T10:00"), (ended, lasting)), BY_DAY)
    assert not counted.without_effect and "Not moved" not in text(counted, "en")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_picture_shows_every_day(language: Language) -> None:
    extension = Extension(3, "案情复杂", at("2026-10-09T10:00"))
    course = LimitHistory(days(10), at("2026-09-28T10:00"), (stay("2026-10-09T09:00", "2026-10-12T09:00"),), extension)
    found = explain(course, BY_DAY)
    picture = ElementTree.fromstring(svg(found, language))
    texts = [element.text or "" for element in picture.iter() if element.tag.endswith("text")]
    assert texts.count("15") >= 1 and any("2026" in text for text in texts)
    frames = [element for element in picture.iter() if element.get("stroke") == "#b3261e"]
    assert len(frames) == 1
    assert not [element for element in picture.iter() if "href" in "".join(element.attrib)], "nothing from outside"


LIMITS = st.one_of(
    st.builds(Limit, working_days=st.integers(1, 40)),
    st.builds(Limit, calendar_days=st.integers(1, 60)),
    st.builds(Limit, months=st.integers(1, 6)),
    st.builds(Limit, working_minutes=st.integers(1, 5000)),
)


@given(courses(), LIMITS, st.sampled_from(CountingMethod))
def test_the_days_of_an_explanation_add_up_to_the_limit(
    course: LimitHistory, limit: Limit, rule: CountingMethod
) -> None:
    course = LimitHistory(limit, course.began_at, course.suspensions)
    terms = CountingRules(CALENDAR, OfficeHours(), rule)
    found, derived = due(course, terms), explain(course, terms)
    counted = sum(day.counted for day in derived.days)
    assert derived.days[-1].total == counted
    if isinstance(found, Suspended):
        assert counted + found.left == derived.amount
    else:
        assert counted == derived.amount == counted_time(course, terms).amount
        assert derived.due_at == found.at
        assert derived.days[-1].day == HOURS.local(found.at).date()
    assert len({day.day for day in derived.days}) == len(derived.days)
