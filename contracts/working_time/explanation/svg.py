"""An explanation as an SVG picture: its months, with each day coloured by its kind. The SVG refers to no other file."""

from calendar import Calendar as Weeks
from datetime import date
from html import escape
from zoneinfo import ZoneInfo

from contracts.bilingual import Language
from contracts.working_time.explanation.explain import DayKind, ExplainedDay, Explanation
from contracts.working_time.explanation.wording import summary
from contracts.working_time.published import festival_in_english

CELL, HEAD, MARGIN, GAP = 44, 46, 16, 24
ACROSS = 3
"""Months in one row."""

_COLOURS = {
    DayKind.EVENT: ("#dbe4f0", "#1f3a5f"),
    DayKind.COUNTED: ("#cdeac0", "#1b4d1b"),
    DayKind.MAKEUP: ("#9ad29a", "#123f12"),
    DayKind.WEEKEND: ("#ececec", "#6b6b6b"),
    DayKind.HOLIDAY: ("#f8cfcf", "#8a1c1c"),
    DayKind.SUSPENDED: ("#fde7b0", "#6b4e00"),
    DayKind.ROLLED: ("#cdeac0", "#1b4d1b"),
}
"""Kind of day -> background and text, each pair with a contrast of at least 4.5 to 1 (WCAG 2.2, 1.4.3)."""

_MARKS = {
    "zh": {DayKind.EVENT: "起", DayKind.SUSPENDED: "暂停", DayKind.ROLLED: "止"},
    "en": {DayKind.EVENT: "event", DayKind.SUSPENDED: "paused", DayKind.ROLLED: "end"},
}

_HEADS = {"zh": "一二三四五六日", "en": "MTWTFSS"}


def svg(one: Explanation, language: Language) -> str:
    """The months of an explanation, with its summary above. The due day has a frame."""
    months = sorted({(day.day.year, day.day.month) for day in one.days})
    lines = summary(one, language)
    across = min(ACROSS, max(1, len(months)))
    width = max(2 * MARGIN + across * 7 * CELL + (across - 1) * GAP, 640)
    top = MARGIN + 20 * len(lines) + 12
    rows = -(-len(months) // across)
    height = top + rows * (HEAD + 6 * CELL + GAP)
    days = {day.day: day for day in one.days}
    due = one.due_at.astimezone(ZoneInfo(one.zone)).date() if one.due_at else None
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        f' role="img" font-family="system-ui, sans-serif" font-size="13">',
        f"<title>{escape(lines[0])}</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for number, line in enumerate(lines):
        parts.append(f'<text x="{MARGIN}" y="{MARGIN + 20 * number + 12}" fill="#222222">{escape(line)}</text>')
    for place, (year, month) in enumerate(months):
        x = MARGIN + place % across * (7 * CELL + GAP)
        y = top + place // across * (HEAD + 6 * CELL + GAP)
        parts += _month(year, month, x, y, days, due, language)
    parts.append("</svg>")
    return "\n".join(parts)


def _month(
    year: int, month: int, x: int, y: int, days: dict[date, ExplainedDay], due: date | None, language: Language
) -> list[str]:
    title = f"{year}年{month}月" if language == "zh" else f"{date(year, month, 1):%B %Y}"
    parts = [f'<text x="{x}" y="{y + 14}" font-weight="600" fill="#222222">{title}</text>']
    for column, head in enumerate(_HEADS[language]):
        middle = x + column * CELL + CELL // 2
        parts.append(f'<text x="{middle}" y="{y + 36}" text-anchor="middle" fill="#6b6b6b">{head}</text>')
    for row, week in enumerate(Weeks().monthdatescalendar(year, month)):
        for column, day in enumerate(week):
            if day.month == month:
                place = x + column * CELL, y + HEAD + row * CELL
                parts += _cell(day, *place, days.get(day), day == due, language)
    return parts


def _cell(day: date, x: int, y: int, known: ExplainedDay | None, due: bool, language: Language) -> list[str]:
    fill, ink = _COLOURS[known.kind] if known else ("#ffffff", "#9a9a9a")
    frame = ' stroke="#b3261e" stroke-width="3"' if due else ' stroke="#ffffff"'
    size = CELL - 4
    parts = [f'<rect x="{x + 2}" y="{y + 2}" width="{size}" height="{size}" rx="6" fill="{fill}"{frame}/>']
    parts.append(f'<text x="{x + CELL // 2}" y="{y + 19}" text-anchor="middle" fill="{ink}">{day.day}</text>')
    if known and (mark := _mark(known, language)):
        small = f'x="{x + CELL // 2}" y="{y + 35}" text-anchor="middle" font-size="10" fill="{ink}"'
        parts.append(f"<text {small}>{escape(mark)}</text>")
    return parts


def _mark(day: ExplainedDay, language: Language) -> str:
    if day.name and day.kind is DayKind.HOLIDAY:
        return day.name[:4] if language == "zh" else festival_in_english(day.name)[:6]
    if day.counted and day.total < 10_000:
        return str(day.total)
    return _MARKS[language].get(day.kind, "")
