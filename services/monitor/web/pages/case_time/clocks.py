"""The clocks of a case, each as people read it: how long, until when, and how it stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

from contracts.messages.alerts import Rung
from contracts.messages.commitments import CASE, Pause, step_key
from contracts.working_time import CountingRules, phrases, working_days_between
from contracts.working_time.explanation.wording import amount
from contracts.working_time.limit_history import Unit
from contracts.working_time.phrases import Limit, Phrase
from services.monitor.core.commitment import TrackedCommitment
from services.monitor.core.rules import Rules
from services.monitor.core.state import MonitoredCase
from services.monitor.web.pages.words import Words
from services.runtime.http.pages.languages import N_


class Clock(NamedTuple):
    """A commitment. ``state``: the name of its tag; ``committed`` and ``statutory``: None where there is no limit yet.

    ``over``: working days over the committed limit, 0 if it is not over or the commitment is answered.
    """

    key: str
    name: str
    owner: str
    state: str
    committed: Phrase | None
    statutory: Phrase | None
    tone: str
    statutory_tone: str
    note: str
    over: int
    opened_at: datetime | None
    delivered_at: datetime | None
    ended_at: datetime | None
    due_at: datetime | None
    is_open: bool
    is_paused: bool

    @property
    def id(self) -> str:
        """The id of its derivation on the page."""
        return self.key.replace("/", "-")


@dataclass
class Clocks:
    """Makes the clocks of a case."""

    words: Words
    state: MonitoredCase
    rules: Rules
    now: datetime

    @cached_property
    def counting(self) -> CountingRules:
        """The calendar and the hours of the place."""
        return self.rules.counting_rules(self.state.region or "")

    def local(self, at: datetime) -> datetime:
        """A moment at the place."""
        return self.counting.hours.local(at)

    def moment(self, at: datetime) -> str:
        """A moment at the place, as text."""
        return self.words.moment(at, self.now, self.counting.hours)

    @cached_property
    def all(self) -> Sequence[Clock]:
        """All of them: the case first, then what is open, in the order of its beginning."""
        made = [self._clock(one) for one in self.state.commitments]
        return sorted(made, key=lambda one: (one.key != CASE, one.opened_at is None, str(one.opened_at), one.key))

    def _clock(self, one: TrackedCommitment) -> Clock:
        ended_at = self.state.ended_at(one)
        due = one.due
        is_open = ended_at is None and one.opened_at is not None
        pause = due.pause if due is not None and is_open else None
        committed = statutory = None
        if due is not None and ended_at is None:
            committed = self._phrase(due.committed_due, Limit.COMMITTED, pause)
            statutory = self._phrase(due.statutory_due, Limit.STATUTORY, pause)
        elif due is not None and ended_at is not None:
            committed = self._answered(ended_at, due.committed_due)
        committed_over = self._over(due.committed_due) if due is not None and is_open and pause is None else 0
        is_over = due is not None and is_open and pause is None and due.committed_due < self.now
        statutory_over = due is not None and is_open and pause is None and due.statutory_due < self.now
        return Clock(
            key=one.key,
            name=self.words.commitment(one.key, self.state.matter or ""),
            owner=self.words.department(one.owner or ""),
            state=self._state(one, ended_at, pause),
            committed=committed,
            statutory=statutory,
            tone="over" if is_over else "",
            statutory_tone="over" if statutory_over else "",
            note=self._note(one),
            over=max(committed_over, int(is_over)),
            opened_at=one.opened_at,
            delivered_at=one.delivered_at,
            ended_at=ended_at,
            due_at=due.committed_due if due is not None else None,
            is_open=is_open,
            is_paused=pause is not None,
        )

    def step(self, step: str) -> str:
        """A step of the case by its name, or by its code where it has none."""
        words = self.words
        return words.names.step(step_key(step), self.state.matter or "", words.language) or step

    def _over(self, due_at: datetime) -> int:
        return max(0, working_days_between(due_at, self.now, self.counting.calendar, self.counting.hours))

    def _phrase(self, due_at: datetime, limit: Limit, pause: Pause | None) -> Phrase:
        language, today = self.words.language, self.local(self.now).date()
        if pause is not None and due_at > pause.since:
            since = self.local(pause.since).date()
            unit = Unit(pause.unit)
            if limit is Limit.COMMITTED and unit is Unit.WORKING_DAYS:
                return phrases.stopped(pause.left, since, today, language)
            if limit is Limit.COMMITTED:
                left = self.words._(N_("%(left)s left"), left=amount(pause.left, unit, language))
                return Phrase(self.words._(N_("Clock stopped")), left, language)
            return Phrase(self.words._(N_("Clock stopped")), phrases.day(since, today, language), language)
        if due_at < self.now:
            return phrases.over(self._over(due_at), self.local(due_at).date(), limit, today, language)
        days = working_days_between(self.now, due_at, self.counting.calendar, self.counting.hours)
        return phrases.ahead(self.local(due_at), self.local(self.now), days, language, self.counting.calendar)

    def _answered(self, ended_at: datetime, due_at: datetime) -> Phrase:
        by = working_days_between(due_at, ended_at, self.counting.calendar, self.counting.hours)
        due_on, today = self.local(due_at).date(), self.local(self.now).date()
        return phrases.answered(by, ended_at <= due_at, due_on, today, self.words.language)

    def _state(self, one: TrackedCommitment, ended_at: datetime | None, pause: Pause | None) -> str:
        standing = [alert.rung for alert in one.raised if not alert.withdrawn]
        if one.opened_at is None and ended_at is None:
            return "waiting"
        failed = any(issue.commitment == one.key and issue.settled_at is None for issue in self.state.platform_issues)
        if failed and ended_at is None:
            return "platform"
        highest = max(standing, key=list(Rung).index, default=None)
        if highest is not None and (ended_at is None or highest is not Rung.WARNING):
            return highest.value
        if pause is not None:
            return "stopped"
        return "on_time" if ended_at is not None and one.due is not None else ""

    def _note(self, one: TrackedCommitment) -> str:
        if one.opened_at is None and one.after:
            return self.words._(
                N_("waits for %(steps)s"), steps=self.words.listed([self.step(step) for step in one.after])
            )
        if one.due is not None and one.due.provisional:
            return self.words._(N_("Provisional: holidays are not published yet"))
        return ""
