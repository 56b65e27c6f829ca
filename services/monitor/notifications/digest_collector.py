"""Collects what people are notified of, in their open digests: alerts that are due, and new doubtful times.

Any number of replicas may collect at the same time. The number of statements of a transaction does not grow with its
alerts.

A doubtful time opens the digests of the supervisors who may settle it, once. The builder writes it into them.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from contracts.messages.alerts import Rung
from contracts.messages.plans import Limit
from contracts.working_time import Due, LimitHistory, due
from services.monitor.core.notifications.directory import Directory
from services.monitor.core.notifications.policy import Alert, NextEntries, next_entries
from services.monitor.core.rules import Rules
from services.monitor.store import alerts as alert_table
from services.monitor.store import doubtful_times, rule_store
from services.monitor.store.notifications import digests, directory_store
from services.runtime import telemetry
from services.runtime.clock import Clock
from services.runtime.clock_check import ClockCheck, check_for
from services.runtime.store.database import transaction

MAX_ALERTS = 1000
"""Alerts, and doubtful times, of one transaction: a batch that changes one of them waits for it."""

log = telemetry.logger(__name__)


class DigestCollector:
    """Call `run_once` periodically."""

    def __init__(self, database: AsyncEngine, clock: Clock, clocks: ClockCheck | None = None) -> None:
        """``clocks``: instead of the usual check."""
        self._database = database
        self._clock = clock
        self._clocks = clocks or check_for(clock)
        self._needs_directory = False
        """Alerts or doubtful times are due, no directory is in force, and the log has a line about it."""

    async def run_once(self) -> bool:
        """Collect the next alerts that are due, and doubtful times. Returns whether there may be more.

        Without a directory in force they wait until there is one. Raises `services.runtime.clock_check.ClockInDoubt`: a
        wrong clock would escalate alerts.
        """
        if self._clocks is not None:
            self._clocks.check()
        now = self._clock.now()
        async with transaction(self._database) as connection:
            if self._needs_directory and await directory_store.latest(connection) is None:
                return False  # without locking any alert
            alerts = await alert_table.claim_due(connection, now, MAX_ALERTS)
            doubts = await doubtful_times.claim_new(connection, MAX_ALERTS)
            if not (alerts or doubts):
                return False
            found = await directory_store.latest(connection)
            if found is None:
                log.warning("notifications wait for recipients: no directory is in force ('onedoor directory apply')")
                self._needs_directory = True
                return False
            self._needs_directory = False
            _, directory = found
            # An alert that was just raised has no entries yet.
            changed = [alert for alert in alerts if alert.level or alert.withdrawn_at or alert.appealed_at]
            notified = await digests.notified(connection, changed) if changed else {}
            reports = [next_entries(alert, notified.get(alert.key, {}), directory, now) for alert in alerts]
            entries = _entries(alerts, reports)
            supervisors = {
                (row.owner, row.region, row.matter): directory.supervisors(row.owner, row.region, row.matter, now)
                for row in doubts
            }
            people = {entry.person for entry in entries}
            people |= {person.id for present in supervisors.values() for person in present}
            opened = await digests.open_digests(connection, people) if people else {}
            if entries:
                await digests.add_entries(connection, entries, opened, now)
            if alerts:
                await _schedule(connection, alerts, reports, directory, now)
            news = [
                (row.number, opened[person.id])
                for row in doubts
                for person in supervisors[row.owner, row.region, row.matter]
            ]
            if news:
                await doubtful_times.mark_collected(connection, news)
        return MAX_ALERTS in (len(alerts), len(doubts))


def _entries(alerts: Sequence[Alert], reports: Sequence[NextEntries]) -> list[digests.NewEntry]:
    return [
        digests.NewEntry(alert, entry.kind, entry.level, person)
        for alert, report in zip(alerts, reports, strict=True)
        for entry in report.entries
        for person in entry.people
    ]


async def _schedule(
    connection: AsyncConnection,
    alerts: Sequence[Alert],
    reports: Sequence[NextEntries],
    directory: Directory,
    now: datetime,
) -> None:
    """Store when each alert escalates: after working hours of its place, by the rules in force."""
    rules = await rule_store.in_force(connection)
    moments: dict[tuple[str, Rung], datetime] = {}
    notify_ats: list[datetime | None] = []
    for alert, report in zip(alerts, reports, strict=True):
        place = alert.region, alert.rung
        if report.escalates and place not in moments:
            moments[place] = _after(now, directory.unacknowledged_hours(alert.rung), rules, alert.region)
        notify_ats.append(moments[place] if report.escalates else None)
    await alert_table.schedule(connection, alerts, [report.level for report in reports], notify_ats)


def _after(now: datetime, hours: float, rules: Rules, region: str) -> datetime:
    match due(LimitHistory(Limit(working_minutes=round(hours * 60)), now), rules.counting_rules(region)):
        case Due(at, _):
            return at
        case _:
            raise AssertionError("without a suspension a limit has an end")
