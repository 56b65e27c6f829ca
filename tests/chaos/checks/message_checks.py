"""Checks from the databases alone that each published message is processed by each of its consumers, once.

The ledger checks and the audit examine the outcome of the cases. A service that forgets processed ids or loses a
message often reaches the same outcome nevertheless, because cores merge facts and unanswered requests are repeated.
So these checks compare ``cases.processed_ids`` of each consumer with the outboxes of the producers.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from uuid import UUID

import asyncpg

from contracts.registry import REGISTRY
from tests.chaos.progress import SERVICES
from tests.support.ledger_checks import SYSTEMS, Tables

CONSUMERS = {message.type: route.consumers for message, route in REGISTRY.items()}
ID_BYTES = 16

_PUBLISHED = """
    SELECT case_id, message_id, event::json->>'type' AS type, event::json->'data'->>'system' AS system
    FROM outbox WHERE created_at > $1
"""


async def violations(tables: Tables, since: datetime, *, all_kept: bool) -> list[str]:
    """Messages published since then that were lost or processed twice. Nothing may be under way.

    ``all_kept``: Kafka has kept every message that it acknowledged, so each must have been processed.
    """
    published: dict[str, dict[str, set[bytes]]] = defaultdict(lambda: defaultdict(set))
    """Consumer -> case -> ids of the messages for it."""
    for service in SERVICES:
        for row in await tables[f"onedoor_{service}"].fetch(_PUBLISHED, since):
            for consumer in _consumers(row["type"], row["system"]):
                published[consumer][row["case_id"]].add(row["message_id"].bytes)
    return [
        violation
        for consumer in SERVICES
        for violation in await _violations(consumer, tables[f"onedoor_{consumer}"], published[consumer], all_kept)
    ]


async def never_published(tables: Tables) -> list[str]:
    """Processed messages that stand in no outbox."""
    published: set[UUID] = set()
    for service in SERVICES:
        published.update(row[0] for row in await tables[f"onedoor_{service}"].fetch("SELECT message_id FROM outbox"))
    found = []
    for service in SERVICES:
        for row in await tables[f"onedoor_{service}"].fetch("SELECT case_id, processed_ids FROM cases"):
            for one in _ids(row["processed_ids"]):
                if UUID(bytes=one) not in published:
                    found.append(f"{service} processed {UUID(bytes=one)} of {row['case_id']}, which is in no outbox")
    return found


def _consumers(type_: str, system: str | None) -> Iterator[str]:
    for consumer in CONSUMERS[type_]:
        if consumer != "departments":
            yield consumer
        elif system in SYSTEMS:
            yield system


async def _violations(
    consumer: str,
    database: "asyncpg.Connection[asyncpg.Record]",
    published: Mapping[str, set[bytes]],
    all_kept: bool,
) -> list[str]:
    found = []
    rows = await database.fetch("SELECT case_id, processed_ids FROM cases WHERE case_id = ANY($1)", list(published))
    processed = {row["case_id"]: Counter(_ids(row["processed_ids"])) for row in rows}
    for case_id, ids in published.items():
        of_case = processed.get(case_id, Counter())
        if repeated := [one for one, times in of_case.items() if times > 1]:
            found.append(f"{consumer}: {case_id} processed {UUID(bytes=repeated[0])} more than once")
        if all_kept and (lost := ids - of_case.keys()):
            found.append(f"{consumer}: {case_id} never processed {UUID(bytes=min(lost))}")
    return found


def _ids(processed_ids: bytes) -> Iterator[bytes]:
    return (processed_ids[at : at + ID_BYTES] for at in range(0, len(processed_ids), ID_BYTES))
