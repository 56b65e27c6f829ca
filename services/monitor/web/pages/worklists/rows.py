"""The rows of the lists of due and overdue commitments, as people read them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Row

from contracts.messages.alerts import Rung
from contracts.messages.commitments import CommitmentKey
from contracts.working_time import phrases, working_days_between
from contracts.working_time.phrases import Limit, Phrase
from services.monitor.core.rules import Rules
from services.monitor.store.lists.due import days_left
from services.monitor.store.lists.overdue import RUNGS
from services.monitor.web.pages.words import NameOf, Words
from services.runtime.http.pages.languages import N_

SOON_DAYS = 1
"""With at most so many working days left, a deadline is shown as near."""

_SEVERITY = tuple(Rung)


class ShownRow(NamedTuple):
    """A commitment. ``state``: the name of a tag, or empty. ``alert``: the number of its highest standing alert.

    ``tick``: it can be acknowledged. ``taken``: who has acknowledged it, or that nobody has.
    """

    case_id: str
    key: CommitmentKey
    commitment: str
    matter: str
    owner: str
    region: str
    state: str
    phrase: Phrase
    tone: str
    note: str
    taken: str
    is_taken: bool
    appealed: bool
    alert: int | None
    tick: bool


Standing = Mapping[tuple[str, CommitmentKey], Row[Any]]
"""The highest standing alert of each commitment."""


def highest(alerts: Iterable[Row[Any]]) -> Standing:
    """The highest of these alerts of each commitment."""
    found: dict[tuple[str, CommitmentKey], Row[Any]] = {}
    for alert in sorted(alerts, key=lambda one: _SEVERITY.index(Rung(one.rung))):
        found[alert.case_id, alert.commitment] = alert
    return found


@dataclass
class RowMaker:
    """Makes rows. ``may_tick``: the alerts that the reader may acknowledge, by number."""

    words: Words
    rules: Rules
    now: datetime
    name_of: NameOf
    standing: Standing
    may_tick: frozenset[int]

    def due(self, rows: Sequence[Row[Any]]) -> list[ShownRow]:
        """Commitments that fall due."""
        return [self._row(row, *self._due(row)) for row in rows]

    def overdue(self, rows: Sequence[Row[Any]]) -> list[ShownRow]:
        """Commitments that are overdue."""
        return [self._row(row, *self._overdue(row)) for row in rows]

    def _due(self, row: Row[Any]) -> tuple[str, Phrase, str, str]:
        counting = self.rules.counting_rules(row.region)
        left = days_left(self.rules, row.region, self.now, row.committed_due)
        local = counting.hours.local
        phrase = phrases.ahead(local(row.committed_due), local(self.now), left, self.words.language, counting.calendar)
        return "warning" if row.rungs else "", phrase, "soon" if left <= SOON_DAYS else "", self._provisional(row)

    def _overdue(self, row: Row[Any]) -> tuple[str, Phrase, str, str]:
        counting = self.rules.counting_rules(row.region)
        local, language = counting.hours.local, self.words.language
        rung = RUNGS.get(row.severity)
        limit, due_at = Limit.COMMITTED, row.committed_due or row.since
        if rung in (Rung.RED, Rung.OVERSIGHT) and row.statutory_due is not None and row.statutory_due < self.now:
            limit, due_at = Limit.STATUTORY, row.statutory_due
        today = local(self.now).date()
        if due_at > self.now:  # a failure of the platform before the limit
            left = working_days_between(self.now, due_at, counting.calendar, counting.hours)
            phrase, tone = phrases.ahead(local(due_at), local(self.now), left, language, counting.calendar), ""
        else:
            over = working_days_between(due_at, self.now, counting.calendar, counting.hours)
            phrase, tone = phrases.over(over, local(due_at).date(), limit, today, language), "over"
        fault = phrases.platform_fault(self.words.department(row.owner), language) if row.issues else ""
        return rung.value if rung is not None else "platform", phrase, tone if rung is not None else "", fault

    def _provisional(self, row: Row[Any]) -> str:
        return self.words._(N_("Provisional: holidays are not published yet")) if row.provisional else ""

    def _row(self, row: Row[Any], state: str, phrase: Phrase, tone: str, note: str) -> ShownRow:
        alert = self.standing.get((row.case_id, row.commitment))
        return ShownRow(
            case_id=row.case_id,
            key=row.commitment,
            commitment=self.words.commitment(row.commitment, row.matter),
            matter=self.words.matter(row.matter),
            owner=self.words.department(row.owner),
            region=self.words.place(row.region),
            state=state,
            phrase=phrase,
            tone=tone,
            note=note,
            taken=self._taken(row, alert),
            is_taken=alert is not None and alert.acknowledged_at is not None,
            appealed=alert is not None and alert.appealed_at is not None and alert.appeal_decided_at is None,
            alert=alert.number if alert is not None else None,
            tick=alert is not None and alert.number in self.may_tick,
        )

    def _taken(self, row: Row[Any], alert: Row[Any] | None) -> str:
        if alert is None:
            return ""
        if alert.acknowledged_at is None:
            return self.words._(N_("Nobody has acknowledged it"))
        hours = self.rules.counting_rules(row.region).hours
        return self.words._(
            N_("%(name)s, %(when)s"),
            name=self.name_of(alert.acknowledged_by, row.owner),
            when=self.words.moment(alert.acknowledged_at, self.now, hours),
        )
