"""What intake says: a case has been accepted."""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from contracts.envelope import Code, Instant, Message, Name
from contracts.messages.fields import Article, PersonId, Reason, Region, check_period
from contracts.messages.plans import MAX_MATERIALS, MAX_STEPS, Outcome, Plan
from contracts.values import Value


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

    _period_is_valid = model_validator(mode="after")(check_period)


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


class StepState(StrEnum):
    """Where a step stands, as routing knows it."""

    WAITING = "waiting"
    REQUESTED = "requested"
    DELIVERED = "delivered"
    DONE = "done"
    DROPPED = "dropped"


class StepReport(Value):
    """The present truth about one step."""

    step: Code
    state: StepState
    requested_at: Instant | None = None
    delivered_at: Instant | None = None
    decided_at: Instant | None = None
    outcome: Outcome | None = None
    document: Name | None = None


class CaseReported(Message):
    """Routing's present truth about a case that is still open, told to whoever asked."""

    type: ClassVar[str] = "onedoor.case.reported.v1"

    steps: Annotated[tuple[StepReport, ...], Field(max_length=MAX_STEPS)]


class CaseDecided(Message):
    """All departments have answered; the case is decided. Said again to whoever asks again."""

    type: ClassVar[str] = "onedoor.case.decided.v1"

    outcome: Outcome
    decided_at: Instant
    steps: Annotated[tuple[StepReport, ...], Field(max_length=MAX_STEPS)]


class CaseHeld(Message):
    """A supervisor stops the time of a case, or lets it run again; the latest ``recorded_at`` of a hold holds."""

    type: ClassVar[str] = "onedoor.case.held.v1"

    hold: ChangeId
    by: PersonId
    reason: Reason
    article: Article = ""
    since: Instant
    until: Instant | None = None
    """From when on time counts again; None while it does not."""
    recorded_at: Instant
    region: Region | None = None

    _period_is_valid = model_validator(mode="after")(check_period)


class CaseStateRequested(Message):
    """Monitor asks routing for the present truth about a case before it issues a card."""

    type: ClassVar[str] = "onedoor.case.state-requested.v1"
