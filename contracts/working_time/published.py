"""The calendar as the State Council has published it so far (国务院办公厅关于部分节假日安排的通知)."""

from datetime import date
from functools import cache

import chinese_calendar

from contracts.working_time.calendar import Calendar, Day

_ENGLISH = {
    "元旦": "New Year's Day",
    "春节": "Spring Festival",
    "清明节": "Tomb-sweeping Day",
    "劳动节": "Labour Day",
    "端午节": "Dragon Boat Festival",
    "中秋节": "Mid-autumn Festival",
    "国庆节": "National Day",
    "抗战胜利70周年": "Anti-Fascist 70th Day",
    "壮族三月三": "Zhuang festival of the third of March",
}
"""Festivals, Chinese name -> English name as in ``chinesecalendar`` (全国年节及纪念日放假办法, 2024, article 2)."""

_CHINESE = {english: chinese for chinese, english in _ENGLISH.items()}

_SEPARATORS = "、和，,及"


@cache
def published_calendar() -> Calendar:
    """The national calendar of holidays and make-up working days, from the library ``chinesecalendar``.

    Its data begin with 2004. The notice for a year appears in the autumn before. Later years are unpublished.
    """
    years = {day.year for day in chinese_calendar.holidays}
    off = {day: Day(True, _CHINESE[str(name)]) for day, name in chinese_calendar.holidays.items()}
    worked = {day: Day(False, _CHINESE[str(name)]) for day, name in chinese_calendar.workdays.items()}
    return Calendar(
        version=f"chinesecalendar {chinese_calendar.__version__}",
        region="CN",
        days=off | worked,
        first_published=date(min(years), 1, 1),
        first_unpublished=date(max(years) + 1, 1, 1),
    )


def festival_in_english(name: str) -> str:
    """The English name of a festival, or of several joined ones. Unknown names stay as they are."""
    for separator in _SEPARATORS:
        name = name.replace(separator, "、")
    return " and ".join(_ENGLISH.get(part, part) for part in name.split("、") if part)
