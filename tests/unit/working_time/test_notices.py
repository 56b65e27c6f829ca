"""Notices of holidays as data."""

import json
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from contracts.working_time import Calendar, CountingRules, LimitHistory, due, published_calendar
from contracts.working_time.almanac import RegionalRules, almanac
from contracts.working_time.notices import InvalidNotice, Notice, amend, changes, in_force
from services.runtime.files.document import read_document
from services.runtime.files.encoding import InvalidFile
from tests.unit.working_time.test_limit_history import days

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data" / "calendars"
PUBLISHED = published_calendar()
beside = pytest.mark.skipif(not SHARED.is_dir(), reason="the published notices are not beside this checkout")


def notice(year: int, *entries: tuple[str, bool], region: str = "CN", name: str = "春节", **more: Any) -> str:
    listed = [{"name": name, "date": day, "isOffDay": off} for day, off in entries]
    return json.dumps({"year": year, "region": region, "days": listed, **more})


def read(content: str | bytes) -> Notice:
    return read_document(Notice, content)


def next_notice(calendar: Calendar) -> str:
    year = calendar.first_unpublished.year
    return notice(year, (f"{year}-05-03", True), name="劳动节")


@beside
def test_every_published_notice_is_part_of_the_calendar() -> None:
    for path in sorted(SHARED.glob("20*.json")):
        published = read(path.read_bytes())
        assert changes(PUBLISHED, amend(PUBLISHED, published)) == [], path.name


@beside
@pytest.mark.parametrize(
    ("before", "start", "limit", "then", "now"),
    [
        # May Day 2019 was lengthened to four days on 22 March, with two days worked for it.
        ("2019-before-2019-03-22.json", "2019-04-29T10:00", 5, "2019-05-07", "2019-05-08"),
        # The Spring Festival of 2020 was lengthened to 2 February on 27 January.
        ("2020-before-2020-01-27.json", "2020-01-22T10:00", 3, "2020-02-01", "2020-02-04"),
    ],
)
def test_both_past_amendments_move_deadlines(before: str, start: str, limit: int, then: str, now: str) -> None:
    began = datetime.fromisoformat(start).replace(tzinfo=ZoneInfo("Asia/Shanghai"))
    earlier = amend(PUBLISHED, read((SHARED / "amendments" / before).read_bytes()))
    later = amend(earlier, read((SHARED / f"{before[:4]}.json").read_bytes()))
    moved = [due(LimitHistory(days(limit), began), CountingRules(calendar)) for calendar in (earlier, later)]
    assert [str(one[0].date()) for one in moved] == [then, now]
    assert changes(later, PUBLISHED) == []


def test_next_years_notice_publishes_the_year() -> None:
    after = amend(PUBLISHED, read(next_notice(PUBLISHED)))
    year = PUBLISHED.first_unpublished.year
    assert after.first_unpublished == date(year + 1, 1, 1)
    assert not after.is_working(date(year, 5, 3))
    assert changes(PUBLISHED, after)[-1].kind == "now published"


def test_the_same_notice_again_changes_nothing() -> None:
    published = read(next_notice(PUBLISHED))
    once = amend(PUBLISHED, published)
    assert changes(once, amend(once, published)) == []
    assert read(next_notice(PUBLISHED)).version == published.version


def test_a_regional_notice_adds_to_the_national_one_in_its_region_only() -> None:
    festival = read(notice(2026, ("2026-04-20", True), ("2026-04-25", False), region="CN-45", name="壮族三月三"))
    guangxi = in_force(PUBLISHED, [festival], "CN-45")
    assert not guangxi.is_working(date(2026, 4, 20)) and guangxi.is_working(date(2026, 4, 25))
    assert guangxi.region == "CN-45" and festival.version in guangxi.version
    assert in_force(PUBLISHED, [festival], "CN-44").is_working(date(2026, 4, 20))


def test_a_city_and_a_county_add_to_the_province() -> None:
    def days(region: str, *named: tuple[str, bool]) -> Notice:
        return read(notice(2026, *named, region=region))

    notices = [
        days("CN-45", ("2026-04-20", True)),
        days("CN-4501", ("2026-04-21", True), ("2026-04-25", False)),
        days("CN-450103", ("2026-04-25", True)),
    ]
    rules = RegionalRules(almanac(notices))
    off = {
        region: [
            day for day in (20, 21, 25) if not rules.counting_rules(region).calendar.is_working(date(2026, 4, day))
        ]
        for region in ("450103", "450102", "450302", "440103", "")
    }
    assert off == {"450103": [20, 21, 25], "450102": [20, 21], "450302": [20, 25], "440103": [25], "": [25]}
    for region in ("450103", "450102", "450302"):
        ours = rules.counting_rules(region).calendar
        assert changes(ours, in_force(PUBLISHED, notices, f"CN-{region}")) == []
    assert rules.counting_rules("450102") is rules.counting_rules("450105"), "one object for a city"


def test_a_regional_notice_stays_when_the_national_one_is_amended() -> None:
    festival = read(notice(2026, ("2026-04-20", True), region="CN-45"))
    nation = read(notice(2026, ("2026-05-04", True)))
    assert not in_force(PUBLISHED, [festival, nation], "CN-45").is_working(date(2026, 4, 20))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("nonsense", "there are no fields"),
        ("{}", "year: is missing"),
        ('{"year": 2026, "year": 2027}', "year stands in line 1 already"),
        (notice(2026), "days: has 0 entries; at least 1"),
        (notice(2026, ("2026-02-30", True)), r"days\[1\].date: 2026-02-30 is no day"),
        (notice(2026, (20, True)), r"days\[1\].date: 20 is no date"),  # type: ignore[arg-type]
        (notice(2026, ("2026-02-17", True), ("2026-02-17", False)), r"days\[2\].date: 2026-02-17 is the same as day 1"),
        (notice(2026, ("2024-02-17", True)), r"days\[1\].date: 2024-02-17 does not belong to the year 2026"),
        (notice(2026, ("2026-02-17", True), region="Guangxi"), "region: must be CN, a province such as CN-45"),
        (notice(2026, ("2026-02-17", "yes")), r"days\[1\].isOffDay: must be true or false"),  # type: ignore[arg-type]
    ],
)
def test_a_faulty_notice_is_refused_with_place_and_reason(text: str, fault: str) -> None:
    with pytest.raises(InvalidFile, match=f"^line 1: {fault}.* / "):
        read(text)


def test_a_notice_that_leaves_a_year_out_is_refused() -> None:
    year = PUBLISHED.first_unpublished.year
    with pytest.raises(InvalidNotice, match=f"the notice for {year} must come first"):
        amend(PUBLISHED, read(notice(year + 1, (f"{year + 1}-05-03", True))))
    with pytest.raises(InvalidNotice, match="adds to it"):
        amend(PUBLISHED, read(notice(year, (f"{year}-05-03", True), region="CN-45")))
