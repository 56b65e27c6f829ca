"""People who can be notified, as a directory file lists them. Pure."""

from typing import Annotated

from pydantic import Field

from contracts.bilingual import Language
from contracts.envelope import Name
from contracts.messages.fields import PersonId
from contracts.values import StrictValue

Address = Annotated[str, Field(max_length=400, pattern=r"^[a-z][a-z0-9-]{0,31}:[^\s\x00]+$")]
"""A channel, and an address of that channel: ``mail:zhou@example.gov.cn``."""


class Person(StrictValue):
    """A person who can be notified."""

    id: PersonId
    name: Name
    language: Language = "zh"
    addresses: Annotated[tuple[Address, ...], Field(min_length=1, max_length=20)]
