"""A table of moves: the only ways in which the state of one capability changes.

A service keeps several small machines beside each other instead of one large one, as h11 does for the two sides of an
HTTP connection. Each capability of a core (a module in ``core/``) has an enum of states and one such table, named
``MOVES``. ``docs/decisions/0020-moves-by-capability.md`` describes how to add one.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from contracts.core import InvalidMessage
from contracts.values import Value

StateT = TypeVar("StateT", bound=StrEnum)

Trigger = type[Value] | StrEnum
"""The cause of a move: a message or a part of one, or an event that the core derives from messages."""

Moves = Mapping[tuple[StateT | None, Trigger], StateT]
"""(state before, trigger) -> state after. ``None`` stands for nothing known yet.

The table holds moves only. A message that adds facts and leaves the state as it is does not stand here. A move may
have a condition that the table does not show (the last answer decides a case, the others do not). Where the state
follows from facts, the table is not executed: the tests compare it with the moves that happen.
"""


class IllegalMove(InvalidMessage):
    """The table has no move from this state by this trigger."""

    def __init__(self, subject: str, state: StrEnum, trigger: Trigger) -> None:
        super().__init__(
            f"{subject} is {state} and cannot move by {label(trigger)}",
            f"{subject} 的状态为 {state}，不能由 {label(trigger)} 改变",
        )


def next_state(moves: Moves[StateT], subject: str, state: StateT, trigger: Trigger) -> StateT:
    """The state after the move. Raises `IllegalMove`, which names the ``subject``, where the table has none."""
    try:
        return moves[state, trigger]
    except KeyError:
        raise IllegalMove(subject, state, trigger) from None


def label(trigger: Trigger) -> str:
    """The name of a trigger for people."""
    return trigger.value if isinstance(trigger, StrEnum) else trigger.__name__
