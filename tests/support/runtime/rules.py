"""A toy whose cases follow a versioned document, and the roll-out of its versions."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.core import Core, Transition
from contracts.envelope import Envelope, Message, RulesChanged
from contracts.messages.cases import CaseStateRequested
from services.runtime.batch.message import InboundMessage
from services.runtime.batch.processor import BatchProcessor
from services.runtime.jobs.rollout import Rollout
from services.runtime.store import documents, rollouts
from services.runtime.store.database import transaction
from services.runtime.store.documents import VersionedDocument
from tests.support.runtime.processes import MakeProcessor, record
from tests.support.runtime.toy import Tally, from_kafka, handle, instruction
from tests.support.waiting import eventually

CASES = 30
AT_ONCE = 7
EVERYWHERE = [f"{first}{second}00-0000-0000-0" for first in "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ" for second in "05Z"]
"""Numbers of more cases than there are lanes."""

HELD = 0xED17
"""The advisory lock for which a held process waits."""

WAITING = """
    SELECT pid FROM pg_locks JOIN pg_database ON pg_database.oid = database
    WHERE datname = current_database() AND NOT granted AND {lock}
"""


class Rules(BaseModel):
    """A document with any content."""

    model_config = ConfigDict(extra="allow")


def core_for(number: int, content: Rules) -> Core[Tally]:
    """The toy notes by which version it has processed a message, and which one it follows."""
    if "format" in content.model_dump():
        raise ValueError("a format that this program does not know")

    def core(state: Tally | None, envelope: Envelope[Message]) -> Transition[Tally]:
        if isinstance(envelope.data, RulesChanged):
            assert state is not None
            if "unmoved" in state.instructions:
                return Transition(state)
            return Transition(
                state.replace(instructions=(*state.instructions, f"follows {number}")), (CaseStateRequested(),)
            )
        transition = handle(state, envelope)
        *before, last = transition.state.instructions
        return transition._replace(state=transition.state.replace(instructions=(*before, f"{last} by {number}")))

    return core


RULES = VersionedDocument("rules", Rules, core_for=core_for)


def with_rules(process: MakeProcessor, *, held: bool = False) -> BatchProcessor[Tally]:
    """One more process. ``held``: it stops between saving a batch with messages and committing it, for as long as the
    advisory lock `HELD` is taken."""
    project = (lambda messages: [("SELECT pg_advisory_xact_lock($1)", (HELD,))]) if held else None
    return process(documents=(RULES,), projection=project)


def records() -> list[InboundMessage]:
    """An instruction for each of so many cases."""
    return [record("a", number) for number in range(CASES)]


def everywhere() -> list[InboundMessage]:
    """An instruction for each of these cases."""
    return [from_kafka(instruction("a", case_id)) for case_id in EVERYWHERE]


async def put(database: AsyncEngine, **content: Any) -> int | None:
    """Put a version in force. Returns its number, or None if it is no new one."""
    async with transaction(database) as connection:
        return await documents.put(connection, RULES, Rules.model_validate(content), "a test's")


async def progress(database: AsyncEngine) -> rollouts.Progress:
    """The progress of the newest version's roll-out."""
    async with database.connect() as connection:
        return (await rollouts.history(connection, RULES.kind, 1))[0]


async def roll_out(processor: BatchProcessor[Tally]) -> bool:
    """Run one transaction of the roll-out. Returns whether there may be more."""
    return await Rollout(processor, cases_per_transaction=AT_ONCE).run_once()


async def follow(*processes: BatchProcessor[Tally]) -> None:
    """Run the roll-outs of these processes until none of them finds anything to do."""
    while any(await asyncio.gather(*(roll_out(one) for one in processes))):
        pass


async def until_waiting_for(database: AsyncEngine, lock: str) -> None:
    """Wait until a session waits for a lock that the condition describes."""
    async with database.connect() as connection:

        async def waits() -> bool:
            return bool((await connection.execute(text(WAITING.format(lock=lock)))).all())

        await eventually(waits)


@asynccontextmanager
async def stopped_before_commit(
    database: AsyncEngine, batches: BatchProcessor[Tally]
) -> AsyncIterator["asyncio.Task[bool]"]:
    """This process with everything written and nothing committed, until the context ends."""
    async with database.connect() as connection:
        await connection.execute(text("SELECT pg_advisory_lock(:held)"), {"held": HELD})
        working = asyncio.create_task(roll_out(batches))
        await until_waiting_for(database, "locktype = 'advisory'")
        try:
            yield working
        finally:
            await connection.execute(text("SELECT pg_advisory_unlock(:held)"), {"held": HELD})
