"""The figures of the board as people read them: name, unit, and how each is computed."""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import NamedTuple

from services.runtime.http.pages.formats import count, decimals
from services.runtime.http.pages.languages import N_


class Unit(Enum):
    """What a figure counts, and how it is written."""

    CASES = ("cases", count)
    PERCENT = ("percent", decimals)
    DAYS = ("days", count)
    MEAN_DAYS = ("mean days", decimals)
    MEAN = ("mean", decimals)

    @property
    def write(self) -> Callable[[float | None], str]:
        """Writes a figure of this unit."""
        return self.value[1]


class Shown(NamedTuple):
    """A figure as it is shown. ``better``: 1 if more is better, -1 if less is, 0 if neither.

    ``short``: its name at the head of a column, under that of the group; empty for the name itself.
    """

    name: str
    unit: Unit
    better: int
    how: str
    short: str = ""

    @property
    def head(self) -> str:
        """What stands at the head of its column."""
        return self.short or self.name


FIGURES: Mapping[str, Shown] = {
    "received": Shown(
        N_("Received"), Unit.CASES, 0, N_("Commitments that began; they count on the day of the beginning.")
    ),
    "closed": Shown(N_("Closed"), Unit.CASES, 1, N_("Answered commitments; they count on the day of the answer.")),
    "on_time": Shown(
        N_("Closed on time"),
        Unit.CASES,
        1,
        N_("Answered not later than the end of the committed limit."),
        N_("On time"),
    ),
    "late": Shown(N_("Closed late"), Unit.CASES, -1, N_("Closed less closed on time."), N_("Late")),
    "on_time_rate": Shown(N_("On-time rate"), Unit.PERCENT, 1, N_("100 × closed on time ÷ closed."), N_("Rate")),
    "early": Shown(
        N_("Closed early"),
        Unit.CASES,
        1,
        N_("Answered on time, on a day before the last of the committed limit."),
        N_("Early"),
    ),
    "early_rate": Shown(N_("Early rate"), Unit.PERCENT, 1, N_("100 × closed early ÷ closed.")),
    "same_day": Shown(N_("Closed the same day"), Unit.CASES, 1, N_("Answered on the day on which they began.")),
    "same_day_rate": Shown(
        N_("Same-day rate"), Unit.PERCENT, 1, N_("100 × closed the same day ÷ closed."), N_("Same day")
    ),
    "mean_days": Shown(
        N_("Mean days"),
        Unit.MEAN_DAYS,
        -1,
        N_(
            "Working days until the answer ÷ closed. The day of the beginning does not count, that of the end does, "
            "and those of suspensions do not."
        ),
        N_("Used"),
    ),
    "mean_days_committed": Shown(
        N_("Mean committed days"),
        Unit.MEAN_DAYS,
        0,
        N_("Working days until the end of the committed limit ÷ closed."),
        N_("Committed"),
    ),
    "mean_days_statutory": Shown(
        N_("Mean statutory days"),
        Unit.MEAN_DAYS,
        0,
        N_("Working days until the end of the statutory limit ÷ closed."),
        N_("Statutory"),
    ),
    "days_saved": Shown(
        N_("Days saved against the committed limit"),
        Unit.DAYS,
        1,
        N_("Working days of the committed limit less those until the answer, of all closed."),
        N_("Committed"),
    ),
    "days_saved_statutory": Shown(
        N_("Days saved against the statutory limit"),
        Unit.DAYS,
        1,
        N_("Working days of the statutory limit less those until the answer, of all closed."),
        N_("Statutory"),
    ),
    "closed_per_month": Shown(
        N_("Closed a month"),
        Unit.MEAN,
        1,
        N_("Closed ÷ calendar months; none for a period of other days."),
        N_("A month"),
    ),
    "warnings": Shown(
        N_("Warnings"), Unit.CASES, -1, N_("Warnings that are not withdrawn; they count on the day of the warning.")
    ),
    "acknowledged_in_time": Shown(
        N_("Acknowledged in time"),
        Unit.CASES,
        1,
        N_("Warnings that were acknowledged before the committed limit ended; they count on the day of the warning."),
        N_("In time"),
    ),
    "acknowledged_in_time_rate": Shown(
        N_("Acknowledged in time, rate"), Unit.PERCENT, 1, N_("100 × acknowledged in time ÷ warnings."), N_("Rate")
    ),
    "yellow_cards": Shown(
        N_("Yellow cards"),
        Unit.CASES,
        -1,
        N_("Yellow cards that are not withdrawn; they count on the day of the card."),
        N_("Yellow"),
    ),
    "red_cards": Shown(
        N_("Red cards"),
        Unit.CASES,
        -1,
        N_("Red cards that are not withdrawn; they count on the day of the card."),
        N_("Red"),
    ),
    "oversights": Shown(
        N_("Oversight"),
        Unit.CASES,
        -1,
        N_("Commitments that went to oversight after a red card; they count on that day."),
    ),
    "appeals": Shown(N_("Appeals"), Unit.CASES, 0, N_("Appeals against cards; they count on the day of the appeal.")),
    "appeals_upheld": Shown(
        N_("Appeals upheld"),
        Unit.CASES,
        0,
        N_("Appeals of the period that were upheld: the card is withdrawn."),
        N_("Upheld"),
    ),
    "appeals_rejected": Shown(
        N_("Appeals rejected"),
        Unit.CASES,
        0,
        N_("Appeals of the period that were rejected: the card stands."),
        N_("Rejected"),
    ),
    "appeals_undecided": Shown(
        N_("Appeals undecided"), Unit.CASES, -1, N_("Appeals less those that were upheld or rejected."), N_("Undecided")
    ),
    "platform_faults": Shown(
        N_("Platform faults"),
        Unit.CASES,
        0,
        N_("Failures of the platform, for which no department answers; they count on the day of the failure."),
        N_("Platform"),
    ),
    "open": Shown(N_("Open"), Unit.CASES, 0, N_("Not answered, now.")),
    "due_today": Shown(
        N_("Due today"),
        Unit.CASES,
        0,
        N_("Open now, not suspended, and today is the last day of the committed limit."),
    ),
    "overdue": Shown(
        N_("Overdue"),
        Unit.CASES,
        -1,
        N_("Open now, not suspended, and the last day of the committed limit is over."),
    ),
    "items_due": Shown(
        N_("Items due"), Unit.CASES, 0, N_("Items that the centre must have; they come with the catalogue."), N_("Due")
    ),
    "items_present": Shown(
        N_("Items present"),
        Unit.CASES,
        1,
        N_("Items that are handled at the centre; they come with the catalogue."),
        N_("Present"),
    ),
    "items_present_rate": Shown(
        N_("Items present, rate"), Unit.PERCENT, 1, N_("100 × items present ÷ items due."), N_("Rate")
    ),
    "review_authority_rate": Shown(
        N_("Authority to review"),
        Unit.PERCENT,
        1,
        N_("Share of the items that the window may review; it comes with the catalogue."),
        N_("Review"),
    ),
    "decision_authority_rate": Shown(
        N_("Authority to decide"),
        Unit.PERCENT,
        1,
        N_("Share of the items that the window may decide; it comes with the catalogue."),
        N_("Decide"),
    ),
}
"""All figures of a board, by name."""


class Group(NamedTuple):
    """Columns under one head: those of the period, or of now."""

    head: str
    figures: Sequence[str]


class View(NamedTuple):
    """Some of the columns. ``name`` is its value in an address."""

    name: str
    text: str
    groups: Sequence[Group]


PERIOD, NOW = N_("In the period"), N_("Now")

VIEWS = (
    View(
        "overview",
        N_("Overview"),
        (
            Group(NOW, ("overdue", "due_today", "open")),
            Group(PERIOD, ("received", "closed")),
            Group(N_("Cards in the period"), ("yellow_cards", "red_cards", "platform_faults")),
            Group(N_("Pace, mean working days"), ("same_day_rate", "mean_days", "mean_days_committed")),
        ),
    ),
    View(
        "time",
        N_("Time"),
        (
            Group(N_("Closed"), ("closed", "closed_per_month", "on_time", "late", "early", "early_rate", "same_day")),
            Group(N_("Mean working days"), ("mean_days", "mean_days_committed", "mean_days_statutory")),
            Group(N_("Working days saved"), ("days_saved", "days_saved_statutory")),
        ),
    ),
    View(
        "alerts",
        N_("Alerts and appeals"),
        (
            Group(N_("Warnings"), ("warnings", "acknowledged_in_time", "acknowledged_in_time_rate")),
            Group(N_("Cards"), ("yellow_cards", "red_cards", "oversights")),
            Group(N_("Appeals"), ("appeals", "appeals_upheld", "appeals_rejected", "appeals_undecided")),
            Group(N_("Nobody's fault"), ("platform_faults",)),
        ),
    ),
    View(
        "catalogue",
        N_("Items and authority"),
        (
            Group(N_("Items"), ("items_due", "items_present", "items_present_rate")),
            Group(N_("Authority"), ("review_authority_rate", "decision_authority_rate")),
        ),
    ),
)
"""The views of the board. Each has the on-time rate besides, by which rows are judged."""

TILES = ("on_time_rate", "overdue", "due_today", "same_day_rate", "appeals_undecided")
"""The five numbers above the table."""
