"""The records of suspensions and of the extension in the state of a case. Pure."""

from hashlib import blake2b

from contracts.envelope import Code, Instant, Name
from contracts.messages.cases import SuspensionKind
from contracts.messages.commitments import MAX_KEY_LENGTH, CommitmentKey, Kind
from contracts.values import Value

HOLD = "hold/"
"""Prefix of the name of a supervisor's suspension."""

MAX_SUSPENSIONS = 100
"""Suspensions of one case from one department system, or from all others together: each makes the state longer."""


class SuspensionRecord(Value):
    """The latest report of a suspension, by ``recorded_at``. It concerns ``step``, or the case where there is none."""

    suspension: str
    kind: SuspensionKind
    step: Code | None = None
    system: Code | None = None
    """The department system that reported a special procedure."""
    owner: Name | None = None
    """The department that opened a special procedure."""
    reason: str
    article: str = ""
    since: Instant
    until: Instant | None = None
    recorded_at: Instant

    def later(self, other: "SuspensionRecord") -> "SuspensionRecord":
        """The one of two reports of the same suspension that counts, whichever arrived first."""
        return max(self, other, key=lambda record: (record.recorded_at, record.model_dump_json()))


class ExtensionRecord(Value):
    """An extension of the limit. The applicant was notified of it (article 42)."""

    days: int
    reason: str
    article: str = ""
    notified_at: Instant


def procedure_key(suspension: str) -> CommitmentKey:
    """The key of the commitment for the special procedure that this suspension reports."""
    key = f"{Kind.PROCEDURE}/{suspension}"
    if len(key) <= MAX_KEY_LENGTH:
        return key
    return f"{Kind.PROCEDURE}/{blake2b(key.encode(), digest_size=16).hexdigest()}"
