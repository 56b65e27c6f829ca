"""What monitor says: which deadlines it holds, and which of them are in danger or broken."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from contracts.cases import Article, Reason, Region, Word, ends_after_it_begins
from contracts.envelope import Code, Instant, Message, Name, Value
from contracts.plans import MOST_STEPS

MOST_OF_A_KEY = 80

CommitmentKey = Annotated[str, Field(min_length=1, max_length=MOST_OF_A_KEY)]
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

MOST_OPENED = MOST_STEPS + 1
"""Commitments of one message that they are open."""

Turn = Annotated[int, Field(ge=1)]
"""Which time it is that this rung of this commitment is raised: 1 unless an earlier one was withdrawn."""


class Rung(StrEnum):
    """The supervision ladder (预警, 黄牌, 红牌, 督办)."""

    WARNING = "warning"
    YELLOW = "yellow"
    RED = "red"
    FURTHER = "further"
    """Beyond red, where the rules have it: the matter is taken to those above (督办)."""


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

    commitments: Annotated[tuple[Commitment, ...], Field(max_length=MOST_OPENED)]
    """Of a case that has more there are several such messages."""
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

    type: ClassVar[str] = "onedoor.alert.raised.v2"

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
    """A rung that was raised turned out wrong: the answer was in time and late on its way, the deadline moved, or an
    appeal was upheld."""

    type: ClassVar[str] = "onedoor.alert.withdrawn.v2"

    commitment: CommitmentKey
    rung: Rung
    reason: Reason
    withdrawn_at: Instant
    turn: Turn = 1
    region: Region | None = None


class AlertClosed(Message):
    """A commitment was answered after rungs of its ladder had been raised: nobody need be told of them any more."""

    type: ClassVar[str] = "onedoor.alert.closed.v1"

    commitment: CommitmentKey
    ended_at: Instant
    region: Region


class CardSpared(Message):
    """A card was due, and was not issued: asked for the present truth, its owner said that it had answered in time."""

    type: ClassVar[str] = "onedoor.card.spared.v1"

    commitment: CommitmentKey
    rung: Rung
    due_at: Instant
    ended_at: Instant
    """Evidence: when it was answered."""
    region: Region


Person = Code
"""Somebody in the directory of those who are told."""


class Remark(Message):
    """What somebody says of an alert, with a reason."""

    commitment: CommitmentKey
    rung: Rung
    turn: Turn = 1
    by: Person
    reason: Reason
    region: Region | None = None


class AlertAcknowledged(Remark):
    """Somebody who was told of an alert has taken it in hand: it climbs no further."""

    type: ClassVar[str] = "onedoor.alert.acknowledged.v1"

    acknowledged_at: Instant


class AlertAppealed(Remark):
    """A department complains against a card that it was issued (申诉)."""

    type: ClassVar[str] = "onedoor.alert.appealed.v1"

    appealed_at: Instant


class AppealDecided(Remark):
    """A supervisor upholds an appeal, and the card is withdrawn for good; or rejects it, and the card stands."""

    type: ClassVar[str] = "onedoor.appeal.decided.v1"

    upheld: bool
    decided_at: Instant


class CaseHeld(Message):
    """A supervisor stops the time of a case, or lets it run again; the latest ``said_at`` of a hold holds."""

    type: ClassVar[str] = "onedoor.case.held.v1"

    hold: Word
    by: Person
    reason: Reason
    article: Article = ""
    since: Instant
    until: Instant | None = None
    """From when on time counts again; None while it does not."""
    said_at: Instant
    region: Region | None = None

    _ends_after_it_begins = model_validator(mode="after")(ends_after_it_begins)


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
