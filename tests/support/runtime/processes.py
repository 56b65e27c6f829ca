"""Toy processes and their database, as tests of the runtime use them."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.runtime.batch.message import InboundMessage
from services.runtime.batch.processor import BatchProcessor
from tests.support.runtime.toy import Tally, case, from_kafka, instruction

Start = Callable[..., Any]
"""Starts a whole process: with an external system, a changed toy or changed settings."""

MakeProcessor = Callable[..., BatchProcessor[Tally]]
"""Makes the batch processor of one more process: with a changed toy, or with these topics only."""


def record(reason: str, number: int = 1) -> InboundMessage:
    """A record with an instruction for the case of this number."""
    return from_kafka(instruction(reason, case(number)))


async def rows(database: AsyncEngine, sql: str) -> list[Any]:
    """The rows of a query."""
    async with database.connect() as connection:
        return list(await connection.execute(text(sql)))


async def tally(database: AsyncEngine, number: int) -> Tally:
    """The stored state of the case of this number."""
    ((state,),) = await rows(database, f"SELECT state FROM cases WHERE case_id = '{case(number)}'")
    return Tally.model_validate_json(state)


async def instructions(database: AsyncEngine) -> dict[str, tuple[str, ...]]:
    """The instructions that each case has received."""
    found = await rows(database, "SELECT case_id, state FROM cases ORDER BY case_id")
    return {row.case_id: Tally.model_validate_json(row.state).instructions for row in found}


async def unpublished(database: AsyncEngine) -> int:
    """Batches whose messages are not marked as published."""
    ((waiting,),) = await rows(database, "SELECT count(*) FROM unpublished")
    return int(waiting)


async def waits_for_a_lock(database: AsyncEngine) -> bool:
    """Whether a session waits for a lock."""
    return bool(await rows(database, "SELECT pid FROM pg_locks WHERE NOT granted"))
