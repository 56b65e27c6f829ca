"""The promises of a `ServiceHost` to its service, kept by the real process and by the fake."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from contracts.core import InvalidMessage, Transition
from contracts.envelope import Envelope, Message
from contracts.messages.cases import CaseStateRequested
from services.runtime.batch.queue import FULL_BATCHES, Overloaded, Unavailable
from services.runtime.process import ServiceProcess
from services.runtime.service import ServiceHost
from services.runtime.store.database import DATABASE_ERRORS, DatabaseUnreachable
from tests.support.runtime.fakes import MemoryHost
from tests.support.runtime.processes import Start
from tests.support.runtime.toy import Tally, case, handle, instruction, settings, toy

BATCH = 5
NOWHERE = "postgresql+asyncpg://127.0.0.1:1/none"


def core(state: Tally | None, envelope: Envelope[Message]) -> Transition[Tally]:
    """The toy, which also notes the moment of each message."""
    transition = handle(state, envelope)
    tally = transition.state
    return transition._replace(state=tally.replace(answers=(*tally.answers, envelope.time.isoformat())))


@dataclass
class Subject:
    """A host, and what the tests need beside its protocol."""

    host: ServiceHost[Tally]
    published: Callable[[], Awaitable[list[str]]]
    """The types of the messages that it has published or is to publish."""
    overloaded: Callable[[], AbstractAsyncContextManager[None]]
    """Too many requests are waiting while the context lasts."""


def message(reason: str) -> Message:
    return instruction(reason, case(1)).data


@pytest.fixture(params=["fake", "real"])
async def subject(request: pytest.FixtureRequest, start: Start) -> AsyncIterator[Subject]:
    if request.param == "fake":
        yield fake()
        return
    async with start(service={"core": core}, batch=BATCH) as host:
        yield real(host)


def fake() -> Subject:
    host = MemoryHost(toy(core=core), settings(NOWHERE), datetime.now(UTC))

    async def published() -> list[str]:
        return [one.type for one in host.published]

    @asynccontextmanager
    async def overloaded() -> AsyncIterator[None]:
        host.fault = Overloaded()
        yield
        host.fault = None

    return Subject(host, published, overloaded)


def real(host: ServiceProcess[Tally]) -> Subject:
    async def published() -> list[str]:
        async with host.database.connect() as connection:
            return list(await connection.scalars(text("SELECT event::json ->> 'type' FROM outbox")))

    @asynccontextmanager
    async def overloaded() -> AsyncIterator[None]:
        full = [(case(1000 + number), message("count")) for number in range(FULL_BATCHES * BATCH)]
        waiting = asyncio.create_task(host.commands(full))
        await asyncio.sleep(0)  # they have arrived, and no batch has begun
        yield
        assert all(isinstance(one, Tally) for one in await waiting)

    return Subject(host, published, overloaded)


@pytest.fixture(params=["fake", "real"])
async def unavailable(request: pytest.FixtureRequest, kafka_address: str) -> AsyncIterator[ServiceHost[Tally]]:
    """A host whose database cannot be reached."""
    if request.param == "fake":
        host = MemoryHost(toy(core=core), settings(NOWHERE), datetime.now(UTC))
        host.fault = DatabaseUnreachable("refused")
        yield host
        return
    async with ServiceProcess(toy(core=core), settings(NOWHERE, kafka=kafka_address)) as process:
        yield process


async def test_a_command_returns_the_state_that_is_read_afterwards(subject: Subject) -> None:
    first = await subject.host.command(case(1), message("one"))
    assert first.instructions == ("one",)
    second = await subject.host.command(case(1), message("two"))
    assert second.instructions == ("one", "two")
    assert await subject.host.read(case(1)) == second


async def test_a_case_without_messages_is_unknown(subject: Subject) -> None:
    await subject.host.command(case(1), message("one"))
    assert await subject.host.read(case(2)) is None


async def test_a_command_happens_now(subject: Subject) -> None:
    before = subject.host.clock.now()
    tally = await subject.host.command(case(1), message("now"))
    assert before <= datetime.fromisoformat(tally.answers[-1]) <= subject.host.clock.now()


async def test_the_error_of_the_core_reaches_the_sender_and_changes_nothing(subject: Subject) -> None:
    with pytest.raises(InvalidMessage, match="impossible for the toy"):
        await subject.host.command(case(1), message("impossible"))
    assert await subject.host.read(case(1)) is None
    before = await subject.host.command(case(1), message("one"))
    with pytest.raises(RuntimeError, match="a fault in the core"):
        await subject.host.command(case(1), message("fail"))
    assert await subject.host.read(case(1)) == before
    assert (await subject.host.command(case(1), message("two"))).instructions == ("one", "two")


async def test_each_of_several_commands_has_its_own_result_in_their_order(subject: Subject) -> None:
    reasons = {"one": 1, "impossible": 2, "two": 1, "three": 3}
    results = await subject.host.commands([(case(number), message(reason)) for reason, number in reasons.items()])
    assert [one.instructions if isinstance(one, Tally) else type(one) for one in results] == [
        ("one",),
        InvalidMessage,
        ("one", "two"),
        ("three",),
    ]
    tally = await subject.host.read(case(1))
    assert tally is not None and tally.instructions == ("one", "two")


async def test_concurrent_commands_to_one_case_are_all_kept(subject: Subject) -> None:
    reasons = [f"n{number}" for number in range(20)]
    await asyncio.gather(*(subject.host.command(case(1), message(reason)) for reason in reasons))
    tally = await subject.host.read(case(1))
    assert tally is not None and sorted(tally.instructions) == sorted(reasons)


async def test_messages_are_published_with_the_state_and_not_for_a_refused_command(subject: Subject) -> None:
    await subject.host.command(case(1), message("publish 2"))
    with pytest.raises(InvalidMessage):
        await subject.host.command(case(1), message("impossible"))
    assert await subject.published() == [CaseStateRequested.type] * 2


async def test_an_overloaded_host_takes_nothing(subject: Subject) -> None:
    async with subject.overloaded():
        with pytest.raises(Overloaded):
            await subject.host.command(case(1), message("one"))
        with pytest.raises(Overloaded):
            await subject.host.commands([(case(1), message("one"))])
    assert await subject.host.read(case(1)) is None
    assert (await subject.host.command(case(1), message("two"))).instructions == ("two",)


async def test_without_a_database_commands_are_unavailable_and_reading_fails(unavailable: ServiceHost[Tally]) -> None:
    with pytest.raises(Unavailable):
        await unavailable.command(case(1), message("one"))
    results = await unavailable.commands([(case(1), message("one")), (case(2), message("two"))])
    assert [type(one) for one in results] == [Unavailable, Unavailable]
    with pytest.raises(DATABASE_ERRORS):
        await unavailable.read(case(1))
