"""Two monitors are killed at random while many deadlines fall due in the same minute: each rung must fire once.

The tables are filled with open cases of one commitment each. The clock steps past their warning, then past all their
cards; a responder in the place of routing reports every case as open. Both times processes are killed with SIGKILL at
work and started again at once, until all rungs have fired. Then the rungs are counted in monitor's states, its list of
alerts, its outbox and on Kafka, and the audit checks its own promise about rungs for each case.
"""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from uuid import UUID

from aiokafka import AIOKafkaConsumer

from contracts.codec import decode
from contracts.envelope import EARLIEST
from contracts.messages.alerts import AlertRaised, Rung
from contracts.registry import REGISTRY
from deploy.local.processes.supervisor import Supervised
from deploy.local.wiring import Options
from services.monitor.core.state import MonitoredCase
from services.operator.audit.case_record import case_records
from services.operator.audit.checks.ladder_checks import rungs
from services.operator.audit.invariants import Moments
from services.operator.audit.targets import Connections, Targets
from services.runtime.clock import FileClock
from tests.support.cases import stored_cases
from tests.support.cases.routing_responder import routing_responder
from tests.support.cases.simulated_case import one_commitment_plan, simulate
from tests.support.partial_platform import Connection, PartialPlatform
from tests.support.waiting import eventually

MONITORS = 2
BOTH_SHARE = 0.25
"""Share of the kills that kill both monitors at once."""

MAX_KILL_DELAY_S = 0.03
"""Longest random delay before a kill, so that processes die in any part of their work."""

POLL_S = 0.005
KILL_BEFORE_SHARE = 0.8
"""All kills come before this share of the rungs has fired, so that the monitors are still at work."""

STALLED_S = 45.0
"""Longest time without another rung. Kafka takes less to remove a killed member, and monitor to repeat a request."""

PUBLISHED_WITHIN_S = 60.0
AUDIT_BATCH = 1000
RELAY_AGE_S = 1

Fired = tuple[str, str]
"""A rung of the one commitment of a case: the case's number, and the rung."""


@dataclass
class MonitorKills:
    """A run and its results. ``max_batch`` is the largest number of timers that monitor handles in one transaction."""

    seed: int
    deadlines: int
    kills: int
    max_batch: int
    killed: Counter[Rung] = field(default_factory=Counter)
    """Kills while rungs of this kind were still to fire."""
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = Random(self.seed)
        self._monitors: list[Supervised] = []

    async def run(self, path: Path) -> None:
        """Fill the tables, step the clock, kill, count."""
        stored_case = simulate(one_commitment_plan(), answered=False).last("monitor")
        due = MonitoredCase.model_validate_json(stored_case.state).commitments[0].due
        assert due is not None
        (_, warning), *cards = due.ladder()
        clock = FileClock.create(path / "clock", warning - timedelta(minutes=1), speed=0)
        environment = {"ONEDOOR_BATCH": str(self.max_batch), "ONEDOOR_RELAY_AGE_S": str(RELAY_AGE_S)}
        options = Options(
            clock=str(path / "clock"),
            replicas={"monitor": MONITORS},
            sandboxes=False,
            extra={"monitor": environment},
        )
        async with PartialPlatform(path, options) as platform:
            await platform.database("monitor")
            connection = await platform.connect("monitor")
            timer_at = f"'{warning.isoformat()}'::timestamptz"
            await stored_cases.insert_cases(connection, stored_case, self.deadlines, timer_at=timer_at)
            await stored_cases.vacuum_and_checkpoint(connection)
            self._monitors = await platform.serve("monitor")
            clock.set(warning + timedelta(seconds=1), speed=0)
            await self._kill_until_fired(platform, connection, Rung.WARNING)
            expected = [Rung.WARNING, *(rung for rung, _ in cards)]
            async with routing_responder(platform.engines.kafka, clock):
                clock.set(cards[-1][1] + timedelta(seconds=1), speed=0)
                await self._kill_until_fired(platform, connection, expected[-1])
            await self._all_published(connection)
            await platform.stop(self._monitors)
            self.faults += await _count_faults(connection, platform.engines.kafka, self.deadlines, expected)
            self.faults += await _audit_faults(connection, clock)
            await connection.close()

    async def _kill_until_fired(self, platform: PartialPlatform, connection: Connection, rung: Rung) -> None:
        """Kill at random numbers of fired rungs, until all have fired."""
        began = progressed = time.monotonic()
        before = 0
        marks = sorted(self._random.sample(range(int(KILL_BEFORE_SHARE * self.deadlines)), self.kills))
        while (fired := await _count_listed(connection, rung)) < self.deadlines:
            if fired > before:
                before, progressed = fired, time.monotonic()
            if time.monotonic() - progressed > STALLED_S:
                self.faults.append(f"{rung}: {fired} of {self.deadlines} are listed, and no more for {STALLED_S:.0f} s")
                break
            if marks and marks[0] <= fired:
                del marks[0]
                await asyncio.sleep(self._random.uniform(0, MAX_KILL_DELAY_S))
                killed = await self._kill(platform)
                if await _count_listed(connection, rung) < self.deadlines:
                    self.killed[rung] += killed
            else:
                await asyncio.sleep(POLL_S)
        print(f"{rung}: {fired} in {time.monotonic() - began:.1f} s, with {self.killed[rung]} kills meanwhile")

    async def _kill(self, platform: PartialPlatform) -> int:
        """Kill one monitor or both, and start them again. Returns the number of killed processes."""
        drawn = self._monitors if self._random.random() < BOTH_SHARE else [self._random.choice(self._monitors)]
        killed = set()
        for victim in drawn:
            if (pid := victim.pid) is not None:  # None: it is starting
                os.kill(pid, signal.SIGKILL)
                killed.add(victim.specification.name)
        self._monitors = [
            await platform.restart(one) if one.specification.name in killed else one for one in self._monitors
        ]
        return len(killed)

    async def _all_published(self, connection: Connection) -> None:
        """Wait until every message is in Kafka."""

        async def none_unpublished() -> bool:
            return not await connection.fetchval("SELECT count(*) FROM unpublished")

        await eventually(none_unpublished, PUBLISHED_WITHIN_S, "all is published")


async def _count_listed(connection: Connection, rung: Rung) -> int:
    return int(await connection.fetchval("SELECT count(*) FROM alerts WHERE rung = $1", rung.value))


async def _count_faults(connection: Connection, kafka: str, count: int, expected: Sequence[Rung]) -> list[str]:
    """Rungs that have not fired exactly once, by each of their records."""
    numbers = [row["case_id"] for row in await connection.fetch("SELECT case_id FROM cases ORDER BY case_id")]
    due = Counter((number, str(rung)) for number in numbers for rung in expected)
    found = {
        "states": await _pairs(
            connection,
            "SELECT case_id, raised ->> 'rung' FROM cases, jsonb_path_query(state::jsonb, '$.commitments[*].raised[*]')"
            " AS raised",
        ),
        "alerts listed": await _pairs(connection, "SELECT case_id, rung FROM alerts"),
        "alerts published": await _pairs(
            connection,
            "SELECT case_id, event::jsonb -> 'data' ->> 'rung' FROM outbox"
            f" WHERE event::jsonb ->> 'type' = '{AlertRaised.type}'",
        ),
        "alerts on Kafka": Counter(await _on_kafka(kafka)),
    }
    faults = [] if len(numbers) == count else [f"{len(numbers)} cases exist, not {count}"]
    for name, fired in found.items():
        wrong = {one: fired[one] for one in due.keys() | fired.keys() if fired[one] != due[one]}
        faults += [f"{name}: {rung} of {case} occurs {n} times" for (case, rung), n in sorted(wrong.items())]
    return faults


async def _pairs(connection: Connection, query: str) -> Counter[Fired]:
    return Counter((row[0], row[1]) for row in await connection.fetch(query, timeout=PUBLISHED_WITHIN_S))


async def _on_kafka(address: str) -> Iterable[Fired]:
    """The published alerts, each message id once."""
    fired: dict[UUID, Fired] = {}
    topic = REGISTRY[AlertRaised].topic
    async with AIOKafkaConsumer(topic, bootstrap_servers=address, auto_offset_reset="earliest") as consumer:
        for part, end in (await consumer.end_offsets(consumer.assignment())).items():
            while await consumer.position(part) < end:
                for record in (await consumer.getmany(part, timeout_ms=1000)).get(part, ()):
                    envelope = decode(record.value, record.key, topic)
                    if isinstance(envelope.data, AlertRaised):
                        fired[envelope.id] = envelope.subject, str(envelope.data.rung)
    return fired.values()


async def _audit_faults(connection: Connection, clock: FileClock) -> list[str]:
    """The findings of the audit about the rungs of each case."""
    now = clock.now()
    moments = Moments(now=now, soon=datetime.now(UTC), kept_since=EARLIEST, closed_since=EARLIEST)
    tables = Connections(services={"monitor": connection}, ledgers={}, unread_ledgers={})
    no_targets = Targets({}, (), {}, {}, clock, timedelta(), timedelta())
    numbers = [row["case_id"] for row in await connection.fetch("SELECT case_id FROM cases ORDER BY case_id")]
    faults: list[str] = []
    for first in range(0, len(numbers), AUDIT_BATCH):
        found = await case_records(tables, no_targets, numbers[first : first + AUDIT_BATCH], with_ledgers=False)
        faults += [f"{fault.case_id}: {fault.what}" for case in found.values() for fault in rungs(case, moments)]
    return faults
