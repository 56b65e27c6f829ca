"""Counts changed cases in the figures of the board, beside the batches that decide them.

A batch records which cases it has changed, in its commit. This job takes these records, derives the facts of the cases
from their present states, and replaces what they had counted, all in one transaction: each change counts once, however
often a process is killed. While processors are short of time, the job waits, and later takes a small part of the time:
decisions need it more, and a case that has changed several times meanwhile is counted once.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.monitor.core.board.facts import CommitmentFacts, facts_of, rules_versions
from services.monitor.core.rules import Rules
from services.monitor.core.state import MonitoredCase
from services.monitor.store import rule_store
from services.monitor.store.board import counting
from services.runtime import telemetry
from services.runtime.batch.cpu_pressure import CpuPressure
from services.runtime.clock import machine_now
from services.runtime.store import changed_cases
from services.runtime.store.database import transaction, try_lock

CASES = 500
"""Cases of one transaction, about."""

CASES_AT_A_TIME = 25
"""Cases whose facts are derived before other work of the process has its turn."""

PRESSURE = 0.2
"""The share of time in which tasks wait for a processor above which the job yields."""

BUSY_PAUSE = 19.0
"""Pause after a transaction while the job yields, in durations of the transaction: it takes 5% of the time."""

log = telemetry.logger(__name__)


class UnknownRules(Exception):
    """A deadline follows a version of the rules that is not on record."""


class FigureCounter:
    """Call `run_once` periodically. Of several replicas, one counts at a time.

    ``longest_wait_s``: machine seconds for which changes wait while processors are short of time. ``pressure``: how
    short they are at a moment of the machine. ``cases``: those of one transaction, about.
    """

    def __init__(
        self,
        database: AsyncEngine,
        longest_wait_s: float,
        pressure: Callable[[float], float] | None = None,
        cases: int = CASES,
    ) -> None:
        self._database = database
        self._longest_wait = timedelta(seconds=longest_wait_s)
        self._cases = cases
        self._pressure = pressure or CpuPressure().share
        self._rests_until = 0.0
        """The machine time until which the job rests if it yields."""

    async def run_once(self) -> bool:
        """Count the next changed cases. Returns whether there may be more to do at once."""
        async with transaction(self._database) as connection:
            oldest = await changed_cases.oldest(connection)
            if oldest is None:
                return False
            began = time.monotonic()
            yields = self._pressure(began) > PRESSURE
            if yields and (began < self._rests_until or machine_now() - oldest < self._longest_wait):
                return False
            if not await try_lock(connection, counting.LOCK):
                return False  # another replica counts
            case_ids = await changed_cases.claim(connection, self._cases)
            known, facts = await self._facts(connection, await changed_cases.states(connection, case_ids))
            await counting.write_facts(connection, known, facts)
        now = time.monotonic()
        self._rests_until = now + BUSY_PAUSE * (now - began)
        return not yields

    async def _facts(
        self, connection: AsyncConnection, rows: Sequence[Row[Any]]
    ) -> tuple[list[str], list[CommitmentFacts]]:
        """The cases whose state can be read, and their facts. All others keep the facts that they have."""
        case_ids: list[str] = []
        found: list[CommitmentFacts] = []
        rules: dict[int, Rules] = {}
        for index, row in enumerate(rows):
            try:
                case = MonitoredCase.model_validate_json(row.state)
                for version in rules_versions(case) - rules.keys():
                    rules[version] = await _rules(connection, version)
                found += facts_of(row.case_id, case, rules.__getitem__)
            except (ValueError, UnknownRules):
                log.exception("the figures do not count the last change of a case", case_id=row.case_id)
                continue
            case_ids.append(row.case_id)
            if index % CASES_AT_A_TIME == CASES_AT_A_TIME - 1:
                await asyncio.sleep(0)
        return case_ids, found


async def _rules(connection: AsyncConnection, version: int) -> Rules:
    found = await rule_store.version(connection, version)
    if found is None:
        raise UnknownRules(f"version {version} of the rules is not on record; restore it")
    return found
