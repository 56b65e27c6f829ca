"""The entries in the ledger of a sandbox."""

from dataclasses import dataclass
from datetime import datetime

from contracts.messages.plans import Outcome
from services.departments.sandbox.behaviour import Mistake

IN_FIRST_ANSWER = Mistake.NO_ANSWER, Mistake.GARBLED_RECEIPT
"""Mistakes of the first answer. They are made once."""


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

    def decided(self, now: datetime) -> bool:
        return self.decide_at <= now

    def makes(self, mistake: Mistake) -> bool:
        """Whether this mistake is made now."""
        return self.mistake is mistake and (self.submissions == 1 or mistake not in IN_FIRST_ANSWER)

    @property
    def certificate(self) -> str | None:
        """The number of the document that an approval comes with."""
        return f"证{self.number}" if self.outcome is Outcome.APPROVED else None

    @property
    def opinion(self) -> str:
        return "同意" if self.outcome is Outcome.APPROVED else "不符合条件"
