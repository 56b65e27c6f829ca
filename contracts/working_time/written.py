"""Days and moments as people and spreadsheet programs write them.

``2023-01-05``, ``2023/1/5``, ``2023.1.5``, ``2023年1月5日``, ``20230105``, each with or without a time, and Excel's
serial numbers (days since 30 December 1899). A date that begins with the day or the month is not guessed: 1/5/2023 may
be either.
"""

import re
from datetime import date, datetime, time, timedelta
from typing import Annotated, NamedTuple
from unicodedata import normalize

from pydantic import BeforeValidator

from contracts.faults import fault

_SERIAL = re.compile(r"[1-9][0-9]{4}(\.[0-9]+)?")

_DAY_ZERO = datetime(1899, 12, 30)  # noqa: DTZ001 - a serial number has no zone
"""Day zero of the serial numbers from 1 March 1900 on; Excel has a 29 February 1900."""

_DATE = r"(?P<year>[0-9]{4})\s*[-/.年]\s*(?P<month>[0-9]{1,2})\s*[-/.月]\s*(?P<day>[0-9]{1,2})\s*[日号]?"
_DIGITS = r"(?P<year>[0-9]{4})(?P<month>[0-9]{2})(?P<day>[0-9]{2})"
_TIME = (
    r"(?P<half>上午|下午)?\s*(?P<hour>[0-9]{1,2})\s*[:时点]\s*"
    r"(?:(?P<minute>[0-9]{1,2})\s*(?:[:分]\s*(?:(?P<second>[0-9]{1,2})(?P<fraction>\.[0-9]{1,6})?\s*秒?)?)?)?"
    r"\s*(?P<zone>Z|[+-][0-9]{2}:?[0-9]{2})?"
)
_FORMS = (
    re.compile(rf"{_DATE}(?:(?:[\sT]+|(?<=[日号])|(?=[上下]午)){_TIME})?", re.IGNORECASE),
    re.compile(rf"{_DIGITS}(?:(?P<hour>[0-9]{{2}})(?P<minute>[0-9]{{2}})(?P<second>[0-9]{{2}})?)?"),
)
_DAY_OR_MONTH_FIRST = re.compile(r"[0-9]{1,2}[-/. ][0-9]{1,2}[-/. ][0-9]{2,4}.*")


class Written(NamedTuple):
    """A moment as it was written. ``at`` has a zone only if the text has one.

    ``is_day``: a day without a time, which begins at ``at``. ``is_serial``: a serial number of Excel.
    """

    at: datetime
    is_day: bool
    is_serial: bool = False


def parse_written(text: str) -> Written:
    """The day or moment that this text names. Raises `ValueError` (`contracts.faults`), with what to write instead."""
    plain = normalize("NFKC", text).strip()
    if (found := _iso(plain)) is not None:
        return found
    if _SERIAL.fullmatch(plain):
        seconds = round(float(plain) * 86_400)
        is_day = float(plain).is_integer()  # a last moment of a day, rounded, is no day of its own
        return Written(_DAY_ZERO + timedelta(seconds=seconds), is_day, is_serial=True)
    matched = next((match for form in _FORMS if (match := form.fullmatch(plain))), None)
    if matched is not None:
        parts = matched.groupdict()
        if parts.get("half") == "上午" and int(parts["hour"]) >= 12:
            raise fault(
                f"{plain[:40]} may be midnight or noon; write the hour from 0 to 23 without 上午",
                f"{plain[:40]} 可能是零时或正午，请按二十四小时制填写，不写“上午”",
            )
        try:
            return _of(parts)
        except ValueError:
            en, zh = "is no day and time of the calendar; correct it", "不是有效的日期或时间，请更正"
            raise fault(f"{plain[:40]} {en}", f"{plain[:40]} {zh}") from None
    if _DAY_OR_MONTH_FIRST.fullmatch(plain):
        raise fault(
            f"{plain[:40]} may begin with the day or with the month; write the year first, such as 2026-03-02",
            f"{plain[:40]} 的日、月次序不明，请按年月日填写，例如 2026-03-02",
        )
    raise fault(
        f"{plain[:40]} is no date and time; write for example 2026-03-02 or 2026-03-02 09:00",
        f"{plain[:40]} 不是日期或时间，请填写例如 2026-03-02 或 2026-03-02 09:00",
    )


def _iso(text: str) -> Written | None:
    if "-" in text[:5] and text[10:11] not in ("", "T", "t", " "):
        return None  # Python takes any character there, so that the zone of a day would be a time
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    try:
        date.fromisoformat(text)
    except ValueError:
        return Written(at, is_day=False)
    return Written(at, is_day=True)


def _of(parts: dict[str, str | None]) -> Written:
    """Raises `ValueError` for a day or time that does not exist."""
    day = date(*(int(parts[name] or 0) for name in ("year", "month", "day")))
    if parts["hour"] is None:
        return Written(datetime.combine(day, time()), is_day=True)
    hour, minute, second = (int(parts[name] or 0) for name in ("hour", "minute", "second"))
    if parts.get("half") == "下午" and hour < 12:
        hour += 12
    if hour == 24 and not minute and not second:
        return Written(datetime.combine(day, time()) + timedelta(days=1), is_day=False)
    at = datetime.combine(day, time(hour, minute, second))
    if fraction := parts.get("fraction"):
        at += timedelta(seconds=float(fraction))
    if zone := parts.get("zone"):
        at = at.replace(tzinfo=datetime.fromisoformat(f"2000-01-01T00:00{zone.upper()}").tzinfo)
    return Written(at, is_day=False)


def _written_day(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)  # 20260302; pydantic would take it for seconds since 1970
    if not isinstance(value, str):
        return value
    found = parse_written(value)
    if not found.is_day:
        raise fault("write the day alone, such as 2026-03-02", "只填写日期，例如 2026-03-02")
    return found.at.date()


WrittenDate = Annotated[date, BeforeValidator(_written_day)]
"""A day in a file that people write."""
