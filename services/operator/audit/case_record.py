"""All that is on record of a case, in every database, as plain rows and JSON."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from services.operator.audit.targets import Connection, Tables, Targets
from services.runtime.store import documents

Json = dict[str, Any]

_CASES = """
    SELECT case_id, state, processed_ids, timer_at, retry_at, call_due_at, closed_at FROM cases
    WHERE case_id = ANY($1)
"""
_OUTBOX = """
    SELECT case_id, message_id, topic, event, created_at FROM outbox WHERE case_id = ANY($1)
    ORDER BY case_id, created_at, message_id
"""
_UNPUBLISHED = """
    SELECT u.case_id, u.message_id FROM unpublished, unnest(case_ids, message_ids) AS u (case_id, message_id)
    WHERE case_ids && $1 AND u.case_id = ANY($1)
"""
_PARKED = "SELECT case_id, blocking FROM dead_letters WHERE case_id = ANY($1) AND status = 'parked'"

_ALERTS = """
    SELECT case_id, commitment, rung, occurrence, withdrawn_at IS NOT NULL AS withdrawn FROM alerts WHERE case_id =
    ANY($1)
"""
_BOOKS = """
    SELECT split_part(task_id, '/', 1) AS case_id, task_id, number, outcome, received_at, decided_at
    FROM (%books%) AS books WHERE split_part(task_id, '/', 1) = ANY($1)
"""


@dataclass(frozen=True, slots=True)
class StoredCase:
    """A case's row in a service's table of states."""

    state: Json
    text: str
    processed_ids: tuple[UUID, ...]
    timer_at: datetime | None
    retry_at: datetime | None
    call_due_at: datetime | None
    closed_at: datetime | None

    @property
    def asks(self) -> bool:
        """Whether it will be woken, be it at a deadline or to ask once more."""
        return self.timer_at is not None or self.retry_at is not None


@dataclass(frozen=True, slots=True)
class PublishedMessage:
    """A message in a service's ledger."""

    message_id: UUID
    topic: str
    event: Json
    text: str
    created_at: datetime
    unpublished: bool

    @property
    def kind(self) -> str:
        """The type without prefix and version: ``case.accepted``."""
        name: str = self.event["type"]
        return name.removeprefix("onedoor.").rsplit(".", 1)[0]

    @property
    def data(self) -> Json:
        content: Json = self.event["data"]
        return content


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """A line in a department's own books."""

    task_id: str
    number: str
    outcome: str
    received_at: datetime
    decided_at: datetime | None


@dataclass(frozen=True, slots=True)
class Alert:
    """A line in monitor's list of alerts."""

    commitment: str
    rung: str
    occurrence: int
    withdrawn: bool


@dataclass(slots=True)
class CaseRecord:
    """A case. ``books`` has no entry for a department whose books were not read; ``rules`` are the versions of
    monitor's rules by their numbers, where they were asked for.
    """

    case_id: str
    rows: dict[str, list[StoredCase]] = field(default_factory=lambda: defaultdict(list))
    said: dict[str, list[PublishedMessage]] = field(default_factory=lambda: defaultdict(list))
    books: dict[str, list[LedgerRow]] = field(default_factory=dict)
    alerts: list[Alert] = field(default_factory=list)
    parked: dict[str, int] = field(default_factory=dict)
    rules: Mapping[int, str] = field(default_factory=dict)

    def kept(self, service: str) -> StoredCase | None:
        """The case's row at this service."""
        rows = self.rows.get(service)
        return rows[0] if rows else None

    def ledger(self, service: str, kind: str) -> list[PublishedMessage]:
        """What this service itself has said of this kind; a letter handed back is somebody else's word."""
        source = f"/onedoor/{service}"
        return [s for s in self.said.get(service, ()) if s.kind == kind and s.event["source"] == source]


async def case_records(
    tables: Tables, places: Targets, case_ids: Sequence[str], *, with_books: bool = True, with_rules: bool = False
) -> dict[str, CaseRecord]:
    """All that is known of these cases.

    The databases are read one after another while they move: what one says may be newer than what another says.
    """
    found = {case_id: CaseRecord(case_id) for case_id in case_ids}
    if with_books:
        for system, connection in tables.books.items():
            query = _BOOKS.replace("%books%", places.books[system].query)
            for dossier in found.values():
                dossier.books[system] = []
            for row in await connection.fetch(query, list(found)):
                found[row["case_id"]].books[system].append(LedgerRow(*tuple(row)[1:]))
    for name, connection in tables.services.items():
        await _read(name, connection, found)
    if with_rules:
        # Read last: whatever a case was reckoned by is there by now.
        rules = await documents.bodies(tables.services["monitor"], "rules")
        for dossier in found.values():
            dossier.rules = rules
    for row in await tables.services["monitor"].fetch(_ALERTS, list(found)):
        found[row["case_id"]].alerts.append(Alert(row["commitment"], row["rung"], row["occurrence"], row["withdrawn"]))
    return found


async def _read(name: str, connection: Connection, found: Mapping[str, CaseRecord]) -> None:
    """What one service knows, as of one moment."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        waiting = {tuple(row) for row in await connection.fetch(_UNPUBLISHED, list(found))}
        for row in await connection.fetch(_OUTBOX, list(found)):
            key = (row["case_id"], row["message_id"])
            event = json.loads(row["event"])
            found[row["case_id"]].said[name].append(
                PublishedMessage(
                    row["message_id"], row["topic"], event, row["event"], row["created_at"], key in waiting
                )
            )
        for row in await connection.fetch(_CASES, list(found)):
            processed_ids = row["processed_ids"]
            ids = tuple(UUID(bytes=processed_ids[at : at + 16]) for at in range(0, len(processed_ids), 16))
            alarms = (row["timer_at"], row["retry_at"], row["call_due_at"])
            kept = StoredCase(json.loads(row["state"]), row["state"], ids, *alarms, row["closed_at"])
            found[row["case_id"]].rows[name].append(kept)
        for row in await connection.fetch(_PARKED, list(found)):
            parked = found[row["case_id"]].parked
            parked[name] = parked.get(name, 0) + 1
