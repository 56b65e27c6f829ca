"""Gathers of which alerts somebody is to be told, and lets them join that person's digest.

Safe among any number of replicas; the number of statements of a transaction does not grow with its alerts.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from contracts.messages.alerts import Rung
from contracts.messages.plans import Limit
from contracts.working_time import Due, LimitHistory, due
from services.monitor.core.rules import Rules
from services.monitor.notifications.directory import Directory
from services.monitor.notifications.policy import Alert, NewsKind, NextNotice, step
from services.monitor.store import directory_store, rule_store
from services.runtime import telemetry
from services.runtime.clock import Clock
from services.runtime.store.database import transaction

AT_ONCE = 1000
"""Alerts of one transaction: a batch that changes one of them waits for it."""

log = telemetry.logger(__name__)

_LADDER = "CAST(:ladder AS text[])"

_DUE = text(f"""
    SELECT {", ".join(field for field in Alert._fields if field != "overtaken")}, EXISTS (
        SELECT FROM alerts AS other
        WHERE (other.case_id, other.commitment) = (alerts.case_id, alerts.commitment) AND other.withdrawn_at IS NULL
            AND array_position({_LADDER}, other.rung) > array_position({_LADDER}, alerts.rung)
    ) AS overtaken
    FROM alerts
    WHERE tell_at <= :now ORDER BY tell_at LIMIT :most FOR UPDATE SKIP LOCKED
""")

_ASKED = """unnest(CAST(:case_ids AS text[]), CAST(:commitments AS text[]), CAST(:rungs AS text[]),
        CAST(:occurrences AS integer[])"""

_TOLD = text(f"""
    SELECT case_id, commitment, rung, occurrence, what, person
    FROM {_ASKED}) AS asked (case_id, commitment, rung, occurrence) JOIN told USING (case_id, commitment, rung,
    occurrence)
""")

# In one order of people, so that two who gather never wait for each other in a circle.
_JOIN = text("""
    INSERT INTO digests (person)
    SELECT person FROM unnest(CAST(:people AS text[])) AS told (person) ORDER BY person
    ON CONFLICT (person) WHERE sealed_at IS NULL DO UPDATE SET joined_at = clock_timestamp()
    RETURNING person, number
""")

_TELL = text(f"""
    INSERT INTO told (case_id, commitment, rung, occurrence, what, level, person, digest, owner, due_at, told_at)
    SELECT *, CAST(:now AS timestamptz) FROM {_ASKED}, CAST(:whats AS text[]), CAST(:levels AS smallint[]),
        CAST(:people AS text[]), CAST(:digests AS bigint[]), CAST(:owners AS text[]), CAST(:dues AS timestamptz[]))
    ON CONFLICT DO NOTHING
""")

_WAIT = text(f"""
    UPDATE alerts SET tell_at = next.tell_at, level = next.level
    FROM {_ASKED}, CAST(:levels AS smallint[]), CAST(:tell_ats AS timestamptz[]))
        AS next (case_id, commitment, rung, occurrence, level, tell_at)
    WHERE (alerts.case_id, alerts.commitment, alerts.rung, alerts.occurrence)
        = (next.case_id, next.commitment, next.rung, next.occurrence)
""")


class _Told(NamedTuple):
    """One person who is told something of one alert."""

    alert: Alert
    what: NewsKind
    level: int
    person: str


class DigestCollector:
    """Use `run_once` again and again."""

    def __init__(self, database: AsyncEngine, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._waiting = False
        """For a directory, while there is none; it has been said."""

    async def run_once(self) -> bool:
        """Gather the next alerts that are due; whether there may be more.

        Without a directory in force they wait until there is one.
        """
        now = self._clock.now()
        async with transaction(self._database) as connection:
            if self._waiting and await directory_store.latest(connection) is None:
                return False  # and no alert is locked in vain
            rows = (await connection.execute(_DUE, {"now": now, "most": AT_ONCE, "ladder": list(Rung)})).all()
            if not rows:
                return False
            found = await directory_store.latest(connection)
            if found is None:
                log.warning("nobody is told of alerts: no directory is in force ('onedoor directory apply')")
                self._waiting = True
                return False
            self._waiting = False
            alerts = [Alert._make(row)._replace(rung=Rung(row.rung)) for row in rows]
            before = await _told_before(connection, alerts)
            steps = [step(alert, before.get(alert.key, {}), found[1], now) for alert in alerts]
            await _tell(connection, alerts, steps, now)
            await _wait(connection, alerts, steps, found[1], now)
        return len(rows) == AT_ONCE


async def _told_before(
    connection: AsyncConnection, alerts: Sequence[Alert]
) -> dict[tuple[str, str, str, int], dict[NewsKind, set[str]]]:
    """Who has been told what of these alerts; nobody of one of which there is no news but that it was raised."""
    asked = [one for one in alerts if one.level or one.withdrawn_at or one.appealed_at]
    before: dict[tuple[str, str, str, int], dict[NewsKind, set[str]]] = {}
    for row in await connection.execute(_TOLD, _keys(asked)) if asked else ():
        key = row.case_id, row.commitment, row.rung, row.occurrence
        before.setdefault(key, {}).setdefault(NewsKind(row.what), set()).add(row.person)
    return before


async def _tell(
    connection: AsyncConnection, alerts: Sequence[Alert], steps: Sequence[NextNotice], now: datetime
) -> None:
    told = [
        _Told(alert, news.what, news.level, person)
        for alert, one in zip(alerts, steps, strict=True)
        for news in one.news
        for person in news.people
    ]
    if not told:
        return
    people = sorted({one.person for one in told})
    digests = {row.person: row.number for row in await connection.execute(_JOIN, {"people": people})}
    columns = {
        "whats": [one.what.value for one in told],
        "levels": [one.level for one in told],
        "people": [one.person for one in told],
        "digests": [digests[one.person] for one in told],
        "owners": [one.alert.owner for one in told],
        "dues": [one.alert.due_at for one in told],
    }
    await connection.execute(_TELL, {"now": now, **_keys([one.alert for one in told]), **columns})


async def _wait(
    connection: AsyncConnection,
    alerts: Sequence[Alert],
    steps: Sequence[NextNotice],
    directory: Directory,
    now: datetime,
) -> None:
    """Note when each is looked at next: after so many hours of business of its place, by the rules in force."""
    rules = await rule_store.in_force(connection)
    ends: dict[tuple[str, Rung], datetime] = {}
    tell_ats: list[datetime | None] = []
    for alert, one in zip(alerts, steps, strict=True):
        place = alert.region, alert.rung
        if one.waits and place not in ends:
            ends[place] = _after(now, directory.hours(alert.rung), rules, alert.region)
        tell_ats.append(ends[place] if one.waits else None)
    levels = [one.level for one in steps]
    await connection.execute(_WAIT, {**_keys(alerts), "levels": levels, "tell_ats": tell_ats})


def _after(now: datetime, hours: float, rules: Rules, region: str) -> datetime:
    course = LimitHistory(Limit(working_minutes=round(hours * 60)), now)
    match due(course, rules.terms(region)):
        case Due(at, _):
            return at
        case _:
            raise AssertionError("what nothing suspends is not suspended")


def _keys(alerts: Sequence[Alert]) -> dict[str, object]:
    return {
        "case_ids": [one.case_id for one in alerts],
        "commitments": [one.commitment for one in alerts],
        "rungs": [one.rung.value for one in alerts],
        "occurrences": [one.occurrence for one in alerts],
    }
