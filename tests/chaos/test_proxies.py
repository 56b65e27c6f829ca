"""The proxy spoils connections as it says, and leaves them alone otherwise."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from deploy.local.processes import HOST
from tests.chaos.proxies import Link, Manner, advertising

ANSWER = b"0123456789" * 200


@asynccontextmanager
async def served() -> AsyncIterator[int]:
    """A server that gives the same long answer to each line."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readline():
            writer.write(ANSWER)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, HOST, 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def asked(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def test_whole_answers_pass() -> None:
    async with served() as port, Link("x", lambda: port) as link, asked(link.port) as (reader, writer):
        for _ in range(3):
            writer.write(b"\n")
            assert await reader.readexactly(len(ANSWER)) == ANSWER


async def test_refused_cuts_off_and_lets_in_again_at_the_same_port() -> None:
    async with served() as port, Link("x", lambda: port) as link:
        async with asked(link.port) as (reader, _):
            await asyncio.sleep(0.05)
            await link.behave(Manner.REFUSED)
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await reader.readexactly(1)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(HOST, link.port)
        await link.behave(Manner.WHOLE)
        async with asked(link.port) as (reader, writer):
            writer.write(b"\n")
            assert await reader.readexactly(len(ANSWER)) == ANSWER


async def test_what_hangs_stays_open_and_never_answers() -> None:
    async with served() as port, Link("x", lambda: port) as link, asked(link.port) as (reader, writer):
        writer.write(b"\n")
        await reader.readexactly(len(ANSWER))
        await link.behave(Manner.HANGING)
        writer.write(b"\n")
        await asyncio.sleep(0.1)
        await link.behave(Manner.WHOLE)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.readexactly(1), 0.2)
        async with asked(link.port) as (other, asking):
            asking.write(b"\n")
            assert await other.readexactly(len(ANSWER)) == ANSWER


async def test_an_answer_is_cut_in_the_middle() -> None:
    async with served() as port, Link("x", lambda: port) as link:
        await link.behave(Manner.CUT)
        async with asked(link.port) as (reader, writer):
            writer.write(b"\n")
            got = b""
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)) as ended:
                got = await reader.readexactly(len(ANSWER))
            assert got == b""
            if isinstance(ended.value, asyncio.IncompleteReadError):
                assert 0 < len(ended.value.partial) < len(ANSWER)


async def test_an_answer_comes_late() -> None:
    link = Link("x", lambda: port)
    link.late_s = 0.3
    async with served() as port, link, asked(link.port) as (reader, writer):
        await link.behave(Manner.LATE)
        writer.write(b"\n")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.1)
        assert await asyncio.wait_for(reader.readexactly(len(ANSWER)), 2) == ANSWER


def test_a_broker_is_advertised_at_the_link() -> None:
    rewrite = advertising(lambda: 9092, lambda: 19092)
    broker = b"\x00\x00\x00\x01\x00\x09127.0.0.1" + (9092).to_bytes(4, "big")
    assert rewrite(b"head" + broker + b"tail") == b"head" + broker[:-4] + (19092).to_bytes(4, "big") + b"tail"
