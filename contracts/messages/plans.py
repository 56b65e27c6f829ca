"""The plan of a case, and what routing says of its course."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from contracts.envelope import Code, Instant, Name
from contracts.values import Value

Fen = Annotated[int, Field(ge=0)]
"""Money in fen, the hundredth of a yuan."""


MAX_STEPS = 64
"""Steps of one plan. A record is small and what follows from it must be: each step is a message of its own."""

MAX_MATERIALS = 100

MAX_FEES = 32


class Limit(Value):
    """A time limit: a length of one kind from the event on, or a moment fixed by somebody else; the earlier of both.

    Which days count, and how, is told by `contracts.working_time`.
    """

    working_days: Annotated[int, Field(ge=0, le=3650)] | None = None
    calendar_days: Annotated[int, Field(ge=1, le=3650)] | None = None
    months: Annotated[int, Field(ge=1, le=120)] | None = None
    working_minutes: Annotated[int, Field(ge=1, le=60 * 24 * 3650)] | None = None
    """Of the hours of business."""
    due_at: Instant | None = None

    @property
    def counted(self) -> bool:
        """Whether the limit has a length."""
        return self._lengths() > 0

    def _lengths(self) -> int:
        lengths = (self.working_days, self.calendar_days, self.months, self.working_minutes)
        return len(lengths) - lengths.count(None)

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        lengths = self._lengths()
        if lengths > 1:
            raise ValueError("a limit has one of working_days, calendar_days, months and working_minutes")
        if not lengths and self.due_at is None:
            raise ValueError("a limit needs a length or due_at")
        return self


class Limits(Value):
    """The time the department promised, and the longer time the law allows (承诺 / 法定时限)."""

    committed: Limit
    statutory: Limit


class Fee(Value):
    """A fee with its standard and legal basis."""

    name: Name
    amount_fen: Fen
    standard: Name
    basis: Name


class PlanStep(Value):
    """One item asked of one department, and the steps that must be done before it can start."""

    step: Code
    item: Code
    item_name: Name
    department: Name
    system: Code
    """Which of the department's systems is asked; it names the topics of its adapter."""
    after: Annotated[tuple[Code, ...], Field(max_length=MAX_STEPS)] = ()
    limits: Limits | None = None
    fees: Annotated[tuple[Fee, ...], Field(max_length=MAX_FEES)] = ()


class Plan(Value):
    """The steps of a case as the catalogue had them on the day of acceptance. A case keeps its plan."""

    matter: Code
    matter_name: Name
    catalogue_version: Name
    lead_department: Name
    limits: Limits | None = None
    """None where nobody has promised a time: such a case is never late."""
    steps: Annotated[tuple[PlanStep, ...], Field(min_length=1, max_length=MAX_STEPS)]

    @model_validator(mode="after")
    def _steps_can_start(self) -> Self:
        names = [step.step for step in self.steps]
        if len(set(names)) != len(names):
            raise ValueError("a step is named twice")
        done: set[str] = set()
        while ready := [s.step for s in self.steps if s.step not in done and done.issuperset(s.after)]:
            done.update(ready)
        if stuck := sorted(set(names) - done):
            raise ValueError(f"steps that can never start, each waiting for another: {', '.join(stuck)}")
        return self


class Outcome(StrEnum):
    """How a step, or a whole case, ended."""

    APPROVED = "approved"
    REFUSED = "refused"
