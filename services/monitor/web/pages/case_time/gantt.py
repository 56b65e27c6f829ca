"""The picture of a case's steps, suspensions and deadlines over its days, as shapes of an SVG. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import NamedTuple
from unicodedata import east_asian_width

from contracts.bilingual import Language
from contracts.working_time import Calendar
from contracts.working_time.published import festival_in_english

WIDTH, LABELS, TOP, ROW, BAR = 1340, 200.0, 56, 48, 18
"""Units of the picture: its width, that of the names, the height of the head, of a row, and of a bar."""

HEAD, ROOM = 38, 260
"""Where the days begin below their numbers, and what the text behind a bar needs."""

WIDEST, NUMBERED = 48.0, 20.0
"""The width of a day at the most, and that from which each day has a number, and not Mondays alone."""

MOST_DAYS = 400
"""Days of a picture at the most: what lies after them is left out, and the table beside it has it."""

NAME_WIDTH = 27
"""Half-width characters of a name: more would run into the days. The table beside the picture has the whole name."""

_DAYS = 1120.0
"""The width of all days."""


class Span(NamedTuple):
    """A part of a bar: its class and its moments, which are local to the place."""

    style: str
    since: datetime
    until: datetime


class Line(NamedTuple):
    """A row of the picture. ``due`` and ``statutory`` are marked on it; ``text`` stands behind its bar."""

    name: str
    owner: str
    spans: Sequence[Span]
    due: datetime | None
    statutory: datetime | None
    text: str


class Shape(NamedTuple):
    """A rectangle."""

    style: str
    x: str
    y: str
    width: str
    height: str


class Label(NamedTuple):
    """A text."""

    style: str
    x: str
    y: str
    anchor: str
    text: str


@dataclass
class Gantt:
    """The picture. ``rules``: heights of the lines between rows; ``today``: where it is; ``marks``: style and path."""

    width: int
    height: int
    last: date
    is_cut: bool
    shapes: list[Shape] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    rules: list[int] = field(default_factory=list)
    marks: list[tuple[str, str]] = field(default_factory=list)
    today: str = ""


def gantt(lines: Sequence[Line], now: datetime, calendar: Calendar, language: Language) -> Gantt | None:
    """The picture of these rows; None where nothing has begun."""
    moments = [at for line in lines for span in line.spans for at in (span.since, span.until)]
    if not moments:
        return None
    first = min(moments).date()
    wanted = max([now, *moments, *(line.due for line in lines if line.due is not None)]).date() + timedelta(days=2)
    last = min(wanted, first + timedelta(days=MOST_DAYS))
    days = (last - first).days + 1
    day = min(WIDEST, _DAYS / days)
    made = Gantt(WIDTH, TOP + ROW * len(lines) + 10, last, last < wanted, rules=[TOP])
    scale = _Scale(first, last, day)
    _head(made, scale, calendar, language)
    for number, line in enumerate(lines):
        _row(made, scale, line, TOP + number * ROW)
    made.today = f"{scale.x(now):.1f}"
    return made


class _Scale(NamedTuple):
    first: date
    last: date
    day: float

    def x(self, at: datetime) -> float:
        """The place of a moment, inside of the picture."""
        days = (at.date() - self.first).days + (at.hour * 60 + at.minute) / 1440
        return LABELS + min(max(days, 0.0), (self.last - self.first).days + 1.0) * self.day

    def of_day(self, day: date) -> float:
        return LABELS + (day - self.first).days * self.day


def _head(made: Gantt, scale: _Scale, calendar: Calendar, language: Language) -> None:
    wide = scale.day >= NUMBERED
    day = scale.first
    while day <= scale.last:
        x = scale.of_day(day)
        notice = calendar.notice_day(day)
        off = not calendar.is_working(day)
        if off:
            style = "holiday" if notice is not None and notice.off else "off"
            made.shapes.append(Shape(style, f"{x:.1f}", str(HEAD), f"{scale.day:.1f}", str(made.height - HEAD - 10)))
        if wide or day.weekday() == 0:
            label = Label("dim" if off else "", f"{x + scale.day / 2:.1f}", "33", "middle", str(day.day))
            made.labels.append(label)
        if day == scale.first or day.day == 1:
            text = f"{day.month}月" if language == "zh" else f"{day:%b}"
            made.labels.append(Label("strong", f"{x:.1f}", "15", "start", text))
        begins = notice is not None and notice.off and _name(calendar, day - timedelta(days=1)) != notice.name
        if wide and notice is not None and begins:
            text = notice.name if language == "zh" else festival_in_english(notice.name)
            made.labels.append(Label("dim", f"{x + 40:.1f}", "15", "start", text))
        day += timedelta(days=1)


def _name(calendar: Calendar, day: date) -> str:
    notice = calendar.notice_day(day)
    return notice.name if notice is not None and notice.off else ""


def fitting(name: str) -> str:
    """A name that fits beside the days: a Chinese character is as wide as two others."""
    left = NAME_WIDTH
    for place, character in enumerate(name):
        left -= 2 if east_asian_width(character) in "WF" else 1
        if left < (1 if place + 1 < len(name) else 0):
            return name[:place].rstrip() + "…"
    return name


def _row(made: Gantt, scale: _Scale, line: Line, y: int) -> None:
    made.rules.append(y + ROW)
    made.labels.append(Label("strong", "0", str(y + 20), "start", fitting(line.name)))
    made.labels.append(Label("dim", "0", str(y + 37), "start", fitting(line.owner)))
    end = LABELS
    for span in line.spans:
        x, until = scale.x(span.since), scale.x(span.until)
        width = max(until - x, 2.0)
        made.shapes.append(Shape(span.style, f"{x:.1f}", str(y + 11), f"{width:.1f}", str(BAR)))
        end = max(end, x + width)
    for style, at in (("mark", line.due), ("mark-law", line.statutory)):
        if at is not None and scale.first <= at.date() <= scale.last:
            x = scale.x(at)
            made.marks.append((style, f"M{x:.1f} {y + 11}l7 9-7 9-7-9z"))
            end = max(end, x + 7)
    if line.text:
        fits = made.width - end > ROOM
        anchor, x = ("start", end + 8) if fits else ("end", float(made.width - 4))
        made.labels.append(Label("dim", f"{x:.1f}", str(y + (25 if fits else 42)), anchor, line.text))
