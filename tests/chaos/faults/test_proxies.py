"""The proxy treats connections according to its mode."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from deploy.local.site import HOST
from tests.chaos.faults.proxies import Proxy, ProxyMode, advertise_proxy
from tests.support.waiting import eventually

ANSWER = b"0123456789" * 200


@asynccontextmanager
async def answering_server() -> AsyncIterator[int]:
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
async def connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def test_normal_mode_forwards_whole_answers() -> None:
    async with answering_server() as port, Proxy("x", lambda: port) as proxy, connected(proxy.port) as (reader, writer):
        for _ in range(3):
            writer.write(b"\n")
            assert await reader.readexactly(len(ANSWER)) == ANSWER


async def test_refused_mode_aborts_connections_and_normal_mode_accepts_at_the_same_port() -> None:
    async with answering_server() as port, Proxy("x", lambda: port) as proxy:
        async with connected(proxy.port) as (reader, _):

            async def accepted() -> bool:
                return proxy.connections == 1

            await eventually(accepted)
            await proxy.set_mode(ProxyMode.REFUSED)
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await reader.readexactly(1)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(HOST, proxy.port)
        await proxy.set_mode(ProxyMode.NORMAL)
        async with connected(proxy.port) as (reader, writer):
            writer.write(b"\n")
            assert await reader.readexactly(len(ANSWER)) == ANSWER


async def test_a_hanging_connection_stays_open_and_never_answers() -> None:
    async with answering_server() as port, Proxy("x", lambda: port) as proxy, connected(proxy.port) as (reader, writer):
        writer.write(b"\n")
        await reader.readexactly(len(ANSWER))
        await proxy.set_mode(ProxyMode.HANGING)
        writer.write(b"\n")

        async def dropped() -> bool:
            return proxy.dropped_bytes == 1

        await eventually(dropped)
        await proxy.set_mode(ProxyMode.NORMAL)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.readexactly(1), 0.2)
        async with connected(proxy.port) as (other, other_writer):
            other_writer.write(b"\n")
            assert await other.readexactly(len(ANSWER)) == ANSWER


async def test_cut_mode_ends_connections_in_the_middle_of_an_answer() -> None:
    async with answering_server() as port, Proxy("x", lambda: port) as proxy:
        await proxy.set_mode(ProxyMode.CUT)
        async with connected(proxy.port) as (reader, writer):
            writer.write(b"\n")
            received = b""
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)) as ended:
                received = await reader.readexactly(len(ANSWER))
            assert received == b""
            if isinstance(ended.value, asyncio.IncompleteReadError):
                assert 0 < len(ended.value.partial) < len(ANSWER)


async def test_delayed_mode_delays_answers() -> None:
    proxy = Proxy("x", lambda: port)
    proxy.delay_s = 0.3
    async with answering_server() as port, proxy, connected(proxy.port) as (reader, writer):
        await proxy.set_mode(ProxyMode.DELAYED)
        writer.write(b"\n")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.1)
        assert await asyncio.wait_for(reader.readexactly(len(ANSWER)), 2) == ANSWER


def test_a_broker_is_advertised_at_the_proxy() -> None:
    rewrite = advertise_proxy(lambda: 9092, lambda: 19092)
    broker = b"\x00\x00\x00\x01\x00\x09127.0.0.1" + (9092).to_bytes(4, "big")
    assert rewrite(b"head" + broker + b"tail") == b"head" + broker[:-4] + (19092).to_bytes(4, "big") + b"tail"
