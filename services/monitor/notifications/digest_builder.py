"""Builds digests: from then on they get no more entries, and are delivered.

A digest is built when no entry has been added for a while, or when it has been open for a longer while: machine time,
by the database's clock. So a flood of alerts makes one digest a person.

People who share an address get one message there that names all of them, and not one each: so their digests are built
at the same time.

A digest also lists the doubtful times that its person may settle and nobody has settled yet. A digest that has nothing
else is sent only if one of them is new.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from contracts.bilingual import Language
from contracts.messages.alerts import Rung
from contracts.messages.tasks import TimeField
from services.monitor.core.deadlines import suspensions_without_effect
from services.monitor.core.names import CODES, Names
from services.monitor.core.notifications.digest_text import (
    MAX_LINES,
    URGENCY,
    AlertCount,
    DigestLine,
    DigestText,
    Recipients,
    digest_text,
)
from services.monitor.core.notifications.directory import Directory, same_address
from services.monitor.core.notifications.doubt_section import NO_DOUBTS, DoubtLine, DoubtSection
from services.monitor.core.notifications.policy import EntryKind
from services.monitor.core.rules import Rules
from services.monitor.core.state import MonitoredCase
from services.monitor.store import cases, doubtful_times, rule_store
from services.monitor.store.notifications import digest_deliveries, digests, directory_store
from services.monitor.store.notifications.digest_deliveries import NewDelivery
from services.runtime.clock import Clock
from services.runtime.store.database import transaction

MAX_DIGESTS = 5
"""Digests of one transaction: each may report a hundred thousand alerts."""

NO_ADDRESS = ""
"""The address of a person who has left the directory meanwhile: the delivery fails visibly."""


LANGUAGES: tuple[Language, ...] = ("zh", "en")
"""The order of the languages in a message to people who read different ones."""


class _Message(NamedTuple):
    """A text and the addresses that it goes to. ``people``: everybody with these addresses, each with their digest."""

    people: dict[str, int]
    addresses: list[str]


class DigestBuilder:
    """Call `run_once` periodically. ``quiet`` and ``longest``: how long a digest stays open; ``names``: see `Names`."""

    def __init__(
        self,
        database: AsyncEngine,
        clock: Clock,
        quiet: timedelta,
        longest: timedelta,
        names: Callable[[], Names] = lambda: CODES,
    ) -> None:
        self._database = database
        self._clock = clock
        self._quiet = quiet
        self._longest = longest
        self._names = names

    async def run_once(self) -> bool:
        """Build the next digests that are ready, with those of people who share an address. Returns whether there may
        be more."""
        async with transaction(self._database) as connection:
            ready = await digests.claim_ready(connection, self._quiet, self._longest, MAX_DIGESTS)
            found = await directory_store.latest(connection) if ready else None
            if found is None:
                return False
            _, directory = found
            claimed = await _with_sharers(connection, {row.person: row.number for row in ready}, directory)
            numbers = list(claimed.values())
            await digests.cancel_withdrawn(connection, numbers)
            filled = await digests.with_entries(connection, numbers)
            filled |= await doubtful_times.digests_with_news(connection, numbers)
            messages = _messages({person: digest for person, digest in claimed.items() if digest in filled}, directory)
            texts = await self._texts(connection, messages, directory)
            # The directory may have changed meanwhile, so that another person settles what was new.
            written = [(message, text) for message, text in zip(messages, texts, strict=True) if text.counts]
            subjects: dict[int, str | None] = dict.fromkeys(numbers)
            for message, text in written:
                subjects |= dict.fromkeys(message.people.values(), text.subject)
            await digests.finish(connection, subjects)
            await digest_deliveries.create(connection, _deliveries(written))
        return len(ready) == MAX_DIGESTS

    async def _texts(
        self, connection: AsyncConnection, messages: Sequence[_Message], directory: Directory
    ) -> list[DigestText]:
        numbers = [list(message.people.values()) for message in messages]
        counts: list[list[AlertCount]] = [[] for _ in messages]
        for row in await digests.alert_counts(connection, numbers):
            counts[row.message].append(AlertCount(EntryKind(row.kind), Rung(row.rung), row.owner, row.alerts))
        urgency = [kind.value for kind in URGENCY]
        rows = await digests.most_urgent(connection, numbers, urgency, MAX_LINES)
        states = await cases.states(connection, sorted({row.case_id for row in rows}))
        rules, now = await rule_store.in_force(connection), self._clock.now()
        lines: list[list[DigestLine]] = [[] for _ in messages]
        for row in rows:
            names = _some(row.people, messages[row.message], directory)
            lines[row.message].append(_line(row, states.get(row.case_id), rules, names))
        doubts = await _doubts(connection, messages, directory, rules, now)
        return [
            digest_text(
                _recipients(message, directory),
                own,
                shown,
                sum(count.alerts for count in own) - len(shown),
                now,
                doubtful,
                self._names(),
            )
            for message, own, shown, doubtful in zip(messages, counts, lines, doubts, strict=True)
        ]


async def _with_sharers(connection: AsyncConnection, ready: Mapping[str, int], directory: Directory) -> dict[str, int]:
    """These digests and those of everybody who shares an address with their people, by person.

    A digest that shares with one that another process has locked is left for the next time.
    """
    sharers = sorted(frozenset[str]().union(*map(directory.sharing, ready)) - ready.keys())
    if not sharers:
        return {**ready}
    claimed = {**ready, **await digests.claim_open(connection, sharers)}
    locked = await digests.people_with_open(connection, sharers) - claimed.keys()
    return {person: number for person, number in claimed.items() if not directory.sharing(person) & locked}


def _messages(filled: Mapping[str, int], directory: Directory) -> list[_Message]:
    """The messages for these digests, given by person: one for each set of people that is reached by an address."""
    by_address: dict[str, tuple[str, dict[str, int]]] = {}
    for person, number in sorted(filled.items(), key=lambda item: item[1]):
        known = directory.person(person)
        if known is None:
            by_address[f"{NO_ADDRESS}{number}"] = (NO_ADDRESS, {person: number})
            continue
        for address in known.addresses:
            _, people = by_address.setdefault(same_address(address), (address, {}))
            people[person] = number
    messages: dict[tuple[int, ...], _Message] = {}
    for address, people in by_address.values():
        messages.setdefault(tuple(people.values()), _Message(people, [])).addresses.append(address)
    return list(messages.values())


def _recipients(message: _Message, directory: Directory) -> Recipients:
    people = [person for one in message.people if (person := directory.person(one)) is not None]
    languages = {person.language for person in people} or {"zh"}
    return Recipients(
        digests=tuple(message.people.values()),
        names=_names(message.people, directory),
        languages=tuple(language for language in LANGUAGES if language in languages),
    )


def _some(people: Collection[str], message: _Message, directory: Directory) -> tuple[str, ...]:
    """The names of these people of a message; none if they are all of them."""
    return () if len(people) == len(message.people) else _names(people, directory)


def _names(people: Iterable[str], directory: Directory) -> tuple[str, ...]:
    return tuple(person.name for one in people if (person := directory.person(one)) is not None)


def _deliveries(written: Iterable[tuple[_Message, DigestText]]) -> list[NewDelivery]:
    return [
        NewDelivery([*message.people.values()], [*message.people], address, text.model_dump_json())
        for message, text in written
        for address in message.addresses
    ]


def _line(row: Row[Any], state: MonitoredCase | None, rules: Rules, people: tuple[str, ...]) -> DigestLine:
    """A line of a digest, with the deadline as it is now."""
    tracked = state.commitment(row.commitment) if state is not None else None
    commitment = tracked.as_message() if tracked is not None else None
    due_at: datetime | None = row.due_at  # of the alert, if the case is no longer stored
    if commitment is not None:
        due_at = commitment.committed_due if commitment.pause is None else None
    unmoved = state is not None and tracked is not None and suspensions_without_effect(state, tracked, rules)
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
        unmoved=bool(unmoved),
        people=people,
    )


async def _doubts(
    connection: AsyncConnection, messages: Sequence[_Message], directory: Directory, rules: Rules, now: datetime
) -> list[DoubtSection]:
    """For each message the doubtful times that its people may settle."""
    lines: list[list[DoubtLine]] = [[] for _ in messages]
    totals = [0] * len(messages)
    supervisors: dict[tuple[str, str, str], set[str]] = {}
    for row in await doubtful_times.unsettled(connection, MAX_LINES) if messages else ():
        place = row.owner, row.region, row.matter
        if first := place not in supervisors:
            supervisors[place] = {person.id for person in directory.supervisors(*place, now)}
        for message, own in enumerate(lines):
            concerned = [person for person in messages[message].people if person in supervisors[place]]
            if not concerned:
                continue
            totals[message] += row.of_place if first else 0
            if len(own) < MAX_LINES:
                own.append(_doubt_line(row, rules, _some(concerned, messages[message], directory)))
    return [
        DoubtSection(tuple(own), total - len(own)) if own else NO_DOUBTS
        for own, total in zip(lines, totals, strict=True)
    ]


def _doubt_line(row: Row[Any], rules: Rules, people: tuple[str, ...]) -> DoubtLine:
    return DoubtLine(
        case_id=row.case_id,
        matter=row.matter,
        step=row.step,
        procedure=row.procedure or None,
        field=TimeField(row.field),
        owner=row.owner,
        claimed=row.claimed,
        counts_at=row.counts_at,
        zone=rules.counting_rules(row.region).hours.zone,
        people=people,
    )
