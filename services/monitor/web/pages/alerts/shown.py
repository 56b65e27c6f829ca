"""An alert in a list, as people read it: what it is about, whether it stands, and what has been done about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Row

from contracts.messages.alerts import Rung
from contracts.working_time import phrases, working_days_between
from contracts.working_time.phrases import Limit, Phrase
from services.monitor.core.alerts.actions import APPEAL_UPHELD
from services.monitor.core.alerts.lifecycle import ANSWERED_IN_TIME, DEADLINE_MOVED, DELIVERED_LATE
from services.monitor.core.rules import Rules
from services.monitor.web.pages.words import NameOf, Words
from services.runtime.http.pages.languages import N_

WITHDRAWALS: Mapping[str, str] = {
    ANSWERED_IN_TIME: N_("answered in time; the answer was late on its way"),
    DEADLINE_MOVED: N_("the deadline has moved"),
    DELIVERED_LATE: N_("it was delivered to the department only after that"),
    APPEAL_UPHELD: N_("an appeal was granted"),
}
"""Why alerts are withdrawn, as people read it."""


class ShownAlert(NamedTuple):
    """An alert. ``state``: the name of its tag; ``fate``: what has become of it.

    ``is_open``: it stands, and nobody has acknowledged it.
    """

    number: int
    case_id: str
    commitment: str
    matter: str
    owner: str
    region: str
    state: str
    phrase: Phrase
    tone: str
    fate: str
    fate_state: str
    is_open: bool
    acknowledged: bool


@dataclass
class AlertMaker:
    """Makes them."""

    words: Words
    rules: Rules
    now: datetime
    name_of: NameOf

    def all(self, rows: Sequence[Row[Any]]) -> list[ShownAlert]:
        """All of these rows of the table of alerts."""
        return [self.one(row) for row in rows]

    def one(self, row: Row[Any]) -> ShownAlert:
        """An alert of this row."""
        phrase, tone = self.phrase(row)
        fate, fate_state = self.fate(row)
        return ShownAlert(
            number=row.number,
            case_id=row.case_id,
            commitment=self.words.commitment(row.commitment, row.matter),
            matter=self.words.matter(row.matter),
            owner=self.words.department(row.owner),
            region=self.words.place(row.region),
            state=row.rung,
            phrase=phrase,
            tone=tone,
            fate=fate,
            fate_state=fate_state,
            is_open=row.withdrawn_at is None and row.ended_at is None and row.acknowledged_at is None,
            acknowledged=row.acknowledged_at is not None,
        )

    def phrase(self, row: Row[Any]) -> tuple[Phrase, str]:
        """How long a card has been due, or when a warning was raised."""
        counting, language = self.rules.counting_rules(row.region), self.words.language
        local = counting.hours.local
        today = local(self.now).date()
        if row.rung == Rung.WARNING:
            raised = self.words._(N_("raised %(when)s"), when=phrases.moment(local(row.raised_at), today, language))
            return Phrase(raised, "", language), ""
        limit = Limit.COMMITTED if row.rung == Rung.YELLOW else Limit.STATUTORY
        until = row.ended_at or self.now
        over = working_days_between(row.due_at, until, counting.calendar, counting.hours)
        tone = "over" if row.withdrawn_at is None and row.ended_at is None else ""
        return phrases.over(over, local(row.due_at).date(), limit, today, language), tone

    def fate(self, row: Row[Any]) -> tuple[str, str]:
        """The present state of an alert, and the tag for it."""
        _ = self.words._
        if row.withdrawn_at is not None:
            return self.withdrawal(row.reason), "withdrawn"
        if row.appealed_at is not None and row.appeal_decided_at is None:
            return _(N_("appealed against by %(name)s"), name=self.name_of(row.appealed_by, row.owner)), "appealed"
        if row.ended_at is not None:
            return _(N_("answered %(when)s"), when=self.moment(row, row.ended_at)), ""
        if row.acknowledged_at is not None:
            name, when = self.name_of(row.acknowledged_by, row.owner), self.moment(row, row.acknowledged_at)
            return _(N_("acknowledged by %(name)s, %(when)s"), name=name, when=when), ""
        return _(N_("acknowledged by nobody")), ""

    def withdrawal(self, reason: str | None) -> str:
        """Why an alert was withdrawn."""
        known = WITHDRAWALS.get(reason or "")
        return self.words._(known) if known is not None else reason or ""

    def moment(self, row: Row[Any], at: datetime) -> str:
        """A moment at the place of an alert."""
        return self.words.moment(at, self.now, self.rules.counting_rules(row.region).hours)
