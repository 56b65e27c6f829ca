"""A server of PostgreSQL that refuses a connection in the encoding of its own locale."""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.departments.sdk.tables import open_tables
from services.operator.databases import Unreachable, connected
from services.runtime.error_text import describe
from services.runtime.store.database import DatabaseUnreachable, is_unavailable, open_database

HINT = "check user, password and name of the database"
REFUSAL = '用户 "onedoor" Password 认证失败'
SSL_REQUEST = 80877103


async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the start of a session with an error (PostgreSQL, section 54.7)."""
    while True:
        (length,) = struct.unpack(">i", await reader.readexactly(4))
        (code,) = struct.unpack(">i", (await reader.readexactly(length - 4))[:4])
        if code != SSL_REQUEST:
            break
        writer.write(b"N")
    fields = (b"SFATAL", b"VFATAL", b"C28P01", b"M" + REFUSAL.encode("gbk"))
    content = b"".join(field + b"\0" for field in fields) + b"\0"
    writer.write(b"E" + struct.pack(">i", len(content) + 4) + content)
    writer.close()


@pytest.fixture
async def address() -> AsyncIterator[str]:
    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield f"postgresql+asyncpg://onedoor:wrong@127.0.0.1:{port}/exchange"
    server.close()


@pytest.mark.parametrize("opened", [open_database, open_tables])
async def test_a_refusal_that_cannot_be_read_tells_what_to_check(
    address: str, opened: Callable[[str, str, int], AsyncEngine]
) -> None:
    database = opened(address, "test", 1)
    with pytest.raises(DatabaseUnreachable) as refused:
        async with database.connect():
            pass
    assert HINT in describe(refused.value) and is_unavailable(refused.value)
    await database.dispose()


async def test_a_command_tells_what_to_check(address: str) -> None:
    with pytest.raises(Unreachable, match=HINT):
        async with connected(address) as database, database.connect():
            pass
