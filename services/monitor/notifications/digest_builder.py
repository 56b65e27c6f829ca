"""Seals digests: from then on nothing joins them, and they are sent.

A digest gathers until nothing new has joined it for a while, and at most for a longer while: machine time, by the
database's clock. So a flood makes one digest a person.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from contracts.messages.alerts import Rung
from services.monitor.core.rules import Rules
from services.monitor.core.state import MonitoredCase
from services.monitor.notifications.digest import MOST_LINES, ORDER, Count, DigestLine, DigestText, digest_text
from services.monitor.notifications.directory import Person
from services.monitor.notifications.policy import NewsKind
from services.monitor.store import directory_store, rule_store
from services.runtime.clock import Clock
from services.runtime.store.database import transaction

AT_ONCE = 5
"""Digests of one transaction: each may tell of a hundred thousand alerts."""

_READY = text("""
    SELECT number, person FROM digests
    WHERE sealed_at IS NULL AND (joined_at <= clock_timestamp() - CAST(:quiet AS interval)
        OR began_at <= clock_timestamp() - CAST(:longest AS interval))
    ORDER BY number LIMIT :most FOR UPDATE SKIP LOCKED
""")

# What was withdrawn before anybody was told of it is told to nobody.
_UNTELL = (
    text("""
        DELETE FROM told WHERE (case_id, commitment, rung, occurrence, what, person, digest) IN (
            SELECT case_id, commitment, rung, occurrence, 'rung', person, digest FROM told
            WHERE digest = ANY(:digests) AND what = 'withdrawn')
    """),
    text("""
        DELETE FROM told WHERE digest = ANY(:digests) AND what = 'withdrawn' AND NOT EXISTS (
            SELECT FROM told AS other
            WHERE (other.case_id, other.commitment, other.rung, other.occurrence)
                = (told.case_id, told.commitment, told.rung, told.occurrence)
                AND other.person = told.person AND other.what <> 'withdrawn')
    """),
)

_COUNTS = text("""
    SELECT digest, what, rung, owner, count(*) AS many FROM told
    WHERE digest = ANY(:digests) GROUP BY digest, what, rung, owner
""")

_LINES = text("""
    SELECT first.*, alerts.number, alerts.matter, alerts.region, alerts.appeal_upheld
    FROM unnest(CAST(:digests AS bigint[])) AS wanted (digest) CROSS JOIN LATERAL (
        SELECT told.*, array_position(CAST(:kinds AS text[]), CASE what WHEN 'rung' THEN rung ELSE what END) AS urgency
        FROM told WHERE told.digest = wanted.digest ORDER BY urgency, told.due_at, told.case_id LIMIT :most
    ) AS first JOIN alerts USING (case_id, commitment, rung, occurrence)
    ORDER BY first.digest, first.urgency, first.due_at, first.case_id
""")

_STATES = text("SELECT case_id, state FROM cases WHERE case_id = ANY(:cases)")

_SEAL = text("""
    UPDATE digests SET sealed_at = clock_timestamp(), subject = said.subject, content = said.content
    FROM unnest(CAST(:numbers AS bigint[]), CAST(:subjects AS text[]), CAST(:contents AS text[]))
        AS said (number, subject, content)
    WHERE digests.number = said.number
""")

_POST = text("""
    INSERT INTO sendings (digest, address)
    SELECT * FROM unnest(CAST(:digests AS bigint[]), CAST(:addresses AS text[]))
""")

NOWHERE = ""
"""The address of somebody who has left the directory meanwhile: a failure that can be seen."""


class DigestBuilder:
    """Use `run_once` again and again. ``quiet`` and ``longest`` are the whiles that a digest gathers."""

    def __init__(self, database: AsyncEngine, clock: Clock, quiet: timedelta, longest: timedelta) -> None:
        self._database = database
        self._clock = clock
        self._whiles = {"quiet": quiet, "longest": longest}

    async def run_once(self) -> bool:
        """Seal the next digests that have gathered for long enough; whether there may be more."""
        async with transaction(self._database) as connection:
            ready = (await connection.execute(_READY, {**self._whiles, "most": AT_ONCE})).all()
            found = await directory_store.latest(connection) if ready else None
            if found is None:
                return False
            people = {row.number: found[1].person(row.person) for row in ready}
            letters = await self._letters(connection, people)
            addresses = [
                (number, address)
                for number, person in people.items()
                if number in letters
                for address in (person.tell if person is not None else (NOWHERE,))
            ]
            await _write(connection, list(people), letters, addresses)
        return len(ready) == AT_ONCE

    async def _letters(self, connection: AsyncConnection, people: dict[int, Person | None]) -> dict[int, DigestText]:
        """What each digest says, by its number; none for one of which nothing is left."""
        asked = {"digests": list(people)}
        for statement in _UNTELL:
            await connection.execute(statement, asked)
        counts: dict[int, list[Count]] = {}
        for row in await connection.execute(_COUNTS, asked):
            counts.setdefault(row.digest, []).append(Count(NewsKind(row.what), Rung(row.rung), row.owner, row.many))
        kinds = [kind.value for kind in ORDER]
        rows = (await connection.execute(_LINES, {**asked, "kinds": kinds, "most": MOST_LINES})).all()
        lines = await _lines(connection, rows)
        now = self._clock.now()
        letters = {}
        for number, of_it in counts.items():
            person = people[number]
            language = person.language if person is not None else "zh"
            named = lines.get(number, [])
            more = sum(one.many for one in of_it) - len(named)
            letters[number] = digest_text(number, of_it, named, more, language, now)
        return letters


async def _lines(connection: AsyncConnection, rows: Sequence[Row[Any]]) -> dict[int, list[DigestLine]]:
    """The lines of each digest, with the deadlines as they are now."""
    cases = sorted({row.case_id for row in rows})
    found = await connection.execute(_STATES, {"cases": cases})
    states = {row.case_id: MonitoredCase.model_validate_json(row.state) for row in found}
    rules = await rule_store.in_force(connection)
    lines: dict[int, list[DigestLine]] = {}
    for row in rows:
        lines.setdefault(row.digest, []).append(_line(row, states.get(row.case_id), rules))
    return lines


def _line(row: Row[Any], state: MonitoredCase | None, rules: Rules) -> DigestLine:
    watch = state.commitment(row.commitment) if state is not None else None
    held = watch.as_message() if watch is not None else None
    due_at: datetime | None = row.due_at  # of a case that is forgotten, what the alert says
    if held is not None:
        due_at = held.committed_due if held.pause is None else None
    return DigestLine(
        number=row.number,
        what=NewsKind(row.what),
        rung=Rung(row.rung),
        level=row.level,
        case_id=row.case_id,
        commitment=row.commitment,
        matter=row.matter,
        owner=row.owner,
        due_at=due_at,
        zone=rules.terms(row.region).hours.zone,
        upheld=row.appeal_upheld,
    )


async def _write(
    connection: AsyncConnection,
    numbers: Sequence[int],
    letters: dict[int, DigestText],
    addresses: Iterable[tuple[int, str]],
) -> None:
    said = [letters.get(number) for number in numbers]
    columns = {
        "numbers": numbers,
        "subjects": [one.subject if one is not None else None for one in said],
        "contents": [one.model_dump_json() if one is not None else None for one in said],
    }
    await connection.execute(_SEAL, columns)
    to = list(addresses)
    await connection.execute(_POST, {"digests": [one for one, _ in to], "addresses": [one for _, one in to]})
