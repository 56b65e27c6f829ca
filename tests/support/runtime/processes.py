"""Toy processes and their database, as tests of the runtime use them."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from aiokafka import AIOKafkaProducer
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.codec import encode
from services.runtime.batch.message import InboundMessage
from services.runtime.batch.processor import BatchProcessor
from services.runtime.process import ServiceProcess
from services.runtime.settings import Settings
from services.runtime.store import dead_letters
from tests.support.runtime.toy import TOPIC, Tally, case, from_kafka, instruction
from tests.support.waiting import eventually

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


async def break_state(database: AsyncEngine, number: int) -> None:
    """Make the stored state of this case one that this release cannot read, as another release may have written it."""
    async with database.begin() as connection:
        broken = """UPDATE cases SET state = '{"instructions": 5}', version = version + 1 WHERE case_id = :case_id"""
        await connection.execute(text(broken), {"case_id": case(number)})


async def unpublished(database: AsyncEngine) -> int:
    """Batches whose messages are not marked as published."""
    ((waiting,),) = await rows(database, "SELECT count(*) FROM unpublished")
    return int(waiting)


async def waits_for_a_lock(database: AsyncEngine) -> bool:
    """Whether a session waits for a lock."""
    return bool(await rows(database, "SELECT pid FROM pg_locks WHERE NOT granted"))


async def send(settings: Settings, *records: tuple[bytes | None, bytes]) -> None:
    """Publish raw records (key, value) on the topic of the toy."""
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka) as producer:
        for key, value in records:
            await producer.send_and_wait(settings.topic_prefix + TOPIC, value, key=key)


def raw(reason: str, case_id: str) -> tuple[bytes, bytes]:
    """A raw record with an instruction: its key and its value."""
    return case_id.encode(), encode(instruction(reason, case_id))


async def command(host: ServiceProcess[Tally], reason: str, numbers: Iterable[int] = (1,)) -> None:
    """An instruction for each of these cases, all at once."""
    await asyncio.gather(*(host.command(case(n), instruction(reason, case(n)).data) for n in numbers))


async def until(host: ServiceProcess[Tally], condition: Callable[[Tally], bool], numbers: Iterable[int] = (1,)) -> None:
    """Wait until the condition holds for the state of each of these cases."""
    for number in numbers:

        async def holds(case_id: str = case(number)) -> bool:
            tally = await host.read(case_id)
            return tally is not None and condition(tally)

        await eventually(holds)


async def until_parked(host: ServiceProcess[Tally], count: int) -> None:
    """Wait until there are so many dead letters."""

    async def all_parked() -> bool:
        return await dead_letters.parked(host.database) == count

    await eventually(all_parked)
