"""Fields that several messages share."""

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from contracts.envelope import Code, Instant
from contracts.faults import fault
from contracts.text import line, paragraphs, visible
from contracts.values import Value

Region = Annotated[str, Field(pattern=r"^[1-9][0-9]{5}$")]
"""A county's code of administrative division (GB/T 2260), six digits."""

_PROVINCES = frozenset(
    (
        *("11", "12", "13", "14", "15", "21", "22", "23", "31", "32", "33", "34", "35", "36", "37", "41", "42", "43"),
        *("44", "45", "46", "50", "51", "52", "53", "54", "61", "62", "63", "64", "65", "71", "81", "82"),
    )
)
"""The first two digits of all codes of administrative division."""

_BEGINNINGS = _PROVINCES | {province[0] for province in _PROVINCES}


def is_region(prefix: str) -> bool:
    """Whether a code of administrative division may begin like this: one to six digits. Counties are not looked up,
    since new ones are made every year."""
    return prefix[:2] in _BEGINNINGS


def _check_region(region: str) -> str:
    if not is_region(region):
        raise fault(
            "no code of administrative division begins like this; check it", "没有这样开头的行政区划代码，请核对"
        )
    return region


KnownRegion = Annotated[Region, AfterValidator(_check_region)]
"""A region in a province that exists: what people and other systems write is checked, messages are not."""


Reason = Annotated[
    str,
    Field(min_length=1, max_length=2000, pattern=r"^[^\x00]*[^\x00\s][^\x00]*$"),
    AfterValidator(visible),
    AfterValidator(paragraphs),
]
"""A reason for people to read: not blank, and without characters that hide what is stored."""


Article = Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$"), AfterValidator(line)]
"""The article of a law that allows something, such as 行政许可法第四十五条."""


PersonId = Code
"""The id of a person in the directory."""


class SuspendedPeriod(Value):
    """A period that does not count, with the reason and the article that allows it."""

    reason: Reason
    article: Article = ""
    since: Instant
    until: Instant | None = None
    """The moment from which time counts again; None while it does not."""

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.until is not None and self.until < self.since:
            raise fault("until lies before since", "until 早于 since")
        return self
