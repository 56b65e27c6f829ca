"""The picture of a case: every moment has its place, and nothing lies outside."""

from datetime import datetime, timedelta
from unicodedata import east_asian_width

from hypothesis import given
from hypothesis import strategies as st

from contracts.working_time import published_calendar
from services.monitor.web.pages.case_time.gantt import (
    HEAD,
    LABELS,
    MOST_DAYS,
    NAME_WIDTH,
    WIDTH,
    Gantt,
    Line,
    Span,
    fitting,
    gantt,
)
from tests.support.messages import ZONE

CALENDAR = published_calendar()
BEGIN = datetime(2026, 4, 27, 9, 0, tzinfo=ZONE)
MOMENTS = st.integers(0, 900 * 24).map(lambda hours: BEGIN + timedelta(hours=hours))


def drawn(*spans: Span, due: datetime | None = None, now: datetime = BEGIN + timedelta(days=12)) -> Gantt:
    made = gantt([Line("review", "Land", spans, due, None, "")], now, CALENDAR, "zh")
    assert made is not None
    return made


def test_a_case_that_has_not_begun_has_no_picture() -> None:
    assert gantt([Line("review", "Land", [], None, None, "waits")], BEGIN, CALENDAR, "zh") is None


def test_parts_of_a_bar_follow_each_other_and_the_deadline_is_marked() -> None:
    stopped, over = BEGIN + timedelta(days=2), BEGIN + timedelta(days=5)
    made = drawn(
        Span("bar-run", BEGIN, stopped),
        Span("bar-still", stopped, over),
        Span("bar-over", over, over + timedelta(1)),
        due=over,
    )
    bars = [shape for shape in made.shapes if shape.style.startswith("bar")]
    ends = [float(bar.x) + float(bar.width) for bar in bars]
    assert [bar.style for bar in bars] == ["bar-run", "bar-still", "bar-over"]
    assert all(abs(end - float(after.x)) < 0.2 for end, after in zip(ends, bars[1:], strict=False))
    ((style, path),) = made.marks
    assert style == "mark" and path.startswith(f"M{float(bars[2].x):.1f} ")


def test_holidays_and_days_off_lie_behind_and_holidays_are_named() -> None:
    made = drawn(Span("bar-run", BEGIN, BEGIN + timedelta(days=12)))
    holidays = [shape for shape in made.shapes if shape.style == "holiday"]
    assert len(holidays) == 5, "from the first to the fifth of May 2026"
    assert {shape.y for shape in holidays} == {str(HEAD)}
    assert [label.text for label in made.labels if "劳动节" in label.text] == ["劳动节"]


@given(MOMENTS, MOMENTS, MOMENTS)
def test_nothing_lies_outside_of_the_picture(since: datetime, until: datetime, now: datetime) -> None:
    since, until = min(since, until), max(since, until)
    made = drawn(Span("bar-run", since, until), due=until, now=max(now, since))
    assert (made.last - since.date()).days <= MOST_DAYS
    for shape in made.shapes:
        assert float(shape.x) >= LABELS and float(shape.x) + float(shape.width) <= WIDTH + 2
        assert float(shape.y) + float(shape.height) <= made.height
    assert LABELS <= float(made.today) <= WIDTH
    assert made.is_cut == (max(now, since, until).date() + timedelta(days=2) > made.last)


@given(st.text(st.characters(codec="utf-8", categories=["L", "N", "Zs"])))
def test_a_name_is_cut_where_it_would_run_into_the_days(name: str) -> None:
    shown = fitting(name)
    assert sum(2 if east_asian_width(one) in "WF" else 1 for one in shown) <= NAME_WIDTH
    assert shown == name or (shown.endswith("…") and name.startswith(shown.removesuffix("…")))


def test_a_name_that_fits_is_whole() -> None:
    assert fitting("不动产转移税费核定") == "不动产转移税费核定"
    assert fitting("Assessment of taxes on a transfer of property") == "Assessment of taxes on a t…"
