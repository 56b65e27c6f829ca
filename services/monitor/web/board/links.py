"""The lists behind the figures of a board."""

from urllib.parse import urlencode

from services.monitor.core.board.periods import Period
from services.monitor.store.board.listing import LISTED
from services.monitor.store.lists.filters import GroupBy
from services.monitor.web.board.query import BoardFilter

BEHIND = {
    "on_time_rate": "late",
    "early_rate": "early",
    "same_day_rate": "same_day",
    "acknowledged_in_time_rate": "warnings",
    **dict.fromkeys(("mean_days", "mean_days_committed", "mean_days_statutory", "closed_per_month"), "closed"),
    **dict.fromkeys(("days_saved", "days_saved_statutory"), "closed"),
    **{figure: figure for figure in LISTED},
}
"""The list of the commitments behind each figure. Behind a rate of those in time are the late ones."""


class Links:
    """Makes the addresses of the lists behind figures. ``path``: that of such a list."""

    def __init__(self, wanted: BoardFilter, by: GroupBy, period: Period, path: str) -> None:
        self._path = path
        self._by = by
        self._whole = {"period": str(period), **wanted.filters()}

    def of(self, name: str | None) -> dict[str, str]:
        """Those of the row with this name, or of all rows together."""
        own = {} if name is None else {self._by.value: name}
        query = urlencode(self._whole | own)
        return {figure: f"{self._path}?figure={listed}&{query}" for figure, listed in BEHIND.items()}
