"""Builds digests: from then on they get no more entries, and are delivered.

A digest is built when no entry has been added for a while, or when it has been open for a longer while: machine time,
by the database's clock. So a flood of alerts makes one digest a person.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from contracts.messages.alerts import Rung
from services.monitor.core.notifications.digest_text import (
    MAX_LINES,
    URGENCY,
    AlertCount,
    DigestLine,
    DigestText,
    digest_text,
)
from services.monitor.core.notifications.policy import EntryKind
from services.monitor.core.notifications.posts import Person
from services.monitor.core.rules import Rules
from services.monitor.core.state import MonitoredCase
from services.monitor.store import cases, rule_store
from services.monitor.store.notifications import digest_deliveries, digests, directory_store
from services.runtime.clock import Clock
from services.runtime.store.database import transaction

MAX_DIGESTS = 5
"""Digests of one transaction: each may report a hundred thousand alerts."""

NO_ADDRESS = ""
"""The address of a person who has left the directory meanwhile: the delivery fails visibly."""


class DigestBuilder:
    """Call `run_once` periodically. ``quiet`` and ``longest``: how long a digest stays open."""

    def __init__(self, database: AsyncEngine, clock: Clock, quiet: timedelta, longest: timedelta) -> None:
        self._database = database
        self._clock = clock
        self._quiet = quiet
        self._longest = longest

    async def run_once(self) -> bool:
        """Build the next digests that are ready. Returns whether there may be more."""
        async with transaction(self._database) as connection:
            ready = await digests.claim_ready(connection, self._quiet, self._longest, MAX_DIGESTS)
            found = await directory_store.latest(connection) if ready else None
            if found is None:
                return False
            _, directory = found
            people = {row.number: directory.person(row.person) for row in ready}
            texts = await self._texts(connection, people)
            contents = {number: _content(texts.get(number)) for number in people}
            await digests.finish(connection, contents)
            await digest_deliveries.create(connection, _deliveries(people, texts))
        return len(ready) == MAX_DIGESTS

    async def _texts(self, connection: AsyncConnection, people: dict[int, Person | None]) -> dict[int, DigestText]:
        """The text of each digest by its number; none for a digest without entries."""
        numbers = list(people)
        await digests.cancel_withdrawn(connection, numbers)
        counts: dict[int, list[AlertCount]] = {}
        for row in await digests.entry_counts(connection, numbers):
            count = AlertCount(EntryKind(row.kind), Rung(row.rung), row.owner, row.alerts)
            counts.setdefault(row.digest, []).append(count)
        urgency = [kind.value for kind in URGENCY]
        lines = await _lines(connection, await digests.most_urgent(connection, numbers, urgency, MAX_LINES))
        now = self._clock.now()
        texts = {}
        for number, own_counts in counts.items():
            person = people[number]
            language = person.language if person is not None else "zh"
            own_lines = lines.get(number, [])
            more = sum(count.alerts for count in own_counts) - len(own_lines)
            texts[number] = digest_text(number, own_counts, own_lines, more, language, now)
        return texts


def _content(text: DigestText | None) -> tuple[str, str] | None:
    return (text.subject, text.model_dump_json()) if text is not None else None


def _deliveries(people: dict[int, Person | None], texts: dict[int, DigestText]) -> Iterable[tuple[int, str]]:
    """One delivery for each address of the person."""
    for number, person in people.items():
        if number in texts:
            for address in person.addresses if person is not None else (NO_ADDRESS,):
                yield number, address


async def _lines(connection: AsyncConnection, rows: Sequence[Row[Any]]) -> dict[int, list[DigestLine]]:
    """The lines of each digest, with the deadlines as they are now."""
    states = await cases.states(connection, sorted({row.case_id for row in rows}))
    rules = await rule_store.in_force(connection)
    lines: dict[int, list[DigestLine]] = {}
    for row in rows:
        lines.setdefault(row.digest, []).append(_line(row, states.get(row.case_id), rules))
    return lines


def _line(row: Row[Any], state: MonitoredCase | None, rules: Rules) -> DigestLine:
    tracked = state.commitment(row.commitment) if state is not None else None
    commitment = tracked.as_message() if tracked is not None else None
    due_at: datetime | None = row.due_at  # of the alert, if the case is no longer stored
    if commitment is not None:
        due_at = commitment.committed_due if commitment.pause is None else None
    return DigestLine(
        number=row.number,
        kind=EntryKind(row.kind),
        rung=Rung(row.rung),
        level=row.level,
        case_id=row.case_id,
        commitment=row.commitment,
        matter=row.matter,
        owner=row.owner,
        due_at=due_at,
        zone=rules.counting_rules(row.region).hours.zone,
        upheld=row.appeal_upheld,
    )
