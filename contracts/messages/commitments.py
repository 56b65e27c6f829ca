"""Messages about commitments: the deadlines that monitor holds for a case, and how they move."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from contracts.envelope import Code, Instant, Message, Name
from contracts.messages.cases import ChangeId
from contracts.messages.fields import Region
from contracts.messages.plans import MAX_STEPS
from contracts.values import Value

MAX_KEY_LENGTH = 80
"""Characters of a commitment's key."""

CommitmentKey = Annotated[str, Field(min_length=1, max_length=MAX_KEY_LENGTH)]
"""``case`` for the case as a whole, ``step/<step>`` for one of its steps. Else the kind and, where a case may have
several, which one: ``notice``, ``complaint/2``."""


class Kind(StrEnum):
    """The kind of a commitment: the first part of its key."""

    CASE = "case"
    STEP = "step"
    PROCEDURE = "procedure"
    """A special procedure that is under way (特别程序)."""
    ACCEPTANCE = "acceptance"
    """An application by web that is not yet accepted or refused (网上受理)."""
    NOTICE = "notice"
    """The one-time notice of everything that is missing (一次性告知)."""
    DELIVERY = "delivery"
    """The delivery of the decision to the applicant (出证, 送达)."""
    COMPLAINT = "complaint"
    CONSULTATION = "consultation"


def kind_of(key: CommitmentKey) -> Kind:
    """The kind of the commitment with this key. Raises `ValueError` for an unknown kind."""
    return Kind(key.partition("/")[0])


CASE: CommitmentKey = "case"
"""The key of the commitment for the case as a whole."""

STEP_PREFIX = "step/"
"""The key of a step's commitment is this and the step."""


def step_key(step: Code) -> CommitmentKey:
    """The key of the commitment for one step."""
    return STEP_PREFIX + step


MAX_COMMITMENTS = MAX_STEPS + 64
"""Commitments of one case: the case, its steps, and those beside them."""

MAX_OPENED = MAX_STEPS + 1
"""Commitments of one `CommitmentsOpened`."""


class Pause(Value):
    """A limit whose time is suspended: nothing is due until it resumes (暂停计时)."""

    since: Instant
    left: Annotated[int, Field(ge=0)]
    """How much of the committed limit is left, in ``unit``."""
    unit: Annotated[str, Field(min_length=1, max_length=40)]


class Commitment(Value):
    """A deadline with an owner (时限责任). While it is paused, the due moments are those without the pause."""

    key: CommitmentKey
    owner: Name
    opened_at: Instant
    committed_due: Instant
    statutory_due: Instant
    provisional: bool = False
    """Whether it reaches into a year whose holidays are not yet published. It is computed again when they are."""
    pause: Pause | None = None


ChangeIds = Annotated[tuple[ChangeId, ...], Field(max_length=MAX_COMMITMENTS)]
"""The ids of intake's changes to the time of the case that monitor has processed."""


Sequence = Annotated[int, Field(ge=0)]
"""Counts monitor's messages about the deadlines of a case. Of two messages the one with the higher sequence is newer:
their times are those of their causes."""


class CommitmentsOpened(Message):
    """The deadlines that monitor holds for a case: its answer to every acceptance, repeated ones included."""

    type: ClassVar[str] = "onedoor.commitments.opened.v1"

    commitments: Annotated[tuple[Commitment, ...], Field(max_length=MAX_OPENED)]
    """A case with more commitments has several such messages."""
    change_ids: ChangeIds = ()
    region: Region | None = None
    sequence: Sequence = 0


class Cause(StrEnum):
    """Why a deadline moved."""

    RULES = "rules"
    """A new calendar, new hours or a new ladder came into force."""
    SUSPENDED = "suspended"
    RESUMED = "resumed"
    RESTARTED = "restarted"
    EXTENDED = "extended"
    BEGUN_EARLIER = "begun-earlier"
    """The commitment began earlier than monitor knew."""


class Move(Value):
    """One deadline before and after."""

    commitment: Commitment
    """The commitment as it is now."""
    committed_before: Instant
    statutory_before: Instant
    paused_before: bool = False


class CommitmentsMoved(Message):
    """Deadlines that were published before have changed."""

    type: ClassVar[str] = "onedoor.commitments.moved.v1"

    moves: Annotated[tuple[Move, ...], Field(min_length=1, max_length=MAX_COMMITMENTS)]
    cause: Cause
    rules_version: Annotated[int, Field(ge=0)] = 0
    """The version of the rules by which they are computed now; 0 for those that ship with the program."""
    change_ids: ChangeIds = ()
    region: Region | None = None
    sequence: Sequence = 0
