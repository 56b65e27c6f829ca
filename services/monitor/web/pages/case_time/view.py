"""What the page of the time of a case shows: the answer, the picture, each deadline with its derivation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

from sqlalchemy import Row

from contracts.messages.commitments import CASE
from contracts.messages.tasks import TimeSettled
from contracts.working_time import phrases, working_days_used
from contracts.working_time.explanation.explain import Explanation
from contracts.working_time.explanation.wording import day_line, summary
from contracts.working_time.limit_history import Suspension
from services.monitor.core.case_time import clock_history, suspension_end
from services.monitor.core.deadlines import explanation
from services.monitor.core.holds import holds_of
from services.monitor.core.rules import LimitKind, Rules
from services.monitor.core.state import DoubtRecord, MonitoredCase
from services.monitor.web.pages.case_time.clocks import Clock, Clocks
from services.monitor.web.pages.case_time.gantt import Gantt, Line, Span, gantt
from services.monitor.web.pages.case_time.months import WEEKDAYS, Month, months
from services.monitor.web.pages.words import NameOf, Words
from services.runtime.http.pages.languages import N_, NN_

LIMITS: Mapping[LimitKind, str] = {
    LimitKind.COMMITTED: N_("Committed limit"),
    LimitKind.STATUTORY: N_("Statutory limit"),
}


class Derivation(NamedTuple):
    """How one limit follows, in words and as months; ``days``: a line for each day."""

    name: str
    sentences: Sequence[str]
    months: Sequence[Month]
    days: Sequence[str]


class Hold(NamedTuple):
    """A suspension of the time of the case by a supervisor. ``until``: None while it lasts.

    ``person``: the supervisor who began it, or has ended it; empty for one that was recorded before.
    """

    name: str
    reason: str
    article: str
    since: str
    until: str | None
    person: str


@dataclass
class CaseTimeView:
    """The time of a case. ``rules``: those in force; ``versions``: those by which its deadlines were computed;
    ``alerts``: its alerts, newest first."""

    words: Words
    case_id: str
    state: MonitoredCase
    rules: Rules
    versions: Mapping[int, Rules]
    alerts: Sequence[Row[Any]]
    name_of: NameOf
    now: datetime

    @cached_property
    def _made(self) -> Clocks:
        return Clocks(self.words, self.state, self.rules, self.now)

    @cached_property
    def clocks(self) -> Sequence[Clock]:
        """All clocks: the case first."""
        return self._made.all

    @cached_property
    def whole(self) -> Clock | None:
        """The clock of the case as a whole."""
        return next((one for one in self.clocks if one.key == CASE), None)

    def moment(self, at: datetime) -> str:
        """A moment at the place."""
        return self._made.moment(at)

    @cached_property
    def printed(self) -> str:
        """Now, at the place."""
        return self.moment(self.now)

    @cached_property
    def place(self) -> str:
        """The region by name."""
        return self.words.place(self.state.region) if self.state.region is not None else ""

    @cached_property
    def matter(self) -> str:
        """The item or the bundle by name."""
        return self.words.matter(self.state.matter) if self.state.matter is not None else ""

    def step(self, step: str) -> str:
        """A step by name."""
        return self._made.step(step)

    # --- the answer ---

    @cached_property
    def stuck(self) -> Clock | None:
        """Where the case is stuck: the open commitment that is most overdue, steps before the whole."""
        late = [one for one in self.clocks if one.over]
        return max(late, key=lambda one: (one.key != CASE, one.over), default=None)

    @cached_property
    def answer(self) -> str:
        """Where is it stuck, since when?"""
        _ = self.words._
        if self.state.decided_at is not None and not any(one.is_open for one in self.clocks):
            return _(N_("Decided %(when)s."), when=self.moment(self.state.decided_at))
        if self.stuck is not None and self.stuck.committed is not None and self.stuck.due_at is not None:
            text = N_("Stuck at %(owner)s: %(step)s, %(over)s, since %(when)s.")
            if self.stuck.state == "platform":
                text = N_("Stuck at the platform, and not at %(owner)s: %(step)s, %(over)s, since %(when)s.")
            stuck, since = self.stuck, self.moment(self.stuck.due_at)
            return _(text, owner=stuck.owner, step=stuck.name, over=self._over(stuck), when=since)
        paused = next((one for one in self.clocks if one.is_paused and one.committed is not None), None)
        if paused is not None:
            return _(N_("The clock is stopped: %(phrase)s."), phrase=paused.committed)
        coming = [one for one in self.clocks if one.is_open and one.due_at is not None]
        steps = [one for one in coming if one.key != CASE] or coming
        if not steps:
            return _(N_("Nothing waits for an answer."))
        first = min(steps, key=lambda one: (one.due_at is None, one.due_at))
        text = N_("In time. %(owner)s is next: %(step)s, %(phrase)s.")
        return _(text, owner=first.owner, step=first.name, phrase=first.committed)

    def _over(self, clock: Clock) -> str:
        phrase = clock.committed.length if clock.committed is not None else ""
        return phrase.lower() if self.words.language == "en" else phrase

    @cached_property
    def detail(self) -> str:
        """The other reasons that stand in the way."""
        _, parts = self.words._, []
        failed = [one for one in self.state.platform_issues if one.settled_at is None]
        if failed:
            owner = next((one.owner for one in self.clocks if one.key == failed[0].commitment), "")
            fault, since = phrases.platform_fault(owner, self.words.language), self.moment(failed[0].raised_at)
            parts.append(_(N_("%(fault)s, since %(when)s."), fault=fault, when=since))
        waiting = [one for one in self.clocks if one.opened_at is None]
        if waiting:
            parts.append(
                self.words.many(NN_("%(number)s step waits for it.", "%(number)s steps wait for it."), len(waiting))
            )
        return " ".join(parts)

    @cached_property
    def tone(self) -> str:
        """The edge of the answer."""
        if self.stuck is not None and self.stuck.state != "platform":
            return "bad-news" if self.stuck.state in ("red", "oversight") else ""
        return "fault" if any(one.settled_at is None for one in self.state.platform_issues) else "calm"

    @cached_property
    def steps(self) -> str:
        """How many steps are done, open and waiting."""
        steps = [one for one in self.clocks if one.key.startswith("step/")]
        done = sum(1 for one in steps if one.ended_at is not None)
        waiting = sum(1 for one in steps if one.opened_at is None and one.ended_at is None)
        text = N_("%(done)s done, %(open)s open, %(waiting)s waiting")
        return self.words._(text, done=done, open=len(steps) - done - waiting, waiting=waiting)

    @cached_property
    def used(self) -> str | None:
        """How many working days have counted."""
        case = self.state.commitment(CASE)
        if case is None or case.opened_at is None:
            return None
        end = self.state.decided_at or self.now
        days = working_days_used(case.opened_at, self._suspensions(CASE), end, self._made.counting)
        return phrases.working_days(days, self.words.language)

    # --- the picture ---

    @cached_property
    def picture(self) -> Gantt | None:
        """The steps, suspensions and deadlines over the days of the case."""
        local = self._made.local
        lines = [self._line(one) for one in self.clocks if one.opened_at is not None or one.key.startswith("step/")]
        return gantt(lines, local(self.now), self._made.counting.calendar, self.words.language)

    def _line(self, clock: Clock) -> Line:
        local = self._made.local
        due, tracked = clock.due_at, self.state.commitment(clock.key)
        statutory = tracked.due.statutory_due if tracked is not None and tracked.due is not None else None
        text = str(clock.committed) if clock.committed is not None else clock.note
        return Line(
            clock.name,
            clock.owner,
            self._spans(clock),
            local(due) if due is not None and not clock.is_paused else None,
            local(statutory) if statutory is not None and not clock.is_paused else None,
            text,
        )

    def _spans(self, clock: Clock) -> list[Span]:
        if clock.opened_at is None:
            return []
        local, end, suspensions = self._made.local, clock.ended_at or self.now, self._suspensions(clock.key)
        run = "bar-done" if clock.ended_at is not None else "bar-run"
        cuts = sorted(
            {clock.opened_at, end}
            | {at for one in suspensions for at in (one.since, one.until or end)}
            | ({clock.due_at} if clock.due_at is not None else set())
        )
        cuts = [at for at in cuts if clock.opened_at <= at <= end]
        spans = []
        for since, until in pairwise(cuts):
            style = run
            if any(one.since <= since and (one.until is None or until <= one.until) for one in suspensions):
                style = "bar-still"
            elif clock.due_at is not None and since >= clock.due_at:
                style = "bar-over"
            spans.append(Span(style, local(since), local(until)))
        if clock.is_open and clock.due_at is not None and clock.due_at > end and not clock.is_paused:
            spans.append(Span("bar-left", local(end), local(clock.due_at)))
        return spans or [Span(run, local(clock.opened_at), local(end))]

    def _suspensions(self, key: str) -> Sequence[Suspension]:
        commitment = self.state.commitment(key)
        history = clock_history(self.state, commitment, self.rules) if commitment is not None else None
        return history.suspensions if history is not None else ()

    def suspended(self, clock: Clock) -> list[str]:
        """The suspensions of a clock, as text."""
        found = []
        for one in self._suspensions(clock.key):
            until = self.moment(one.until) if one.until is not None else self.words._(N_("today"))
            text = N_("%(since)s to %(until)s, %(reason)s")
            reason = f"{one.reason} {one.article}".strip()
            found.append(self.words._(text, since=self.moment(one.since), until=until, reason=reason))
        return found

    # --- derivations ---

    def derivations(self, clock: Clock) -> list[Derivation]:
        """How the limits of a clock follow."""
        tracked = self.state.commitment(clock.key)
        if tracked is None:
            return []
        rules = self.versions[tracked.rules_version]
        found = []
        for kind, name in LIMITS.items():
            one = explanation(self.state, clock.key, kind, rules)
            if one is not None:
                found.append(self._derivation(self.words._(name), one))
        return found

    def _derivation(self, name: str, one: Explanation) -> Derivation:
        local, language = self._made.local, self.words.language
        due_on: date | None = local(one.due_at).date() if one.due_at is not None else None
        lines = [day_line(day, one.unit, language) for day in one.days]
        return Derivation(name, summary(one, language), months(one, self.words, local(self.now).date(), due_on), lines)

    @cached_property
    def weekdays(self) -> Sequence[tuple[str, str]]:
        """The days of the week."""
        return WEEKDAYS[self.words.language]

    # --- holds and doubtful times ---

    @cached_property
    def holds(self) -> list[Hold]:
        """All holds, the newest first."""
        found = []
        for name, one in sorted(holds_of(self.state).items(), key=lambda entry: entry[1].since, reverse=True):
            until = suspension_end(self.state, one)
            end = self.moment(until) if until is not None else None
            person = self.words.person(self.name_of, one.by, one.on_behalf_of) if one.by is not None else ""
            found.append(Hold(name, one.reason, one.article, self.moment(one.since), end, person))
        return found

    @cached_property
    def held(self) -> Hold | None:
        """The hold that lasts."""
        return next((one for one in self.holds if one.until is None), None)

    @cached_property
    def can_be_held(self) -> bool:
        """Whether a hold may begin."""
        limits = tracked.limits if (tracked := self.state.commitment(CASE)) is not None else None
        fixed = limits is not None and limits.committed.due_at is not None
        return self.state.accepted and self.state.decided_at is None and self.held is None and not fixed

    def person(self, settlement: TimeSettled) -> str:
        """Who has settled a time, and for which person on leave."""
        return self.words.person(self.name_of, settlement.by, settlement.on_behalf_of)

    @cached_property
    def doubts(self) -> Sequence[DoubtRecord]:
        """The doubtful times that the department has not reported anew."""
        return self.state.doubts
