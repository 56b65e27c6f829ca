"""What intake says: a case has been accepted."""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from contracts.envelope import Instant, Message, Name, Value
from contracts.plans import MOST_MATERIALS, Plan

Region = Annotated[str, Field(pattern=r"^[1-9][0-9]{5}$")]
"""A county's code of administrative division (GB/T 2260), six digits."""


class Channel(StrEnum):
    """How the application came in."""

    WINDOW = "window"
    WEB = "web"
    POST = "post"
    TOWNSHIP = "township"
    AGENT = "agent"
    EMAIL = "email"
    INTERNAL = "internal"
    OTHER = "other"


class Applicant(Value):
    """Who applies. Personal data: it goes to the departments concerned and never into a log."""

    kind: Literal["person", "organisation"]
    name: Name
    id_number: Annotated[str, Field(min_length=1, max_length=18, repr=False)]
    """Citizen number (GB 11643) or unified social credit code (GB 32100), checked by intake."""


class CaseAccepted(Message):
    """The formal, dated acceptance that starts the clocks (受理). Said again until it is answered."""

    type: ClassVar[str] = "onedoor.case.accepted.v1"

    plan: Plan
    region: Region
    channel: Channel
    applicant: Applicant | None = None
    """None for a case imported from another system, which keeps the applicant to itself."""
    materials: Annotated[tuple[Name, ...], Field(max_length=MOST_MATERIALS)] = ()
    accepted_at: Instant
