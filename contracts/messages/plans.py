"""The plan of a case: its steps with their limits and fees."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from contracts.envelope import Code, Instant, Name
from contracts.faults import fault
from contracts.values import Value

Fen = Annotated[int, Field(ge=0, strict=True)]
"""Money in fen, the hundredth of a yuan."""


MAX_STEPS = 64
"""Steps of one plan. Each step becomes a message of its own, so the number bounds what one record leads to."""

MAX_MATERIALS = 100
"""Materials of one case."""

MAX_FEES = 32
"""Fees of one step."""


class Limit(Value):
    """A time limit: a length in one unit, or a moment fixed by another party, or the earlier of both.

    `contracts.working_time` defines which days count.
    """

    working_days: Annotated[int, Field(ge=0, le=3650, strict=True)] | None = None
    calendar_days: Annotated[int, Field(ge=1, le=3650, strict=True)] | None = None
    months: Annotated[int, Field(ge=1, le=120, strict=True)] | None = None
    working_minutes: Annotated[int, Field(ge=1, le=60 * 24 * 3650, strict=True)] | None = None
    """Minutes within the hours of business."""
    due_at: Instant | None = None

    @property
    def counted(self) -> bool:
        """Whether the limit has a length."""
        return self._lengths() > 0

    def _lengths(self) -> int:
        lengths = (self.working_days, self.calendar_days, self.months, self.working_minutes)
        return len(lengths) - lengths.count(None)

    @model_validator(mode="after")
    def _has_one_length(self) -> Self:
        lengths = self._lengths()
        if lengths > 1:
            raise fault(
                "a limit has one of working_days, calendar_days, months and working_minutes; give one",
                "时限只能填写 working_days、calendar_days、months、working_minutes 之一",
            )
        if not lengths and self.due_at is None:
            raise fault(
                "a limit needs working_days, calendar_days, months, working_minutes or due_at",
                "时限须填写 working_days、calendar_days、months、working_minutes 或 due_at",
            )
        return self


_UNITS = ("working_days", "calendar_days", "months", "working_minutes", "due_at")


class Limits(Value):
    """The time the department promised, and the longer time the law allows (承诺 / 法定时限)."""

    committed: Limit
    statutory: Limit

    @property
    def in_order(self) -> bool:
        """Whether the committed limit is not longer than the statutory one, as far as both have the same unit."""
        pairs = [(getattr(self.committed, unit), getattr(self.statutory, unit)) for unit in _UNITS]
        return all(committed is None or statutory is None or committed <= statutory for committed, statutory in pairs)


class Fee(Value):
    """A fee with its standard and legal basis."""

    name: Name
    amount_fen: Fen
    standard: Name
    basis: Name


class PlanStep(Value):
    """One item requested from one department, and the steps that must be done before it can start."""

    step: Code
    item: Code
    item_name: Name
    department: Name
    system: Code
    """The department's system that does the step. It names the topics of the adapter."""
    after: Annotated[tuple[Code, ...], Field(max_length=MAX_STEPS)] = ()
    limits: Limits | None = None
    fees: Annotated[tuple[Fee, ...], Field(max_length=MAX_FEES)] = ()


class Plan(Value):
    """The steps of a case as the catalogue had them on the day of acceptance. A case keeps its plan (流程)."""

    matter: Code
    matter_name: Name
    catalogue_version: Name
    lead_department: Name
    limits: Limits | None = None
    """None where no time was promised: such a case is never late."""
    steps: Annotated[tuple[PlanStep, ...], Field(min_length=1, max_length=MAX_STEPS)]

    @model_validator(mode="after")
    def _every_step_can_start(self) -> Self:
        names = [step.step for step in self.steps]
        if len(set(names)) != len(names):
            raise ValueError("two steps have the same name")
        done: set[str] = set()
        while ready := [s.step for s in self.steps if s.step not in done and done.issuperset(s.after)]:
            done.update(ready)
        if stuck := sorted(set(names) - done):
            raise ValueError(f"steps that can never start, each waiting for another: {', '.join(stuck)}")
        return self


class Outcome(StrEnum):
    """The outcome of a step or of a whole case (准予 / 不予)."""

    APPROVED = "approved"
    REFUSED = "refused"
