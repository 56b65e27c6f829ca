"""Decides which people get an entry about an alert in their digests, and whether the alert escalates. Pure."""

from collections.abc import Mapping, Set
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from contracts.messages.alerts import Rung
from services.monitor.core.notifications.directory import Directory


class EntryKind(StrEnum):
    """The news of an alert that an entry of a digest reports."""

    RUNG = "rung"
    """It was raised; reported once more at each escalation level."""
    WITHDRAWN = "withdrawn"
    APPEAL = "appeal"
    DECISION = "decision"
    """The appeal is decided."""


class Alert(NamedTuple):
    """An alert as the table has it. ``level``: how many times its rung has been reported."""

    case_id: str
    commitment: str
    rung: Rung
    occurrence: int
    owner: str
    matter: str
    region: str
    due_at: datetime
    level: int
    withdrawn_at: datetime | None
    ended_at: datetime | None
    acknowledged_at: datetime | None
    appealed_at: datetime | None
    appealed_by: str | None
    appeal_decided_at: datetime | None
    superseded: bool = False
    """A higher rung of the same commitment stands, and escalates in its place."""

    @property
    def key(self) -> tuple[str, str, str, int]:
        """Identifies it among all alerts."""
        return self.case_id, self.commitment, self.rung.value, self.occurrence

    @property
    def is_unattended(self) -> bool:
        """Whether it stands and is not acknowledged."""
        return self.withdrawn_at is None and self.ended_at is None and self.acknowledged_at is None


class Entry(NamedTuple):
    """An entry for the digests of these people."""

    kind: EntryKind
    level: int
    people: tuple[str, ...]


class NextEntries(NamedTuple):
    """The entries to add now. ``escalates``: the rung is reported at the next level unless it is acknowledged."""

    entries: tuple[Entry, ...]
    level: int
    escalates: bool


Notified = Mapping[EntryKind, Set[str]]
"""The people who have an entry about an alert already, by its kind."""


def next_entries(alert: Alert, notified: Notified, directory: Directory, at: datetime) -> NextEntries:
    """The entries that an alert needs at that moment.

    An appeal does not stop escalation: if it is not decided, the next levels are notified of the alert.
    """
    place = alert.owner, alert.region, alert.matter, at
    all_notified = tuple(sorted(frozenset[str]().union(*notified.values())))
    level = alert.level
    entries = []
    if alert.appeal_decided_at is not None and EntryKind.DECISION not in notified:
        appellant = (alert.appealed_by,) if alert.appealed_by and alert.appealed_by not in all_notified else ()
        entries.append(Entry(EntryKind.DECISION, 0, (*all_notified, *appellant)))
    elif alert.withdrawn_at is not None and EntryKind.WITHDRAWN not in notified:
        entries.append(Entry(EntryKind.WITHDRAWN, 0, all_notified))
    elif alert.appealed_at is not None and alert.appeal_decided_at is None and EntryKind.APPEAL not in notified:
        entries.append(Entry(EntryKind.APPEAL, 0, tuple(person.id for person in directory.supervisors(*place))))
    # The first report of an alert is due even if there is other news of it.
    if alert.is_unattended and (not level or not (entries or alert.superseded)):
        recipients = directory.recipients(alert.rung, level, *place)
        entries.append(Entry(EntryKind.RUNG, level, tuple(person.id for person in recipients)))
        level += 1
    escalates = alert.is_unattended and not alert.superseded and level < directory.levels(alert.rung)
    known = (entry._replace(people=tuple(filter(directory.person, entry.people))) for entry in entries)
    return NextEntries(tuple(entry for entry in known if entry.people), level, escalates)
