"""Field types that several messages share."""

from datetime import datetime
from typing import Annotated, Protocol, TypeVar

from pydantic import Field

from contracts.envelope import Code

Region = Annotated[str, Field(pattern=r"^[1-9][0-9]{5}$")]
"""A county's code of administrative division (GB/T 2260), six digits."""


Reason = Annotated[str, Field(min_length=1, max_length=2000, pattern=r"^[^\x00]*[^\x00\s][^\x00]*$")]
"""A reason for people to read: not blank."""


Article = Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")]
"""The article of a law that allows something, such as 行政许可法第四十五条."""


class _Period(Protocol):
    @property
    def since(self) -> datetime: ...
    @property
    def until(self) -> datetime | None: ...


T = TypeVar("T", bound=_Period)


def check_period(period: T) -> T:
    """Validate that ``until`` is not before ``since``. Raises `ValueError`."""
    if period.until is not None and period.until < period.since:
        raise ValueError("until lies before since")
    return period


PersonId = Code
"""The id of a person in the directory."""
