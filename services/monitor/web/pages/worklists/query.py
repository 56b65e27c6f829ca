"""The queries of the pages of due and of overdue commitments."""

from pydantic import Field

from services.monitor.store.lists.filters import After, CommitmentFilter, Cursor, parse_cursor
from services.monitor.store.lists.overdue import Card
from services.monitor.web.lists.list_page import MAX_DAYS

DUE, OVERDUE = "/due", "/overdue"

SOON = 3
"""Working days of the list of what falls due soon."""

NOT_FILTERS = ("after", "start", "days")
"""The fields of a query that select a page or a list, and do not filter it."""


class WorklistQuery(CommitmentFilter):
    """A page of a list: it continues after a row, and ``start`` is the place of its first row, from 1."""

    after: After | None = None
    start: int = Field(1, ge=1, le=1_000_000_000)

    @property
    def cursor(self) -> Cursor | None:
        """Where the page begins."""
        return parse_cursor(self.after) if self.after is not None else None


class DueQuery(WorklistQuery):
    """What falls due within so many working days; 0 is today."""

    days: int = Field(SOON, ge=0, le=MAX_DAYS)


class OverdueQuery(WorklistQuery):
    """What is overdue, with this card as the highest."""

    rung: Card | None = None
