"""What monitor says: which deadlines it holds, and which of them are in danger or broken."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from contracts.cases import Region, Word
from contracts.envelope import Code, Instant, Message, Name, Value
from contracts.plans import MOST_STEPS

CommitmentKey = Annotated[str, Field(min_length=1, max_length=80)]
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


MOST_CLOCKS = MOST_STEPS + 64
"""Commitments of one case: itself, its steps, and what else runs beside them."""

Turn = Annotated[int, Field(ge=1)]
"""Which time it is that this rung of this commitment is raised: 1 unless an earlier one was withdrawn."""


class Rung(StrEnum):
    """The supervision ladder (预警, 黄牌, 红牌)."""

    WARNING = "warning"
    YELLOW = "yellow"
    RED = "red"


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


Words = Annotated[tuple[Word, ...], Field(max_length=MOST_CLOCKS)]
"""What monitor has heard of intake's words about the time of the case."""


Told = Annotated[int, Field(ge=0)]
"""Counts what monitor has told of the case's deadlines: of two words the one told later holds, whatever their times
say, which are those of what led to them."""


class CommitmentsOpened(Message):
    """Monitor holds these deadlines for the case: its answer to an acceptance, repeated when asked again."""

    type: ClassVar[str] = "onedoor.commitments.opened.v1"

    commitments: Annotated[tuple[Commitment, ...], Field(max_length=MOST_STEPS + 1)]
    """One for the case and one for each of its steps, at the most."""
    words: Words = ()
    region: Region | None = None
    told: Told = 0


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

    moves: Annotated[tuple[Move, ...], Field(min_length=1, max_length=MOST_CLOCKS)]
    cause: Cause
    edition: Annotated[int, Field(ge=0)] = 0
    """Of the rules by which they are reckoned now; 0 are those that the program came with."""
    words: Words = ()
    region: Region | None = None
    told: Told = 0


class AlertRaised(Message):
    """A rung of the ladder has been reached. Said once for each rung of each commitment, unless it was withdrawn
    because the deadline moved, and the moved deadline passes too."""

    type: ClassVar[str] = "onedoor.alert.raised.v1"

    commitment: CommitmentKey
    rung: Rung
    owner: Name
    matter: Code
    region: Region
    due_at: Instant
    """When the rung fell due."""
    raised_at: Instant
    turn: Turn = 1
    open_at: Instant | None = None
    """Evidence: the latest moment at which routing knew the commitment to be open."""
    ended_at: Instant | None = None
    """Evidence: when it was answered, too late."""


class AlertWithdrawn(Message):
    """A rung that was raised turned out wrong: the answer was in time and late on its way, or the deadline moved."""

    type: ClassVar[str] = "onedoor.alert.withdrawn.v1"

    commitment: CommitmentKey
    rung: Rung
    reason: Annotated[str, Field(min_length=1, max_length=500)]
    withdrawn_at: Instant
    turn: Turn = 1
    region: Region | None = None


class Problem(StrEnum):
    """What the platform itself has failed in, so that no department is to answer for it."""

    UNDELIVERED = "undelivered"
    """A step was not delivered to its department, or only after it was due."""
    UNVERIFIED = "unverified"
    """A card is due, and routing does not say whether the case is open."""


class OperationsAlerted(Message):
    """Something of the platform's own stands between a commitment and its department: operations are told, and the
    department is issued no card for it. Said once, and once more when it is settled."""

    type: ClassVar[str] = "onedoor.operations.alerted.v1"

    commitment: CommitmentKey
    problem: Problem
    owner: Name
    matter: Code
    region: Region
    raised_at: Instant
    settled_at: Instant | None = None


class CaseAsked(Message):
    """Monitor asks routing for the present truth about a case before it issues a card."""

    type: ClassVar[str] = "onedoor.case.asked.v1"
