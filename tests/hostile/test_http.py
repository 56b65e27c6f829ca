"""Endless bodies, slow clients and crowds: refused in time, while others are served as ever."""

import asyncio
import json
import re
from collections.abc import Callable, Iterable

import psutil
import pytest

from services.intake.web.applications import MAX_BODY_BYTES
from services.runtime.http.connection import (
    BODY_S,
    HEAD_S,
    LINGER_S,
    MAX_CONNECTIONS,
    MAX_HEAD_BYTES,
    MAX_LINGER_BYTES,
    MAX_REQUEST_BODY_BYTES,
    READ_S,
)
from tests.hostile.attacked_centre import MIB, TOKEN, neighbour
from tests.hostile.clients import BLOCK, Ended, byte_by_byte, chunked, head, held, plain, stream, unread
from tests.support.centre import Centre

pytestmark = pytest.mark.asyncio(loop_scope="package")

JSON = "Content-Type: application/json"
STAFF = f"Authorization: Bearer {TOKEN}"
LARGE = 1 * MIB
HUGE = 1024 * MIB

SLACK_S = 3.0
"""A deadline is looked at once a second, on a machine that has other things to do."""

MOST_TAKEN = MAX_REQUEST_BODY_BYTES + MAX_LINGER_BYTES + 8 * MIB
"""What a server may have taken of a body it does not want, with what lies in the kernel's buffers."""

COMING_AND_GOING = 10
"""Others come and go while the connections are counted, which takes a while."""

MOST_GROWTH_MIB = 100
"""What an attack may cost intake in memory: 38 for as many connections as it takes, less for all else."""


def port(centre: Centre, service: str = "intake") -> int:
    return int(centre.platform.address(service).rpartition(":")[2])


async def test_a_body_within_the_limit_is_read_and_one_byte_more_is_refused(centre: Centre) -> None:
    for size, status in ((MAX_BODY_BYTES, 400), (MAX_BODY_BYTES + 1, 413)):
        begin = head("POST", "/cases", JSON, "Connection: close", f"Content-Length: {size}")
        ended = await stream(port(centre), begin, [b"x" * size])
        assert ended.status == status, size
        begin = head("POST", "/cases", JSON, "Connection: close", "Transfer-Encoding: chunked")
        ended = await stream(port(centre), begin, [b"%x\r\n%b\r\n0\r\n\r\n" % (size, b"x" * size)])
        assert ended.status == status, size


TARGETS = [
    ("POST", "/cases", (JSON,), (413,)),
    ("POST", "/imports", (JSON, STAFF), (413,)),
    ("POST", "/imports", (JSON,), (401,)),
    ("POST", "/cases", ("Content-Type: text/html",), (415,)),
    ("POST", "/nowhere", (JSON,), (404,)),
    ("GET", "/catalogue", (JSON,), (200,)),
]


@pytest.mark.parametrize(("method", "path", "lines", "expected"), TARGETS)
@pytest.mark.parametrize("body", [plain, chunked])
async def test_endless_bodies_are_refused(
    centre: Centre,
    method: str,
    path: str,
    lines: tuple[str, ...],
    expected: tuple[int, ...],
    body: Callable[[int], Iterable[bytes]],
) -> None:
    framing = "Transfer-Encoding: chunked" if body is chunked else f"Content-Length: {HUGE}"
    async with neighbour(centre) as beside:
        begin = head(method, path, *lines, framing)
        endings = await asyncio.gather(*(stream(port(centre), begin, body(HUGE)) for _ in range(8)))
    for ended in endings:
        # Who is too fast to be heard out finds the connection closed instead of the answer.
        assert ended.closed and ended.status in (*expected, 0), ended
        assert ended.taken_bytes < MOST_TAKEN, ended
        assert ended.seconds < LINGER_S + SLACK_S, ended
    assert beside.grown_mib < MOST_GROWTH_MIB


@pytest.mark.parametrize(("method", "path", "lines", "expected"), TARGETS)
async def test_who_sends_a_megabyte_and_listens_hears_why_it_is_refused(
    centre: Centre, method: str, path: str, lines: tuple[str, ...], expected: tuple[int, ...]
) -> None:
    size = LARGE + len(BLOCK)
    for framing, body in ((f"Content-Length: {size}", plain), ("Transfer-Encoding: chunked", chunked)):
        ended = await stream(port(centre), head(method, path, *lines, framing), body(size), pause_s=0.001)
        assert ended.status in expected and ended.seconds < LINGER_S + SLACK_S, (framing, ended)


async def test_a_body_of_unknown_length_is_none(centre: Centre) -> None:
    """Without a length a request has no body (RFC 9112, section 6.3); what follows is no request."""
    ended = await stream(port(centre), head("POST", "/cases", JSON), plain(LARGE))
    assert ended.closed and ended.status in (0, 400)
    assert ended.taken_bytes < MOST_TAKEN


@pytest.mark.parametrize(
    "endless",
    [b"X-Endless: " + BLOCK, b"GET /" + BLOCK, b"X-One: more\r\n" * 200, b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 101],
)
async def test_a_head_has_a_size(centre: Centre, endless: bytes) -> None:
    begin = b"" if endless.startswith(b"GET") else b"GET /catalogue HTTP/1.1\r\nHost: localhost\r\n"
    ended = await stream(port(centre), begin, (part for _ in range(64) for part in (endless,)))
    assert ended.closed and ended.status in (431, 400, 0), ended
    assert ended.seconds < LINGER_S + SLACK_S
    assert ended.taken_bytes < MOST_TAKEN


async def test_a_head_within_the_size_is_read(centre: Centre) -> None:
    line = "X-Large: " + "x" * (MAX_HEAD_BYTES - 1024)
    ended = await stream(port(centre), head("GET", "/catalogue", line, "Connection: close"), [])
    assert ended.status == 200


async def test_what_comes_behind_the_body_is_no_header(centre: Centre) -> None:
    """A proxy looks at the head alone, so nothing else may decide who somebody is (RFC 9110, section 6.5.1)."""
    begin = head("POST", "/imports", JSON, "Connection: close", "Transfer-Encoding: chunked")
    ended = await stream(port(centre), begin + b"2\r\n[]\r\n0\r\n" + STAFF.encode() + b"\r\n\r\n", [])
    assert ended.status == 401


async def test_questions_in_a_row_are_answered_in_their_order(centre: Centre) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port(centre))
    writer.write(head("GET", "/catalogue") + head("GET", "/nowhere") + head("GET", "/health/live", "Connection: close"))
    async with asyncio.timeout(10):
        said = await reader.read()
    writer.close()
    assert re.findall(rb"HTTP/1.1 (\d+)", said) == [b"200", b"404", b"200"]


async def test_a_request_cut_short_does_not_spoil_the_one_before(centre: Centre) -> None:
    """What was asked first is answered; what then is no HTTP ends the connection and is not taken for an answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port(centre))
    writer.write(head("GET", "/health/live"))
    async with asyncio.timeout(10):
        first = await reader.readuntil(b"}")
        writer.write(b"NOT HTTP AT ALL\r\n\r\n")
        rest = await reader.read()
    writer.close()
    assert first.startswith(b"HTTP/1.1 200") and rest.startswith(b"HTTP/1.1 400")


@pytest.mark.timeout(90)
async def test_slow_clients_are_given_up_and_hold_up_nobody(centre: Centre) -> None:
    """Hundreds of each kind at once: heads and bodies byte by byte, silence, blank lines; and some who never read."""
    application = json.dumps({"bundle": "start-business"}).encode() * 100
    begin = head("POST", "/cases", JSON, f"Content-Length: {len(application)}")
    slow_head = head("GET", "/catalogue", *(f"X-{number}: slow" for number in range(90)))
    kinds: dict[str, tuple[Callable[[], Iterable[bytes]], bytes, float, tuple[int, ...]]] = {
        "head": (lambda: byte_by_byte(slow_head), b"", HEAD_S, (408,)),
        "body": (lambda: byte_by_byte(application), begin, BODY_S, (408,)),
        "silence": (list, b"", HEAD_S, (0,)),
        "lines": (lambda: byte_by_byte(b"\r\n" * 500), b"", HEAD_S, (0, 408)),
        "half": (list, begin + application[:100], BODY_S, (408,)),
    }
    async with neighbour(centre) as beside, asyncio.TaskGroup() as group:
        tasks = {
            kind: [
                group.create_task(stream(port(centre), started, parts(), pause_s=0.2, patience_s=60))
                for _ in range(200)
            ]
            for kind, (parts, started, _, _) in kinds.items()
        }
        # A few questions at a time, and so many that to keep them all would cost more than their answers.
        lots = [head("GET", "/catalogue") * number for number in (10, 10_000)]
        deaf = [group.create_task(unread(port(centre), questions)) for questions in lots * 10]
    for kind, (_, _, deadline_s, statuses) in kinds.items():
        endings: list[Ended] = [task.result() for task in tasks[kind]]
        assert all(ended.closed for ended in endings), kind
        assert {ended.status for ended in endings} <= set(statuses), kind
        assert all(deadline_s - 1 <= ended.seconds <= deadline_s + SLACK_S for ended in endings), kind
    assert max(task.result() for task in deaf) < READ_S + SLACK_S
    assert beside.waited_s < 1
    assert beside.grown_mib < MOST_GROWTH_MIB


async def test_ten_thousand_connections_keep_nobody_out(centre: Centre) -> None:
    intake = psutil.Process(centre.platform.processes["intake"].pid)
    async with neighbour(centre) as beside, held(port(centre), 10_000):
        await asyncio.sleep(2)
        sockets = await asyncio.to_thread(intake.net_connections, "tcp")
        taken = [one for one in sockets if one.laddr.port == port(centre) and one.status == psutil.CONN_ESTABLISHED]
        assert MAX_CONNECTIONS // 2 < len(taken) <= MAX_CONNECTIONS + COMING_AND_GOING
        assert len(beside.latencies_s) > 10
    assert beside.waited_s < 1
    assert beside.grown_mib < MOST_GROWTH_MIB


async def test_a_client_that_leaves_in_the_middle_leaves_no_trace_in_the_log(centre: Centre) -> None:
    log = centre.platform.folder / "logs" / "intake.log"
    size = log.stat().st_size
    for _ in range(20):
        _, writer = await asyncio.open_connection("127.0.0.1", port(centre))
        writer.write(head("POST", "/cases", JSON, "Content-Length: 1000") + b"{")
        await writer.drain()
        await asyncio.sleep(0.02)
        writer.transport.abort()
    await asyncio.sleep(0.5)
    with log.open("rb") as lines:
        lines.seek(size)
        assert b"Traceback" not in lines.read()
