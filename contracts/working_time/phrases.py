"""Days and lengths of time as people say them, in Chinese and English. Pure.

How long comes before until when. The year is written only where it is not the present one, and a day that is worked in
place of a holiday is named as such. All moments are local to the place.
"""

from datetime import date, datetime, timedelta
from enum import Enum
from typing import NamedTuple

from contracts.bilingual import Language
from contracts.working_time.calendar import Calendar

_WEEKDAYS = {
    "zh": ("周一", "周二", "周三", "周四", "周五", "周六", "周日"),
    "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
}

_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)

_QUARTERS = {"zh": ("第一", "第二", "第三", "第四"), "en": ("first", "second", "third", "fourth")}

_SATURDAY = 5


class Limit(Enum):
    """The limit that a phrase is about. The phrase always names it."""

    COMMITTED = ("committed limit", "承诺")
    STATUTORY = ("statutory limit", "法定")


class Phrase(NamedTuple):
    """How long, and until or since when. ``when`` may be empty."""

    length: str
    when: str
    language: Language

    def __str__(self) -> str:
        comma = "，" if self.language == "zh" else ", "
        return comma.join(part for part in (self.length, self.when) if part)


def day(one: date, today: date, language: Language) -> str:
    """A day: 4月30日, or 2027年1月6日 in another year than the present one; 30 Apr, 6 Jan 2027."""
    if language == "zh":
        return f"{one.year}年{one.month}月{one.day}日" if one.year != today.year else f"{one.month}月{one.day}日"
    year = f" {one.year}" if one.year != today.year else ""
    return f"{one.day} {_MONTHS[one.month - 1][:3]}{year}"


def weekday(one: date, today: date, language: Language, calendar: Calendar | None = None) -> str:
    """A day with its weekday: 5月12日 周二; Tue 12 May. By the calendar also 5月9日 周六（调休上班）."""
    name = _WEEKDAYS[language][one.weekday()]
    makeup = calendar is not None and one.weekday() >= _SATURDAY and calendar.is_working(one)
    if language == "zh":
        return f"{day(one, today, language)} {name}{'（调休上班）' if makeup else ''}"
    return f"{name} {day(one, today, language)}{' (make-up working day)' if makeup else ''}"


def moment(at: datetime, today: date, language: Language) -> str:
    """A moment: 5月7日 10:24; 7 May, 10:24."""
    return f"{day(at.date(), today, language)}{' ' if language == 'zh' else ', '}{at:%H:%M}"


def working_days(number: int, language: Language) -> str:
    """3 个工作日; 1 working day, 3 working days."""
    return f"{number} 个工作日" if language == "zh" else f"{number} working day{'' if number == 1 else 's'}"


def ahead(due_at: datetime, now: datetime, left: int, language: Language, calendar: Calendar | None = None) -> Phrase:
    """The rest of a limit: 还有 3 个工作日，5月12日 周二 17:30 止.

    On the last day hours and minutes: 今天到期，剩 7 小时 06 分. ``left``: working days from tomorrow to the last day.
    """
    zh = language == "zh"
    today = now.date()
    if due_at.date() == today:
        minutes = max(timedelta(0), due_at - now) // timedelta(minutes=1)
        hours, minutes = divmod(minutes, 60)
        if zh:
            return Phrase("今天到期", f"剩 {hours} 小时 {minutes:02} 分", language)
        return Phrase("Due today", f"{hours} h {minutes:02} min left", language)
    until = weekday(due_at.date(), today, language, calendar)
    number = working_days(left, language)
    if zh:
        return Phrase(f"还有 {number}", f"{until} {due_at:%H:%M} 止", language)
    return Phrase(f"{number} left", f"{until}, {due_at:%H:%M}", language)


def ahead_of_day(due_on: date, today: date, left: int, language: Language, calendar: Calendar | None = None) -> Phrase:
    """The rest of a limit of which the last day alone is known: 还有 3 个工作日，5月12日 周二 止."""
    until = weekday(due_on, today, language, calendar)
    if language == "zh":
        return Phrase(
            "今天到期" if due_on == today else f"还有 {working_days(left, language)}", f"{until} 止", language
        )
    return Phrase("Due today" if due_on == today else f"{working_days(left, language)} left", until, language)


def until(due_on: date, limit: Limit, today: date, language: Language) -> str:
    """The last day of a limit, and which limit it is: 承诺 4月30日 止; committed limit 30 Apr."""
    one = day(due_on, today, language)
    return f"{limit.value[1]} {one} 止" if language == "zh" else f"{limit.value[0]} {one}"


def over(by: int, due_on: date, limit: Limit, today: date, language: Language) -> Phrase:
    """A limit that is over: 超期 2 个工作日，承诺 4月30日 止.

    ``by``: working days after it, today included; none since its last day: 刚刚超期.
    """
    number = working_days(by, language)
    if by <= 0:
        length = "刚刚超期" if language == "zh" else "Just over"
    else:
        length = f"超期 {number}" if language == "zh" else f"{number} over"
    return Phrase(length, until(due_on, limit, today, language), language)


def answered(by: int, on_time: bool, due_on: date, today: date, language: Language) -> Phrase:
    """An answer, against the committed limit: 提前 2 个工作日办结，承诺 4月20日 止.

    ``by``: working days after the last day of the limit, negative before it.
    """
    zh = language == "zh"
    number = working_days(abs(by), language)
    if not on_time:
        length = (
            (f"逾期 {number}办结" if zh else f"Closed {number} late") if by else ("逾期办结" if zh else "Closed late")
        )
    elif by < 0:
        length = f"提前 {number}办结" if zh else f"Closed {number} early"
    else:
        length = "按时办结" if zh else "Closed on time"
    return Phrase(length, until(due_on, Limit.COMMITTED, today, language), language)


def stopped(left: int, since: date, today: date, language: Language) -> Phrase:
    """A limit whose time is suspended: 暂停计时，剩 2 个工作日，4月17日 起."""
    from_day = day(since, today, language)
    if language == "zh":
        return Phrase("暂停计时", f"剩 {working_days(left, language)}，{from_day} 起", language)
    return Phrase(f"Clock stopped since {from_day}", f"{working_days(left, language)} left", language)


def provisional(one: date, today: date, language: Language) -> str:
    """A day that a notice of holidays may still move: 2027年1月6日（暂定）."""
    return f"{day(one, today, language)}{'（暂定）' if language == 'zh' else ' (provisional)'}"


def platform_fault(department: str, language: Language) -> str:
    """A failure of the platform: 平台故障，不计部门."""
    return "平台故障，不计部门" if language == "zh" else f"Platform fault, not counted against {department}"


def period(first: date, last: date, months: int, language: Language, today: date | None = None) -> str:
    """A period: 2026年4月, 2026年第一季度, 2026年, 2026年4月3日至5月6日.

    ``months``: of how many calendar months it consists, 0 for other days. With ``today``, a month of the present year
    has no year: 3月; March.
    """
    zh = language == "zh"
    match months:
        case 1:
            year = "" if today is not None and today.year == first.year else str(first.year)
            if zh:
                return f"{year}年{first.month}月" if year else f"{first.month}月"
            return f"{_MONTHS[first.month - 1]} {year}".strip()
        case 3 if first.month % 3 == 1:
            quarter = _QUARTERS[language][first.month // 3]
            return f"{first.year}年{quarter}季度" if zh else f"the {quarter} quarter of {first.year}"
        case 12 if first.month == 1:
            return f"{first.year}年" if zh else str(first.year)
        case _:
            if zh:
                return f"{first.year}年{first.month}月{first.day}日至{day(last, first, language)}"
            return f"{day(first, last, language)} to {day(last, date.min, language)}"


def change(value: float, unit: str, than: str, language: Language) -> str:
    """A difference to an earlier period: 比3月高 0.21 个百分点; 0.21 points above March.

    ``unit``: 个百分点, 天, 件; points, days, or empty.
    """
    amount = f"{abs(value):,.2f}" if isinstance(value, float) and not value.is_integer() else f"{abs(value):,.0f}"
    if language == "zh":
        return f"比{than}{'高' if value > 0 else '低'} {amount} {unit}" if value else f"与{than}相同"
    if not value:
        return f"Same as {than}"
    return f"{amount} {unit} {'above' if value > 0 else 'below'} {than}".replace("  ", " ")
