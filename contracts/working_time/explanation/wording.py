"""Explanations of deadlines as text, in Chinese and English."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from contracts.bilingual import Language
from contracts.working_time.counted_time import SECOND
from contracts.working_time.explanation.explain import DayKind, ExplainedDay, Explanation
from contracts.working_time.limit_history import Suspension, Unit
from contracts.working_time.published import festival_in_english

_WEEKDAYS = {
    "zh": ("周一", "周二", "周三", "周四", "周五", "周六", "周日"),
    "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
}

_KINDS = {
    "zh": {
        DayKind.EVENT: "事件当日,不计",
        DayKind.COUNTED: "计",
        DayKind.MAKEUP: "调休上班,计",
        DayKind.WEEKEND: "休息日,不计",
        DayKind.HOLIDAY: "节假日,不计",
        DayKind.SUSPENDED: "暂停计时,不计",
        DayKind.ROLLED: "期限顺延至此日",
    },
    "en": {
        DayKind.EVENT: "day of the event, not counted",
        DayKind.COUNTED: "counted",
        DayKind.MAKEUP: "worked in place of a holiday, counted",
        DayKind.WEEKEND: "day off, not counted",
        DayKind.HOLIDAY: "holiday, not counted",
        DayKind.SUSPENDED: "suspended, not counted",
        DayKind.ROLLED: "the limit ends here",
    },
}

_UNITS = {
    "zh": {Unit.WORKING_DAYS: "个工作日", Unit.CALENDAR_DAYS: "日"},
    "en": {Unit.WORKING_DAYS: "working days", Unit.CALENDAR_DAYS: "days"},
}


def amount(quantity: int, unit: Unit, language: Language) -> str:
    """An amount of time as text: 5 working days; 26:30:00 of working time.

    Working time is written in hours, however many, since a working day has fewer than 24.
    """
    if unit is not Unit.MICROSECONDS:
        name = _UNITS[language][unit]
        singular = language == "en" and quantity == 1
        return f"{quantity}{'' if language == 'zh' else ' '}{name[:-1] if singular else name}"
    minutes, seconds = divmod(quantity // SECOND, 60)
    hours, minutes = divmod(minutes, 60)
    clock = f"{hours:02}:{minutes:02}:{seconds:02}"
    return f"工作时间{clock}" if language == "zh" else f"{clock} of working time"


def moment(at: datetime, zone: str, language: Language) -> str:
    """A moment in the local time of a zone."""
    local = at.astimezone(ZoneInfo(zone))
    clock = f"{local:%H:%M}" if not (local.second or local.microsecond) else f"{local:%H:%M:%S}"
    return f"{day_name(local.date(), language)} {clock}"


def day_name(day: date, language: Language) -> str:
    """A day with its weekday."""
    weekday = _WEEKDAYS[language][day.weekday()]
    return f"{day.isoformat()} {weekday}" if language == "zh" else f"{weekday} {day.isoformat()}"


def summary(one: Explanation, language: Language) -> list[str]:
    """The result and its basis, one sentence a line."""
    zh = language == "zh"
    length = amount(one.amount, one.unit, language)
    began, starts = (moment(at, one.zone, language) for at in (one.began_at, one.starts_at))
    lines = [f"{began} 起算" if zh else f"Began {began}"]
    if one.days:
        lines[0] += f",期限 {length}" if zh else f", limit {length}"
    if one.starts_at != one.began_at:
        lines.append(f"{starts} 重新起算" if zh else f"Began anew {starts}")
    if one.extended_by:
        lines.append(f"其中延长 {one.extended_by} 日" if zh else f"Of which extended by {one.extended_by}")
    if one.due_at is not None:
        due = moment(one.due_at, one.zone, language)
        lines.append(f"到期: {due}" if zh else f"Due: {due}")
        if one.pinned:
            lines.append("到期时刻由他人指定" if zh else "The moment was fixed by another party")
        lines += [_without_effect(suspension, one.zone, language) for suspension in one.without_effect]
    if one.suspended_since is not None and one.left is not None:
        since, left = moment(one.suspended_since, one.zone, language), amount(one.left, one.unit, language)
        lines.append(f"自 {since} 暂停计时,尚余 {left}" if zh else f"Suspended since {since}, {left} left")
    if one.provisional_from is not None:
        first = day_name(one.provisional_from, language)
        lines.append(
            f"暂定: 自 {first} 起的放假安排尚未公布"
            if zh
            else f"Provisional: holidays from {first} on are not yet published"
        )
    if one.truncated:
        last = day_name(one.days[-1].day, language)
        lines.append(f"{last} 以后的日子从略" if zh else f"The days after {last} are left out")
    lines.append(f"日历: {one.calendar}" if zh else f"Calendar: {one.calendar}")
    if one.articles:
        lines.append(("依据: " if zh else "By: ") + "; ".join(one.articles))
    return lines


def _without_effect(suspension: Suspension, zone: str, language: Language) -> str:
    zh = language == "zh"
    since = moment(suspension.since, zone, language)
    reason = "  ".join(part for part in (suspension.reason, suspension.article) if part)
    if suspension.until is None:
        return (
            f"自 {since} 起的暂停计时不移动该时刻: {reason}"
            if zh
            else f"Not moved by the suspension since {since}: {reason}"
        )
    until = moment(suspension.until, zone, language)
    if zh:
        return f"{since} 至 {until} 的暂停计时不移动该时刻: {reason}"
    return f"Not moved by the suspension from {since} to {until}: {reason}"


def day_line(one: ExplainedDay, unit: Unit, language: Language) -> str:
    """One day: its kind, whether it counted, and why."""
    words = [day_name(one.day, language), _KINDS[language][one.kind]]
    if one.counted:
        if unit is Unit.MICROSECONDS:
            words.append(amount(one.counted, unit, language))
        else:
            words.append(f"第{one.total}日" if language == "zh" else f"day {one.total}")
    if one.name:
        words.append(one.name if language == "zh" else festival_in_english(one.name))
    words += [part for part in (one.reason, one.article) if part]
    if one.provisional:
        words.append("暂定" if language == "zh" else "provisional")
    return "  ".join(words)


def text(one: Explanation, language: Language) -> str:
    """The whole explanation, one line a day."""
    return "\n".join([*summary(one, language), "", *(day_line(day, one.unit, language) for day in one.days)])
