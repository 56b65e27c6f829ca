"""What monitor says: which deadlines it holds, and which of them are in danger or broken."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from contracts.envelope import Instant, Message, Name
from contracts.messages.cases import ChangeId
from contracts.messages.fields import Region
from contracts.messages.plans import MAX_STEPS
from contracts.values import Value

MAX_KEY_LENGTH = 80

CommitmentKey = Annotated[str, Field(min_length=1, max_length=MAX_KEY_LENGTH)]
"""``case`` for the case as a whole, ``step/<step>`` for one step of it; else the kind and, where a case may have
several, which: ``notice``, ``complaint/2``."""


class Kind(StrEnum):
    """What a commitment is about, which is what its key begins with."""

    CASE = "case"
    STEP = "step"
    PROCEDURE = "procedure"
    """A special procedure, while it lasts (特别程序)."""
    ACCEPTANCE = "acceptance"
    """An application by web that is neither accepted nor refused (网上受理)."""
    NOTICE = "notice"
    """The one-time notice of what is missing (一次性告知)."""
    DELIVERY = "delivery"
    """The decision on its way to the applicant (出证, 送达)."""
    COMPLAINT = "complaint"
    CONSULTATION = "consultation"


def kind_of(key: CommitmentKey) -> Kind:
    """What the commitment of this key is about. Raises `ValueError` for a key of no known kind."""
    return Kind(key.partition("/")[0])


MAX_COMMITMENTS = MAX_STEPS + 64
"""Commitments of one case: itself, its steps, and what else runs beside them."""

MAX_OPENED = MAX_STEPS + 1
"""Commitments of one message that they are open."""


class Pause(Value):
    """A limit that stands still: nothing is due until it runs again (中止)."""

    since: Instant
    left: Annotated[int, Field(ge=0)]
    """How much of the committed limit is left, in ``unit``."""
    unit: Annotated[str, Field(min_length=1, max_length=40)]


class Commitment(Value):
    """A deadline somebody answers for. While it is paused, the moments are when it would be due had it run on."""

    key: CommitmentKey
    owner: Name
    opened_at: Instant
    committed_due: Instant
    statutory_due: Instant
    provisional: bool = False
    """Reaches into a year whose holidays are not yet published, and will be computed again."""
    pause: Pause | None = None


ChangeIds = Annotated[tuple[ChangeId, ...], Field(max_length=MAX_COMMITMENTS)]
"""What monitor has heard of intake's words about the time of the case."""


Sequence = Annotated[int, Field(ge=0)]
"""Counts what monitor has told of the case's deadlines: of two words the one told later holds, whatever their times
say, which are those of what led to them."""


class CommitmentsOpened(Message):
    """Monitor holds these deadlines for the case: its answer to an acceptance, repeated when asked again."""

    type: ClassVar[str] = "onedoor.commitments.opened.v1"

    commitments: Annotated[tuple[Commitment, ...], Field(max_length=MAX_OPENED)]
    """Of a case that has more there are several such messages."""
    change_ids: ChangeIds = ()
    region: Region | None = None
    sequence: Sequence = 0


class Cause(StrEnum):
    """Why a deadline moved."""

    RULES = "rules"
    """Another calendar, other hours or another ladder came into force."""
    SUSPENDED = "suspended"
    RESUMED = "resumed"
    RESTARTED = "restarted"
    EXTENDED = "extended"
    BEGUN_EARLIER = "begun-earlier"
    """It turned out to have begun sooner than was known."""


class Move(Value):
    """One deadline before and after."""

    commitment: Commitment
    """As it is now."""
    committed_before: Instant
    statutory_before: Instant
    paused_before: bool = False


class CommitmentsMoved(Message):
    """Deadlines that have been said are other ones now."""

    type: ClassVar[str] = "onedoor.commitments.moved.v1"

    moves: Annotated[tuple[Move, ...], Field(min_length=1, max_length=MAX_COMMITMENTS)]
    cause: Cause
    edition: Annotated[int, Field(ge=0)] = 0
    """Of the rules by which they are reckoned now; 0 are those that the program came with."""
    change_ids: ChangeIds = ()
    region: Region | None = None
    sequence: Sequence = 0
