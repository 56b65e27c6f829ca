"""The record of an alert, as its page shows it: the answer, the grounds of a card, who was notified, what happened."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

from sqlalchemy import Row

from contracts.messages.alerts import Rung
from contracts.messages.commitments import CASE
from services.monitor.core.alerts.actions import APPEAL_UPHELD
from services.monitor.core.case_time import clock_history
from services.monitor.core.commitment import TrackedCommitment
from services.monitor.core.delivery import slow_deliveries, was_delivered
from services.monitor.core.rules import Rules
from services.monitor.core.state import MonitoredCase
from services.monitor.web.pages.alerts.shown import AlertMaker, ShownAlert
from services.monitor.web.pages.words import NameOf, Words
from services.runtime.http.pages.languages import N_, NN_


class Ground(NamedTuple):
    """One of the grounds of a card. ``mark``: yes, no or wait."""

    mark: str
    head: str
    text: str


class Event(NamedTuple):
    """What happened. ``kind``: how it is marked; ``at`` orders the events."""

    at: datetime
    when: str
    text: str
    reason: str
    kind: str


@dataclass
class AlertRecord:
    """An alert. ``siblings``: all alerts of its commitment; ``state``: None where the case is no longer stored;
    ``rules``: those by which its deadline was computed; ``notified``: see `digests.notifications_of`."""

    words: Words
    row: Row[Any]
    siblings: Sequence[Row[Any]]
    state: MonitoredCase | None
    rules: Rules
    notified: Sequence[Row[Any]]
    name_of: NameOf
    now: datetime

    @cached_property
    def maker(self) -> AlertMaker:
        """Makes phrases of alerts."""
        return AlertMaker(self.words, self.rules, self.now, self.name_of)

    @cached_property
    def shown(self) -> ShownAlert:
        """The alert as lists show it."""
        return self.maker.one(self.row)

    @cached_property
    def commitment(self) -> TrackedCommitment | None:
        """The commitment, while the case is stored."""
        return self.state.commitment(self.row.commitment) if self.state is not None else None

    @cached_property
    def title(self) -> str:
        """The subject of the alert."""
        return self.words._(N_("%(owner)s: %(commitment)s"), owner=self.shown.owner, commitment=self.shown.commitment)

    @cached_property
    def place(self) -> str:
        """The region by name."""
        return self.shown.region

    def moment(self, at: datetime) -> str:
        """A moment at the place."""
        return self.maker.moment(self.row, at)

    def person(self, by: str, instead_of: str | None) -> str:
        """The person who acted, and the one on leave for whom."""
        return self.words.person(self.name_of, by, instead_of, self.row.owner)

    # --- how it stands ---

    @cached_property
    def is_card(self) -> bool:
        """Whether it can be appealed against."""
        return bool(self.row.rung != Rung.WARNING)

    @cached_property
    def is_withdrawn(self) -> bool:
        """Whether it is withdrawn."""
        return self.row.withdrawn_at is not None

    @cached_property
    def is_disputed(self) -> bool:
        """Whether an appeal waits for a decision."""
        row = self.row
        return row.appealed_at is not None and row.appeal_decided_at is None and row.withdrawn_at is None

    @cached_property
    def can_be_appealed(self) -> bool:
        """Whether an appeal is possible."""
        return self.is_card and not self.is_withdrawn and self.row.appealed_at is None

    @cached_property
    def answer(self) -> str:
        """The sentence that answers the reader's question: facts, and what is in dispute."""
        _, row = self.words._, self.row
        if self.is_withdrawn:
            return _(N_("It was withdrawn: %(reason)s."), reason=self.maker.withdrawal(row.reason))
        if self.is_disputed:
            name = self.person(row.appealed_by, row.appealed_for)
            return _(N_("%(name)s has appealed against it, and nobody has decided yet."), name=name)
        if row.appeal_decided_at is not None:
            return _(N_("The appeal against it was rejected: it stands."))
        if row.ended_at is not None:
            return _(N_("It stands; the commitment was answered %(when)s."), when=self.moment(row.ended_at))
        if row.acknowledged_at is not None:
            name = self.person(row.acknowledged_by, row.acknowledged_for)
            return _(N_("%(name)s has taken charge of it; the commitment is not answered yet."), name=name)
        return _(N_("Nobody has taken charge of it, and the commitment is not answered yet."))

    @cached_property
    def detail(self) -> str:
        """When it fell due, and how long ago that is."""
        due = self.words._(N_("It fell due %(when)s"), when=self.moment(self.row.due_at))
        if not self.is_card:
            return due + ("。" if self.words.language == "zh" else ".")
        comma, stop = ("，", "。") if self.words.language == "zh" else (", ", ".")
        return f"{due}{comma}{self.shown.phrase.length}{stop}"

    @cached_property
    def tone(self) -> str:
        """The edge of the answer."""
        if self.is_withdrawn or self.row.ended_at is not None:
            return "calm"
        return "bad-news" if self.row.rung in (Rung.RED, Rung.OVERSIGHT) else ""

    # --- evidence ---

    @cached_property
    def grounds(self) -> list[Ground]:
        """The evidence of the alert, point by point; empty where the case is no longer stored."""
        state, commitment = self.state, self.commitment
        if state is None or commitment is None:
            return []
        found = [self._delivery(state, commitment), self._unanswered(commitment), self._time(state, commitment)]
        return [ground for ground in (*found, self._platform(state), self._calendar(commitment)) if ground is not None]

    def _delivery(self, state: MonitoredCase, commitment: TrackedCommitment) -> Ground | None:
        _ = self.words._
        if commitment.is_step:
            head = _(N_("The department had received it."))
            if commitment.delivered_at is None:
                return Ground("wait", head, _(N_("No receipt is on record.")))
            opened = commitment.opened_at or commitment.delivered_at
            minutes = max(0, int((commitment.delivered_at - opened).total_seconds() // 60))
            text = NN_(
                "Delivered %(when)s, %(number)s minute after the request.",
                "Delivered %(when)s, %(number)s minutes after the request.",
            )
            known = self.words.many(text, minutes, when=self.moment(commitment.delivered_at))
            return Ground("yes" if was_delivered(state, commitment, self.row.due_at) else "no", head, known)
        if commitment.key != CASE:
            return None
        slow = len(slow_deliveries(state))
        head = _(N_("The departments had received their steps."))
        if not slow:
            return Ground("yes", head, _(N_("Each within 15 minutes of the request.")))
        mark = "yes" if was_delivered(state, commitment, self.row.due_at) else "no"
        return Ground(mark, head, _(N_("%(number)s of them took longer than 15 minutes."), number=slow))

    def _unanswered(self, commitment: TrackedCommitment) -> Ground:
        _, head = self.words._, self.words._(N_("It was not answered when it fell due."))
        ended = self.state.ended_at(commitment) if self.state is not None else None
        if ended is not None:
            text = _(N_("The answer is of %(when)s."), when=self.moment(ended))
            return Ground("yes" if ended > self.row.due_at else "no", head, text)
        if commitment.open_at is not None and commitment.open_at >= self.row.due_at:
            text = N_("Verified before the alert: open at %(when)s.")
            return Ground("yes", head, _(text, when=self.moment(commitment.open_at)))
        return Ground("yes" if not self.is_card else "wait", head, _(N_("No answer is on record.")))

    def _time(self, state: MonitoredCase, commitment: TrackedCommitment) -> Ground:
        _, head = self.words._, self.words._(N_("Time that does not count is left out."))
        history = clock_history(state, commitment, self.rules)
        suspensions = history.suspensions if history is not None else ()
        if not suspensions:
            return Ground("yes", head, _(N_("Nothing has stopped the clock.")))
        parts = []
        for one in suspensions:
            until = self.moment(one.until) if one.until is not None else _(N_("today"))
            text = N_("%(since)s to %(until)s, %(reason)s")
            parts.append(
                _(text, since=self.moment(one.since), until=until, reason=f"{one.reason} {one.article}".strip())
            )
        return Ground("yes", head, "; ".join(parts))

    def _platform(self, state: MonitoredCase) -> Ground:
        _ = self.words._
        failed = [one for one in state.platform_issues if one.commitment == self.row.commitment]
        head = _(N_("The platform did not fail."))
        if not failed:
            return Ground("yes", head, _(N_("No failure that concerns it is on record.")))
        lasting = any(one.settled_at is None for one in failed)
        text = N_("A failure of the platform is on record since %(when)s.")
        return Ground("no" if lasting else "wait", head, _(text, when=self.moment(failed[0].raised_at)))

    def _calendar(self, commitment: TrackedCommitment) -> Ground:
        _, counting = self.words._, self.rules.counting_rules(self.row.region)
        text = N_("Calendar %(calendar)s; rules, version %(rules)s.")
        known = _(text, calendar=counting.calendar.version, rules=commitment.rules_version)
        return Ground("yes", _(N_("Calendar and rules are those in force.")), known)

    # --- who was notified, and what happened ---

    @cached_property
    def story(self) -> list[Event]:
        """All that happened about the commitment, and what follows if nothing happens."""
        found = [event for row in self.siblings for event in self._events(row)]
        found += self._told()
        if self.commitment is not None and self.state is not None and self.state.ended_at(self.commitment) is None:
            found += self._to_come(self.commitment)
        return sorted(found, key=lambda event: event.at)

    def _event(self, at: datetime, text: str, kind: str = "", reason: str | None = None) -> Event:
        return Event(at, self.moment(at), text, reason or "", kind)

    def _events(self, row: Row[Any]) -> list[Event]:
        _, rung = self.words._, self.words.rung(Rung(row.rung))
        red = row.rung in (Rung.RED, Rung.OVERSIGHT)
        kind = "card red" if red else "" if row.rung == Rung.WARNING else "card"
        found = [self._event(row.raised_at, _(N_("%(rung)s raised"), rung=rung), kind)]
        if row.acknowledged_at is not None:
            name = self.person(row.acknowledged_by, row.acknowledged_for)
            text = _(N_("%(rung)s acknowledged by %(name)s"), rung=rung, name=name)
            found.append(self._event(row.acknowledged_at, text, "", row.acknowledgement))
        if row.appealed_at is not None:
            name = self.person(row.appealed_by, row.appealed_for)
            text = _(N_("%(name)s appealed against the %(rung)s"), rung=rung, name=name)
            found.append(self._event(row.appealed_at, text, "strong", row.appeal))
        if row.appeal_decided_at is not None:
            name = self.person(row.appeal_decided_by, row.appeal_decided_for)
            granted = N_("%(name)s granted the appeal against the %(rung)s")
            text = _(
                granted if row.appeal_upheld else N_("%(name)s rejected the appeal against the %(rung)s"),
                rung=rung,
                name=name,
            )
            found.append(self._event(row.appeal_decided_at, text, "strong", row.appeal_decision))
        if row.withdrawn_at is not None and row.reason != APPEAL_UPHELD:
            found.append(
                self._event(
                    row.withdrawn_at, _(N_("%(rung)s withdrawn"), rung=rung), "", self.maker.withdrawal(row.reason)
                )
            )
        if row.ended_at is not None and row is self.siblings[0]:
            found.append(self._event(row.ended_at, _(N_("The commitment was answered")), "strong"))
        return found

    def _told(self) -> list[Event]:
        """The people notified of this alert: a line for all who were notified at one moment."""
        by_moment: dict[datetime, list[str]] = {}
        for row in self.notified:
            by_moment.setdefault(row.added_at, []).append(self._recipient(row))
        return [
            self._event(
                at, self.words._(N_("Notified: %(people)s"), people=self.words.listed(list(dict.fromkeys(people))))
            )
            for at, people in by_moment.items()
        ]

    def _recipient(self, row: Row[Any]) -> str:
        _, name = self.words._, self.name_of(row.person, self.row.owner)
        if row.channel is None:
            return _(N_("%(name)s (in the next digest)"), name=name)
        if row.sent_at is not None:
            return _(
                N_("%(name)s (%(channel)s, sent %(when)s)"),
                name=name,
                channel=row.channel,
                when=self.moment(row.sent_at),
            )
        if row.given_up_at is not None:
            return _(N_("%(name)s (%(channel)s, not delivered)"), name=name, channel=row.channel)
        return _(N_("%(name)s (%(channel)s, on its way)"), name=name, channel=row.channel)

    def _to_come(self, commitment: TrackedCommitment) -> list[Event]:
        text = N_("%(rung)s, if it is still not answered")
        return [
            self._event(at, self.words._(text, rung=self.words.rung(rung)), "next")
            for rung, at in commitment.pending_rungs()
            if at > self.now
        ]
