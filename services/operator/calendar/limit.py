"""Computes and explains a limit as it was typed."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfoNotFoundError

import typer
from pydantic import ValidationError
from pydantic_core import to_json

from contracts.bilingual import Language, both
from contracts.faults import both_of, fault
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
from contracts.working_time.explanation.explain import explain
from contracts.working_time.explanation.svg import svg
from contracts.working_time.explanation.wording import amount, moment, text
from contracts.working_time.hours import parse_sessions
from contracts.working_time.written import parse_written
from services.operator import notice_folder
from services.operator.calendar.options import LimitOptions
from services.operator.output import WrongOption, file_errors, print_remark, wrong_option


def print_due(history: LimitHistory, rules: CountingRules, *, as_json: bool) -> None:
    """Print when a limit ends."""
    with _range_errors():
        end = due(history, rules)
    typer.echo(_as_json(end, rules) if as_json else _as_text(end, rules))


def print_explanation(
    history: LimitHistory, rules: CountingRules, language: Language, *, as_json: bool, picture: Path | None
) -> None:
    """Print the days of a limit, and draw them into the file ``picture``."""
    with _range_errors():
        explanation = explain(history, rules)
        drawing = svg(explanation, language) if picture is not None else ""
    typer.echo(explanation.model_dump_json(indent=1) if as_json else text(explanation, language))
    if picture is not None:
        with file_errors():
            picture.write_text(drawing, encoding="utf-8")


def counting_rules(options: LimitOptions) -> CountingRules:
    """The calendar, hours and method by which time is counted."""
    try:
        calendar = notice_folder.calendar(options.calendars, options.region)
        hours = OfficeHours(options.zone, parse_sessions(options.hours.split(",")))
        rules = CountingRules(calendar, hours, CountingMethod(options.rule))
    except ValueError as error:
        raise WrongOption(both_of(error)) from None
    except (ZoneInfoNotFoundError, OSError):
        raise wrong_option(
            f"{options.zone!r} is no time zone; write for example Asia/Shanghai",
            f"{options.zone!r} 不是时区，请填写例如 Asia/Shanghai",
            "--zone",
        ) from None
    if calendar.region != options.region:
        print_remark(
            f"no notice of {options.region} is in force in {options.calendars}; the nation's calendar counts",
            f"{options.calendars} 中没有 {options.region} 的通知，按国家日历计算",
        )
    return rules


def parse_moment(text: str, rules: CountingRules) -> datetime:
    """A moment as it was typed: local time of the place unless it has a zone; a day alone means its beginning.

    Raises `ValueError`.
    """
    at = parse_written(text).at
    return at if at.tzinfo else at.replace(tzinfo=rules.hours.tz)


def suspension(since: str, until: str, rules: CountingRules) -> Suspension:
    """A suspension from its two moments; the second is empty while it lasts."""
    return Suspension(parse_moment(since, rules), parse_moment(until, rules) if until.strip() else None)


def history(options: LimitOptions, rules: CountingRules) -> LimitHistory:
    """The history of a limit from its options."""
    if options.start is None:
        raise wrong_option(
            "is missing; write for example 2026-09-28T10:00", "缺少此项，请填写例如 2026-09-28T10:00", "--from"
        )
    try:
        began_at = parse_moment(options.start, rules)
        return LimitHistory(
            Limit(
                working_days=options.days,
                calendar_days=options.calendar_days,
                months=options.months,
                working_minutes=options.minutes,
            ),
            began_at,
            tuple(_period(one, rules) for one in options.suspend or ()),
            Extension(options.extend, "by option", began_at) if options.extend is not None else None,
            parse_moment(options.restart, rules) if options.restart is not None else None,
        )
    except ValidationError:
        raise wrong_option(
            "give one of --days, --calendar-days, --months and --minutes",
            "须填写 --days、--calendar-days、--months、--minutes 之一",
        ) from None
    except ValueError as error:
        raise WrongOption(both_of(error)) from None


def _period(text: str, rules: CountingRules) -> Suspension:
    since, dots, until = text.partition("..")
    if not dots:
        raise fault(f"{text!r}: write FROM..TO, or FROM.. if it lasts", f"{text!r}：请填写 起..止，未结束的填写 起..")
    return suspension(since, until, rules)


@contextmanager
def _range_errors() -> Iterator[None]:
    """End the command if a moment lies beyond those that can be computed."""
    try:
        yield
    except (OverflowError, ValueError):
        raise wrong_option(
            "the limit ends beyond the year 9999; give a shorter one", "时限超出 9999 年，请缩短"
        ) from None


def _as_text(end: Due | Suspended, rules: CountingRules) -> str:
    zone = rules.hours.zone
    if not isinstance(end, Due):
        return both(
            f"suspended since {moment(end.since, zone, 'en')}, {amount(end.left, end.unit, 'en')} left",
            f"自 {moment(end.since, zone, 'zh')} 起暂停计时，剩余 {amount(end.left, end.unit, 'zh')}",
        )
    since = rules.calendar.provisional_from
    note = both(f"provisional: holidays from {since} on are not yet published", f"暂定：{since} 起的节假日尚未公布")
    return moment(end.at, zone, "en") + (f"  {note}" if end.provisional else "")


def _as_json(end: Due | Suspended, rules: CountingRules) -> str:
    document: dict[str, object] = {
        "rule": rules.method,
        "region": rules.calendar.region,
        "calendar": rules.calendar.version,
    }
    if isinstance(end, Due):
        document |= {
            "due_at": end.at.astimezone(rules.hours.tz),
            "provisional": end.provisional,
            "provisional_from": rules.calendar.provisional_from if end.provisional else None,
        }
    else:
        document |= {"due_at": None, "suspended_since": end.since, "left": end.left, "unit": end.unit}
    return to_json(document).decode()
