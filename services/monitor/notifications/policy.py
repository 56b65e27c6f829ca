"""What somebody is to be told of an alert next, and when to look at it again. Pure."""

from collections.abc import Mapping, Set
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from contracts.messages.alerts import Rung
from services.monitor.notifications.directory import Directory


class NewsKind(StrEnum):
    """What there is to tell of an alert."""

    RUNG = "rung"
    """It was raised; once more at each level that it climbs."""
    WITHDRAWN = "withdrawn"
    APPEAL = "appeal"
    DECISION = "decision"
    """The appeal is decided."""


class Alert(NamedTuple):
    """An alert as it stands in the list. ``level`` counts how often its rung has been told."""

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
    overtaken: bool = False
    """A higher rung of the same commitment stands, and climbs in its place."""

    @property
    def key(self) -> tuple[str, str, str, int]:
        """Names it among all alerts."""
        return self.case_id, self.commitment, self.rung.value, self.occurrence

    @property
    def climbs(self) -> bool:
        """Whether it stands and nobody has taken it in hand."""
        return self.withdrawn_at is None and self.ended_at is None and self.acknowledged_at is None


class News(NamedTuple):
    """Something to be told to people, by their ids."""

    what: NewsKind
    level: int
    people: tuple[str, ...]


class NextNotice(NamedTuple):
    """What to tell now. ``waits``: the rung is told once more, at the next level, unless somebody takes it in hand."""

    news: tuple[News, ...]
    level: int
    waits: bool


Notified = Mapping[NewsKind, Set[str]]
"""Who has been told what of an alert before."""


def step(alert: Alert, told: Notified, directory: Directory, at: datetime) -> NextNotice:
    """What becomes of an alert of which somebody is to be told at that moment.

    An appeal does not stop the climb: should nobody decide it, those above are to hear of the alert.
    """
    place = alert.owner, alert.region, alert.matter, at
    informed = tuple(sorted(frozenset[str]().union(*told.values())))
    level = alert.level
    news = []
    if alert.appeal_decided_at is not None and NewsKind.DECISION not in told:
        appellant = (alert.appealed_by,) if alert.appealed_by and alert.appealed_by not in informed else ()
        news.append(News(NewsKind.DECISION, 0, (*informed, *appellant)))
    elif alert.withdrawn_at is not None and NewsKind.WITHDRAWN not in told:
        news.append(News(NewsKind.WITHDRAWN, 0, informed))
    elif alert.appealed_at is not None and alert.appeal_decided_at is None and NewsKind.APPEAL not in told:
        news.append(News(NewsKind.APPEAL, 0, tuple(person.id for person in directory.supervisors(*place))))
    # What else happens to an alert must not keep it from those who have not heard of it at all.
    if alert.climbs and (not level or not (news or alert.overtaken)):
        news.append(
            News(NewsKind.RUNG, level, tuple(person.id for person in directory.told(alert.rung, level, *place)))
        )
        level += 1
    waits = alert.climbs and not alert.overtaken and level < directory.levels(alert.rung)
    known = (one._replace(people=tuple(filter(directory.person, one.people))) for one in news)
    return NextNotice(tuple(one for one in known if one.people), level, waits)
