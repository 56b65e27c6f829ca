"""What intake says: a case has been accepted."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar, Literal, Protocol, TypeVar

from pydantic import Field, model_validator

from contracts.envelope import Code, Instant, Message, Name
from contracts.messages.plans import MAX_MATERIALS, Plan
from contracts.values import Value

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


class SuspensionKind(StrEnum):
    """Why the time of a case does not count (Administrative Licensing Law, articles 32 and 45)."""

    PROCEDURE = "procedure"
    """A department's special procedure."""
    CORRECTION = "correction"
    """The applicant mends what is missing (补正)."""
    HOLD = "hold"
    """A supervisor has stopped it, with a reason."""


ChangeId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
"""Names one word of intake's about a case's time, so that it counts once however often it is said."""

Reason = Annotated[str, Field(min_length=1, max_length=2000, pattern=r"^[^\x00]*[^\x00\s][^\x00]*$")]
"""Something that can be read."""

Article = Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")]
"""The article that allows it: 行政许可法第四十五条."""


class _Span(Protocol):
    @property
    def since(self) -> datetime: ...
    @property
    def until(self) -> datetime | None: ...


T = TypeVar("T", bound=_Span)


def ends_after_it_begins(span: T) -> T:
    """A validator of what stands still for a time. Raises `ValueError`."""
    if span.until is not None and span.until < span.since:
        raise ValueError("it cannot end before it begins")
    return span


class CaseSuspended(Message):
    """Time of the case does not count from a moment on, or counts again. Said again until monitor has heard it; the
    latest ``recorded_at`` of a suspension holds."""

    type: ClassVar[str] = "onedoor.case.suspended.v1"

    change_id: ChangeId
    suspension: Code
    kind: SuspensionKind
    reason: Reason
    article: Article = ""
    since: Instant
    until: Instant | None = None
    """From when on time counts again; None while it does not."""
    recorded_at: Instant

    _ends_after_it_begins = model_validator(mode="after")(ends_after_it_begins)


class CaseExtended(Message):
    """The limit of the case was extended, once, and the applicant was told why (article 42). Of several the earliest
    ``notified_at`` holds."""

    type: ClassVar[str] = "onedoor.case.extended.v1"

    change_id: ChangeId
    days: Annotated[int, Field(ge=1, le=365)]
    """Of the kind in which the limit is counted."""
    reason: Reason
    article: Article = ""
    notified_at: Instant
    """When the applicant was told."""


class CaseRestarted(Message):
    """The time of the case begins anew. Of several the latest ``restarted_at`` holds."""

    type: ClassVar[str] = "onedoor.case.restarted.v1"

    change_id: ChangeId
    reason: Reason
    article: Article = ""
    restarted_at: Instant


class CaseAccepted(Message):
    """The formal, dated acceptance that starts the clocks (受理). Said again until it is answered."""

    type: ClassVar[str] = "onedoor.case.accepted.v1"

    plan: Plan
    region: Region
    channel: Channel
    applicant: Applicant | None = None
    """None for a case imported from another system, which keeps the applicant to itself."""
    materials: Annotated[tuple[Name, ...], Field(max_length=MAX_MATERIALS)] = ()
    accepted_at: Instant
