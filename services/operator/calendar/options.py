"""Options of ``onedoor calendar``: a limit, and how time is counted. Cheap to import."""

from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import typer


def region_code(value: str | None) -> str | None:
    """Check the code of a region."""
    from pydantic import TypeAdapter, ValidationError

    from contracts.working_time.notices import Region

    try:
        if value is not None:
            TypeAdapter(Region).validate_python(value)
    except ValidationError:
        raise typer.BadParameter(f"{value!r}: write CN, or a province such as CN-45") from None
    return value


From = Annotated[
    str | None, typer.Option("--from", help="Moment at which the limit began, local time: 2026-09-28T10:00.")
]
Days = Annotated[int | None, typer.Option(min=0, max=3650, help="Limit in working days; 0 means on the spot.")]
CalendarDays = Annotated[int | None, typer.Option(min=1, max=3650, help="Limit in calendar days.")]
Months = Annotated[int | None, typer.Option(min=1, max=120, help="Limit in months.")]
Minutes = Annotated[
    int | None, typer.Option(min=1, max=60 * 24 * 3650, help="Limit in minutes of the hours of business.")
]
Suspend = Annotated[
    list[str] | None,
    typer.Option(help="Time that does not count, FROM..TO; it counts again at TO. FROM.. if it still lasts."),
]
Extend = Annotated[int | None, typer.Option(min=1, help="Days by which the limit was extended, in its own unit.")]
Restart = Annotated[str | None, typer.Option(help="Moment at which the limit began anew.")]
Region = Annotated[str, typer.Option(callback=region_code, help="CN, or a province with notices of its own: CN-45.")]
Rule = Annotated[
    Literal["day", "second"],
    typer.Option(help="Count whole days up to the close of business (day), or working time (second)."),
]
Hours = Annotated[str, typer.Option(help="Hours of business: 09:00-12:00,13:30-17:30.")]
Zone = Annotated[str, typer.Option(help="Time zone of the place, a name of the IANA database.")]
Language = Annotated[Literal["zh", "en"], typer.Option(help="Language of the text: Chinese or English.")]

HOURS = "09:00-17:30"
ZONE = "Asia/Shanghai"


class LimitOptions(NamedTuple):
    """A limit as it was typed: when it began, its length, and what changed it."""

    start: str | None
    days: int | None
    calendar_days: int | None
    months: int | None
    minutes: int | None
    suspend: list[str] | None
    extend: int | None
    restart: str | None


class CountingOptions(NamedTuple):
    """How time is counted, as it was typed."""

    region: str
    rule: str
    hours: str
    zone: str
    calendars: Path
