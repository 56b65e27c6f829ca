"""Messages about a case as a whole: acceptance, the course of its time, its state, its decision."""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from contracts.envelope import Code, Instant, Message, Name
from contracts.messages.fields import Article, PersonId, Reason, Region, SuspendedPeriod
from contracts.messages.plans import MAX_MATERIALS, MAX_STEPS, Outcome, Plan
from contracts.values import Value


class Channel(StrEnum):
    """The channel by which the application came in (申请渠道)."""

    WINDOW = "window"
    WEB = "web"
    POST = "post"
    TOWNSHIP = "township"
    AGENT = "agent"
    EMAIL = "email"
    INTERNAL = "internal"
    OTHER = "other"


CITIZEN_CARD, CREDIT_CODE = "111", "001"
"""Codes of kinds of identity paper."""

IdKindCode = Annotated[str, Field(pattern=r"^[0-9]{3}$")]
"""A kind of identity paper, by GB/T 36903-2018 and GA/T 2000.156-2016. Intake has the list."""


class Applicant(Value):
    """The applicant. Personal data: it goes to the departments concerned and never into a log."""

    kind: Literal["person", "organisation"]
    name: Name
    id_kind: IdKindCode | None = None
    """The kind of paper that ``id_number`` is of; `paper` where it is omitted."""
    id_number: Annotated[str, Field(min_length=1, max_length=40)] | None = Field(None, repr=False)
    """Checked by intake, as its kind allows; None for an applicant without a number."""

    @property
    def paper(self) -> str:
        """The kind of paper: if omitted, the citizen card (GB 11643) of a person, the unified social credit code
        (GB 32100) of an organisation."""
        return self.id_kind or (CITIZEN_CARD if self.kind == "person" else CREDIT_CODE)


class SuspensionKind(StrEnum):
    """Why the time of a case does not count (Administrative Licensing Law, articles 32 and 45)."""

    PROCEDURE = "procedure"
    """A department's special procedure."""
    CORRECTION = "correction"
    """The applicant supplies what is missing (补正)."""
    HOLD = "hold"
    """A supervisor has stopped the time, with a reason."""


ChangeId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
"""The id of one change to the time of a case, so that it counts once however often it is published."""


class Authored(Value):
    """A change that a person makes."""

    by: PersonId | None = None
    on_behalf_of: PersonId | None = None
    """The person on leave for whom it is done."""


class CaseSuspended(Authored, SuspendedPeriod, Message):
    """The time of the case stops counting, or counts again.

    Published again until monitor confirms the ``change_id``. Of one suspension the latest ``recorded_at`` holds.
    """

    type: ClassVar[str] = "onedoor.case.suspended.v1"

    change_id: ChangeId
    suspension: Code
    kind: SuspensionKind
    recorded_at: Instant
    region: Region | None = None
    """None in messages of earlier versions, as in the next two."""


class CaseExtended(Authored, Message):
    """The limit of the case, and of the steps that the extension is for, was extended once, and the applicant was
    notified of the reason (Administrative Licensing Law, article 42).

    Of several messages the earliest ``notified_at`` holds.
    """

    type: ClassVar[str] = "onedoor.case.extended.v1"

    change_id: ChangeId
    days: Annotated[int, Field(ge=1, le=365)]
    """In the unit of the limit: working days or calendar days."""
    steps: Annotated[tuple[Code, ...], Field(max_length=MAX_STEPS)] = ()
    """The steps that get the days, of which none comes after another."""
    reason: Reason
    article: Article = ""
    notified_at: Instant
    """When the applicant was notified."""
    region: Region | None = None


class CaseRestarted(Authored, Message):
    """The time of the case begins anew. Of several messages the latest ``restarted_at`` holds."""

    type: ClassVar[str] = "onedoor.case.restarted.v1"

    change_id: ChangeId
    reason: Reason
    article: Article = ""
    restarted_at: Instant
    region: Region | None = None


class CaseAccepted(Authored, Message):
    """The formal, dated acceptance that starts the limits (受理). Published again until routing and monitor answer.

    ``by``: the clerk who accepted it for the applicant; None where the applicant sent it.
    """

    type: ClassVar[str] = "onedoor.case.accepted.v1"

    plan: Plan
    region: Region
    channel: Channel
    applicant: Applicant | None = None
    """None for a case imported from another system, which does not disclose the applicant."""
    materials: Annotated[tuple[Name, ...], Field(max_length=MAX_MATERIALS)] = ()
    accepted_at: Instant


class StepState(StrEnum):
    """The state of a step in routing."""

    WAITING = "waiting"
    REQUESTED = "requested"
    DELIVERED = "delivered"
    DONE = "done"
    DROPPED = "dropped"


class StepReport(Value):
    """The present state of one step."""

    step: Code
    state: StepState
    requested_at: Instant | None = None
    delivered_at: Instant | None = None
    decided_at: Instant | None = None
    arrived_at: Instant | None = None
    """When the department's answer arrived: the steps that wait for this one begin then."""
    outcome: Outcome | None = None
    document: Name | None = None


class CaseReported(Message):
    """Routing's present state of an open case, in answer to `CaseStateRequested` or a repeated `CaseAccepted`."""

    type: ClassVar[str] = "onedoor.case.reported.v1"

    steps: Annotated[tuple[StepReport, ...], Field(max_length=MAX_STEPS)]


class CaseDecided(Message):
    """All departments have answered, so the case is decided. Published again in answer to every later request."""

    type: ClassVar[str] = "onedoor.case.decided.v1"

    outcome: Outcome
    decided_at: Instant
    steps: Annotated[tuple[StepReport, ...], Field(max_length=MAX_STEPS)]


class CaseHeld(SuspendedPeriod, Message):
    """A supervisor stops the time of a case, or lets it run again. Of one hold the latest ``recorded_at`` is valid."""

    type: ClassVar[str] = "onedoor.case.held.v1"

    hold: ChangeId
    by: PersonId
    on_behalf_of: PersonId | None = None
    """The person on leave for whom it is done."""
    recorded_at: Instant
    region: Region | None = None


class CaseStateRequested(Message):
    """Monitor requests the present state of a case from routing, for example before it issues a card."""

    type: ClassVar[str] = "onedoor.case.state-requested.v1"
