"""The query of the page of the board."""

from datetime import date
from typing import Annotated

from pydantic import Field

from services.monitor.store.lists.filters import GroupBy
from services.monitor.web.board.query import BoardFilter
from services.monitor.web.pages.figures import FIGURES, VIEWS

_NAMES = "|".join(FIGURES)


class BoardPage(BoardFilter):
    """The query of the page. ``first`` and ``last`` become a period."""

    by: GroupBy = GroupBy.OWNER
    view: Annotated[str, Field(pattern=f"^({'|'.join(view.name for view in VIEWS)})$")] = VIEWS[0].name
    sort: Annotated[str, Field(pattern=f"^({_NAMES})$")] = "on_time_rate"
    start: int = Field(1, ge=1, le=1_000_000)
    first: date | None = None
    last: date | None = None
