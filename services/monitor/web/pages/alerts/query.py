"""The query of the list of alerts."""

from typing import Any, Literal

from pydantic import Field

from services.monitor.web.alerts import AlertFilter

PATH = "/alerts"


class AlertsQuery(AlertFilter):
    """A page of the list."""

    state: Literal["undecided", "unacknowledged", "standing", "all"] = "standing"
    start: int = Field(1, ge=1, le=1_000_000_000)

    def of_list(self) -> dict[str, Any]:
        """The given filters, by name, without the place where the page begins."""
        return {name: value for name, value in self.filters().items() if name != "after"}
