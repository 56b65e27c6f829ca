"""What monitor remembers of a case: facts, each merged so that the order in which they are heard is of no matter."""

from datetime import datetime
from typing import Self

from contracts.cases import Region
from contracts.commitments import Commitment, CommitmentKey, Rung
from contracts.envelope import Code, Instant, Name, Value
from contracts.plans import Limits

CASE: CommitmentKey = "case"


def step_key(step: Code) -> CommitmentKey:
    """The commitment of one step."""
    return f"step/{step}"


class DueDates(Value):
    """When each rung falls due."""

    warning: Instant
    yellow: Instant
    red: Instant
    provisional: bool = False

    def of(self, rung: Rung) -> datetime:
        """When this rung falls due."""
        match rung:
            case Rung.WARNING:
                return self.warning
            case Rung.YELLOW:
                return self.yellow
            case Rung.RED:
                return self.red


class Raised(Value):
    """A rung that has fired. It stays here when it is withdrawn, so that it never fires a second time."""

    rung: Rung
    raised_at: Instant
    withdrawn: bool = False


class Watch(Value):
    """One commitment. ``owner`` and ``limits`` come with the acceptance, which may be heard last.

    ``opened_at`` and ``ended_at`` are the earliest moments heard of, ``open_at`` the latest moment at which
    routing knew it to be still open.
    """

    key: CommitmentKey
    owner: Name | None = None
    limits: Limits | None = None
    opened_at: Instant | None = None
    ended_at: Instant | None = None
    open_at: Instant | None = None
    due: DueDates | None = None
    raised: tuple[Raised, ...] = ()

    def learn(
        self, *, opened_at: datetime | None = None, ended_at: datetime | None = None, open_at: datetime | None = None
    ) -> Self:
        """This commitment with these facts merged in; itself if they are no news."""
        news: dict[str, object] = {}
        if opened_at is not None and (self.opened_at is None or opened_at < self.opened_at):
            news |= {"opened_at": opened_at, "due": None}
        if ended_at is not None and (self.ended_at is None or ended_at < self.ended_at):
            news |= {"ended_at": ended_at}
        if open_at is not None and (self.open_at is None or open_at > self.open_at):
            news |= {"open_at": open_at}
        return self.model_copy(update=news) if news else self

    def fired(self, rung: Rung) -> Raised | None:
        """How this rung fired, if it has."""
        return next((raised for raised in self.raised if raised.rung == rung), None)

    def commitment(self) -> Commitment | None:
        """The commitment as it is told to others; ``None`` while it is not open."""
        if self.owner is None or self.opened_at is None or self.due is None:
            return None
        return Commitment(
            key=self.key,
            owner=self.owner,
            opened_at=self.opened_at,
            committed_due=self.due.yellow,
            statutory_due=self.due.red,
            provisional=self.due.provisional,
        )


class MonitoredCase(Value):
    """A case as monitor knows it. ``matter`` and ``region`` are unknown until the acceptance is heard.

    ``routed``: something heard shows that routing knows the case, so that it can be asked about it.
    ``asked`` counts how often routing has been asked the question that is open now, last at ``asked_at``.
    """

    matter: Code | None = None
    region: Region | None = None
    watches: tuple[Watch, ...] = ()
    routed: bool = False
    asked: int = 0
    asked_at: Instant | None = None

    def watch(self, key: CommitmentKey) -> Watch | None:
        """The commitment of this name."""
        return next((watch for watch in self.watches if watch.key == key), None)

    def ended_at(self, watch: Watch) -> datetime | None:
        """When this commitment was answered. No step is owed any longer once its case is decided."""
        case = self.watch(CASE)
        ends = [at for at in (watch.ended_at, case.ended_at if case else None) if at is not None]
        return min(ends, default=None)

    def replace(self, *changed: Watch) -> Self:
        """This case with these commitments put in place of those of the same name; itself if that is no news."""
        if all(self.watch(watch.key) is watch for watch in changed):
            return self
        watches = {watch.key: watch for watch in (*self.watches, *changed)}
        return self.model_copy(update={"watches": tuple(watches[key] for key in sorted(watches))})
