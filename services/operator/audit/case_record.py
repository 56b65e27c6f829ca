"""Reads everything on record of a case, in every database, as plain rows and JSON."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from services.operator.audit.queries import case_queries
from services.operator.audit.targets import Connection, Connections, Targets

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class StoredCase:
    """A case's row in a service's table ``cases``."""

    state: Json
    text: str
    processed_ids: tuple[UUID, ...]
    timer_at: datetime | None
    retry_at: datetime | None
    call_due_at: datetime | None
    closed_at: datetime | None

    @property
    def has_timer(self) -> bool:
        """Whether a timer will fire, for a deadline or for a retry."""
        return self.timer_at is not None or self.retry_at is not None


@dataclass(frozen=True, slots=True)
class PublishedMessage:
    """A message in a service's outbox."""

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
        """The content of the message."""
        content: Json = self.event["data"]
        return content


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """A row of a department's own ledger."""

    task_id: str
    number: str
    outcome: str
    received_at: datetime
    decided_at: datetime | None


@dataclass(frozen=True, slots=True)
class Alert:
    """A row of monitor's list of alerts."""

    commitment: str
    rung: str
    occurrence: int
    withdrawn: bool


@dataclass(slots=True)
class CaseRecord:
    """A case.

    ``ledgers`` has no entry for a department whose ledger was not read. ``rules`` has the versions of monitor's rules
    by number, if they were read.
    """

    case_id: str
    rows: dict[str, list[StoredCase]] = field(default_factory=lambda: defaultdict(list))
    published: dict[str, list[PublishedMessage]] = field(default_factory=lambda: defaultdict(list))
    ledgers: dict[str, list[LedgerRow]] = field(default_factory=dict)
    alerts: list[Alert] = field(default_factory=list)
    rules: Mapping[int, str] = field(default_factory=dict)

    def row(self, service: str) -> StoredCase | None:
        """The case's row at this service."""
        rows = self.rows.get(service)
        return rows[0] if rows else None

    def messages(self, service: str, kind: str) -> list[PublishedMessage]:
        """The messages of this kind that this service is the source of: a replayed dead letter may have another."""
        source = f"/onedoor/{service}"
        return [m for m in self.published.get(service, ()) if m.kind == kind and m.event["source"] == source]

    @property
    def has_doubtful_times(self) -> bool:
        """Whether a department reported a time that cannot be true: what is published may be corrected later."""
        return any(message.data.get("doubtful") for messages in self.published.values() for message in messages)

    def may_be_deleted(self, closed_since: datetime) -> bool:
        """Whether all services that know the case closed it before this moment, so that others may have deleted it."""
        rows = [row for rows in self.rows.values() for row in rows]
        return bool(rows) and all(row.closed_at is not None and row.closed_at < closed_since for row in rows)


def answer(step: Mapping[str, Any]) -> tuple[str, ...]:
    """The answer to a step: outcome, document, time and arrival, empty where there is none."""
    return tuple(step.get(name) or "" for name in ("outcome", "document", "decided_at", "arrived_at"))


def contents(messages: Iterable[PublishedMessage]) -> set[str]:
    """The different contents of these messages."""
    return {message.text.split('"data":', 1)[1] for message in messages}


def latest(messages: Iterable[PublishedMessage]) -> list[PublishedMessage]:
    """The message that was published last, if there is any."""
    return sorted(messages, key=lambda message: message.created_at)[-1:]


async def case_records(
    tables: Connections,
    targets: Targets,
    case_ids: Sequence[str],
    *,
    with_ledgers: bool = True,
    with_rules: bool = False,
) -> dict[str, CaseRecord]:
    """Everything on record of these cases.

    The databases are read one after another while they change, so that one may be ahead of another.
    """
    found = {case_id: CaseRecord(case_id) for case_id in case_ids}
    if with_ledgers:
        for system, connection in tables.ledgers.items():
            query = targets.ledgers[system].statement(case_queries.LEDGER_ROWS)
            for record in found.values():
                record.ledgers[system] = []
            for row in await connection.fetch(query, list(found)):
                found[row["case_id"]].ledgers[system].append(LedgerRow(*tuple(row)[1:]))
    for name, connection in tables.services.items():
        await _read(name, connection, found)
    monitor = tables.services["monitor"]
    if with_rules:
        # Read last: then every version that a case names is there.
        rules = {row["number"]: row["body"] for row in await monitor.fetch(case_queries.RULES)}
        for record in found.values():
            record.rules = rules
    for row in await monitor.fetch(case_queries.ALERTS, list(found)):
        found[row["case_id"]].alerts.append(Alert(row["commitment"], row["rung"], row["occurrence"], row["withdrawn"]))
    return found


async def _read(name: str, connection: Connection, found: Mapping[str, CaseRecord]) -> None:
    """Read what one service has on record, in one snapshot."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        unpublished = {tuple(row) for row in await connection.fetch(case_queries.UNPUBLISHED, list(found))}
        for row in await connection.fetch(case_queries.OUTBOX, list(found)):
            key = (row["case_id"], row["message_id"])
            found[row["case_id"]].published[name].append(
                PublishedMessage(
                    row["message_id"],
                    row["topic"],
                    json.loads(row["event"]),
                    row["event"],
                    row["created_at"],
                    key in unpublished,
                )
            )
        for row in await connection.fetch(case_queries.CASES, list(found)):
            processed_ids = row["processed_ids"]
            ids = tuple(UUID(bytes=processed_ids[at : at + 16]) for at in range(0, len(processed_ids), 16))
            timers = (row["timer_at"], row["retry_at"], row["call_due_at"])
            stored = StoredCase(json.loads(row["state"]), row["state"], ids, *timers, row["closed_at"])
            found[row["case_id"]].rows[name].append(stored)
