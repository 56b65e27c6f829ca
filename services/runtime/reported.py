"""The reports of all processes, as one process knows them: in memory, since they come again every few seconds."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from contracts.messages.processes import ProcessReported

REPORTED_S = 10.0
"""Machine seconds between two reports of a process."""

SILENT = timedelta(seconds=30)
"""Without a report for so long, a process counts as silent."""

FORGOTTEN = timedelta(days=1)
"""Without a report for so long, a process is forgotten: it does not exist any more, or operators know it."""


class Reported(NamedTuple):
    """The latest report of a process, and when it came, by the clock of this machine."""

    report: ProcessReported
    at: datetime

    def is_silent(self, now: datetime) -> bool:
        """Whether the next reports are missing."""
        return now - self.at > SILENT


class Reports:
    """The latest report of each process."""

    def __init__(self) -> None:
        self._latest: dict[str, Reported] = {}
        self.is_current = False
        """Whether all of the topic has been read, and Kafka gives what comes."""

    def take(self, reports: Iterable[Reported]) -> None:
        """Take newer reports into account. A process that has stopped as it was told to is left out from then on."""
        for one in reports:
            if one.report.stopped:
                self._latest.pop(one.report.process, None)
            else:
                self._latest[one.report.process] = one

    def known(self, now: datetime) -> list[Reported]:
        """The latest reports, by service and replica."""
        self._latest = {name: one for name, one in self._latest.items() if now - one.at <= FORGOTTEN}
        return [self._latest[name] for name in sorted(self._latest)]
