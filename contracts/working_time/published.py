"""The calendar that the State Council has published so far (国务院办公厅关于部分节假日安排的通知)."""

from datetime import date
from functools import cache

import chinese_calendar

from contracts.working_time.calendar import Calendar, Day
from contracts.working_time.festivals import CHINESE


@cache
def published_calendar() -> Calendar:
    """The national calendar of holidays and make-up working days, from the library ``chinesecalendar``.

    Its data begin with 2004. The notice for a year appears in the autumn before. Later years are unpublished.
    """
    years = {day.year for day in chinese_calendar.holidays}
    off = {day: Day(True, CHINESE[str(name)]) for day, name in chinese_calendar.holidays.items()}
    worked = {day: Day(False, CHINESE[str(name)]) for day, name in chinese_calendar.workdays.items()}
    return Calendar(
        version=f"chinesecalendar {chinese_calendar.__version__}",
        region="CN",
        days=off | worked,
        first_published=date(min(years), 1, 1),
        first_unpublished=date(max(years) + 1, 1, 1),
    )
