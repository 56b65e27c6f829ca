"""Capability: the limit of a case is extended once (Administrative Licensing Law, article 42)."""

from enum import StrEnum

from contracts.core import Rejected
from contracts.messages.cases import CaseExtended
from contracts.moves import Moves
from services.intake.core.lifecycle import AcceptCase
from services.intake.core.state import Case


class LimitState(StrEnum):
    """Whether the limit of a case is the one of its plan."""

    REGULAR = "regular"
    EXTENDED = "extended"


MOVES: Moves[LimitState] = {
    (None, AcceptCase): LimitState.REGULAR,
    (LimitState.REGULAR, CaseExtended): LimitState.EXTENDED,
}


class AlreadyExtended(Rejected):
    """Article 42 allows one extension."""

    def __init__(self) -> None:
        super().__init__("the case has been extended, and may be once only", "期限已延长，只能延长一次")


def state_of(case: Case) -> LimitState:
    """The state of this capability."""
    return LimitState.REGULAR if case.extension is None else LimitState.EXTENDED


def apply(case: Case, change: CaseExtended) -> Case:
    """The case with its limit extended. Raises `AlreadyExtended`."""
    if (state_of(case), CaseExtended) not in MOVES:
        raise AlreadyExtended
    return case.replace(extension=change)
