"""Checks messages from the databases alone: each that was said is heard by each of its readers, once.

The ledger and the audit look at what became of the cases. A service that forgets what it has heard, or loses a message,
often comes to the same end nevertheless: cores merge facts, and who needs an answer asks again. So the memory itself is
looked at: the ids in ``cases.seen`` of each reader beside the ids in the outboxes of those who say.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from uuid import UUID

import asyncpg

from contracts.registry import REGISTRY
from tests.chaos.progress import SERVICES
from tests.support.ledger_checks import SYSTEMS, Tables

HEARERS = {message.type: route.consumers for message, route in REGISTRY.items()}
ID_BYTES = 16

_SAID = """
    SELECT case_id, message_id, event::json->>'type' AS type, event::json->'data'->>'system' AS system
    FROM outbox WHERE created_at > $1
"""

Heard = Mapping[str, Mapping[str, Counter[bytes]]]
"""Service -> case -> how often each id stands in its memory."""


async def faults(tables: Tables, since: datetime, *, said_are_heard: bool) -> list[str]:
    """What is wrong with messages said since then. Nothing may be under way.

    ``said_are_heard``: whether Kafka has kept what it acknowledged, so that all must have been heard.
    """
    said: dict[str, dict[str, set[bytes]]] = defaultdict(lambda: defaultdict(set))
    """Reader -> case -> ids meant for it."""
    for service in SERVICES:
        for row in await tables[f"onedoor_{service}"].fetch(_SAID, since):
            for reader in _readers(row["type"], row["system"]):
                said[reader][row["case_id"]].add(row["message_id"].bytes)
    return [
        fault
        for reader in SERVICES
        for fault in await _faults(reader, tables[f"onedoor_{reader}"], said[reader], said_are_heard)
    ]


async def unsaid(tables: Tables) -> list[str]:
    """Messages that somebody has heard and nobody has said: they are in no outbox."""
    said: set[UUID] = set()
    for service in SERVICES:
        said.update(row[0] for row in await tables[f"onedoor_{service}"].fetch("SELECT message_id FROM outbox"))
    found = []
    for service in SERVICES:
        for row in await tables[f"onedoor_{service}"].fetch("SELECT case_id, processed_ids FROM cases"):
            for one in _ids(row["processed_ids"]):
                if UUID(bytes=one) not in said:
                    found.append(f"{service} has heard {UUID(bytes=one)} of {row['case_id']}, which nobody has said")
    return found


def _readers(type_: str, system: str | None) -> Iterator[str]:
    for hearer in HEARERS[type_]:
        if hearer != "departments":
            yield hearer
        elif system in SYSTEMS:
            yield system


async def _faults(
    reader: str,
    database: "asyncpg.Connection[asyncpg.Record]",
    said: Mapping[str, set[bytes]],
    said_are_heard: bool,
) -> list[str]:
    found = []
    rows = await database.fetch("SELECT case_id, processed_ids FROM cases WHERE case_id = ANY($1)", list(said))
    memory = {row["case_id"]: Counter(_ids(row["processed_ids"])) for row in rows}
    for case_id, ids in said.items():
        heard = memory.get(case_id, Counter())
        if twice := [one for one, times in heard.items() if times > 1]:
            found.append(f"{reader}: {case_id} heard {UUID(bytes=twice[0])} more than once")
        if said_are_heard and (missed := ids - heard.keys()):
            found.append(f"{reader}: {case_id} never heard {UUID(bytes=min(missed))}")
    return found


def _ids(seen: bytes) -> Iterator[bytes]:
    return (seen[at : at + ID_BYTES] for at in range(0, len(seen), ID_BYTES))
