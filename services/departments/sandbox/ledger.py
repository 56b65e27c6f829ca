"""The entries in the ledger of a sandbox."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from contracts.messages.plans import Outcome
from services.departments.sandbox.behaviour import Mistake

IN_FIRST_ANSWER = Mistake.NO_ANSWER, Mistake.GARBLED_RECEIPT, Mistake.BLANK_NUMBER
"""Mistakes of the first answer. They are made once."""

OVERSIZE = 10_000
"""How often each text is repeated in a decision that is too long: 200 KB."""

CLOCK_BEHIND = timedelta(days=56 * 365)
"""How far a wrong clock is behind."""


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One application in the ledger."""

    task_id: str
    number: str
    received_at: datetime
    decide_at: datetime
    outcome: Outcome
    mistake: Mistake | None
    submissions: int
    repeated: int = 1
    """How often each text of the decision is repeated."""

    def decided(self, now: datetime) -> bool:
        """Whether it is decided by now. A decision on receipt stays one if the clock is set back."""
        return self.decide_at <= max(now, self.received_at)

    def makes(self, mistake: Mistake) -> bool:
        """Whether this mistake is made now."""
        return self.mistake is mistake and (self.submissions == 1 or mistake not in IN_FIRST_ANSWER)

    def by_its_clock(self, at: datetime) -> datetime:
        """The moment as the department reports it."""
        return at - CLOCK_BEHIND if self.mistake is Mistake.WRONG_CLOCK else at

    @property
    def receipt_number(self) -> str:
        """The number as it stands in a receipt."""
        if self.makes(Mistake.BLANK_NUMBER):
            return " \u3000"
        return f"{self.number}  " if self.makes(Mistake.PADDED_NUMBER) else self.number

    @property
    def reported(self) -> "tuple[LedgerEntry, ...]":
        """The entry with each decision that is reported on it: several, or a bad one, where that is its mistake."""
        if self.makes(Mistake.CONTRADICTED):
            other = Outcome.REFUSED if self.outcome is Outcome.APPROVED else Outcome.APPROVED
            return self, replace(self, outcome=other)
        if self.makes(Mistake.OVERSIZED_DECISION):
            return (replace(self, repeated=OVERSIZE),)
        return (self, self) if self.makes(Mistake.REPEATED) else (self,)

    @property
    def certificate(self) -> str | None:
        """The number of the document that an approval comes with."""
        return f"证{self.number}" * self.repeated if self.outcome is Outcome.APPROVED else None

    @property
    def opinion(self) -> str:
        return ("同意" if self.outcome is Outcome.APPROVED else "不符合条件") * self.repeated
