"""Endless bodies, slow clients and many connections: refused in time, while other clients are served as usual."""

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable

import psutil
import pytest

from services.intake.web.applications import MAX_BODY_BYTES
from services.runtime.http.connections.connection import (
    LINGER_S,
    MAX_CONNECTIONS,
    MAX_HEAD_BYTES,
    MAX_LINGER_BYTES,
    MAX_REQUEST_BODY_BYTES,
)
from tests.hostile.attacked_centre import HEAD_S, MIB, TRACKING_A_MINUTE, TRANSFER_S, regular_applicant
from tests.hostile.clients import (
    BLOCK,
    ConnectionEnd,
    byte_by_byte,
    chunked_body,
    head,
    idle_connections,
    never_reads,
    pipelined,
    plain_body,
    stream,
)
from tests.support.centre import Centre
from tests.support.staff import TOKEN
from tests.support.waiting import eventually

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.alone]

JSON = "Content-Type: application/json"
STAFF = f"Authorization: Bearer {TOKEN}"
LARGE = 1 * MIB
HUGE = 1024 * MIB

SLACK_S = 3.0
"""The server checks deadlines once a second, and the machine has other work."""

MOST_TAKEN = MAX_REQUEST_BODY_BYTES + MAX_LINGER_BYTES + 8 * MIB
"""Bytes of an unwanted body that a server may accept, with the buffers of the kernel."""

COMING_AND_GOING = 10
"""Other connections open and close while these are counted."""

MOST_GROWTH_MIB = 100
"""Memory that an attack may cost intake: 38 MiB for as many connections as it accepts, less for the rest."""


def port(centre: Centre, service: str = "intake") -> int:
    return int(centre.platform.address(service).rpartition(":")[2])


async def test_a_body_within_the_limit_is_read_and_one_byte_more_is_refused(centre: Centre) -> None:
    for size, status in ((MAX_BODY_BYTES, 400), (MAX_BODY_BYTES + 1, 413)):
        begin = head("POST", "/api/intake/cases", JSON, "Connection: close", f"Content-Length: {size}")
        ended = await stream(port(centre), begin, [b"x" * size])
        assert ended.status == status, size
        begin = head("POST", "/api/intake/cases", JSON, "Connection: close", "Transfer-Encoding: chunked")
        ended = await stream(port(centre), begin, [b"%x\r\n%b\r\n0\r\n\r\n" % (size, b"x" * size)])
        assert ended.status == status, size


TARGETS = [
    ("POST", "/api/intake/cases", (JSON,), (413,)),
    ("POST", "/api/intake/imports", (JSON, STAFF), (413,)),
    ("POST", "/api/intake/imports", (JSON,), (401,)),
    ("POST", "/api/intake/cases", ("Content-Type: text/html",), (415,)),
    ("POST", "/nowhere", (JSON,), (404,)),
    ("GET", "/api/intake/catalogue", (JSON,), (200,)),
]


@pytest.mark.parametrize(("method", "path", "lines", "expected"), TARGETS)
@pytest.mark.parametrize("body", [plain_body, chunked_body])
async def test_endless_bodies_are_refused(
    centre: Centre,
    method: str,
    path: str,
    lines: tuple[str, ...],
    expected: tuple[int, ...],
    body: Callable[[int], Iterable[bytes]],
) -> None:
    framing = "Transfer-Encoding: chunked" if body is chunked_body else f"Content-Length: {HUGE}"
    async with regular_applicant(centre) as bystander:
        begin = head(method, path, *lines, framing)
        endings = await asyncio.gather(*(stream(port(centre), begin, body(HUGE)) for _ in range(8)))
    for ended in endings:
        # A client that is still sending may find the connection closed instead of the answer.
        assert ended.closed and ended.status in (*expected, 0), ended
        assert ended.accepted_bytes < MOST_TAKEN, ended
        assert ended.seconds < LINGER_S + SLACK_S, ended
    assert bystander.growth_mib < MOST_GROWTH_MIB


@pytest.mark.parametrize(("method", "path", "lines", "expected"), TARGETS)
async def test_a_client_that_reads_receives_the_refusal_of_a_megabyte(
    centre: Centre, method: str, path: str, lines: tuple[str, ...], expected: tuple[int, ...]
) -> None:
    size = LARGE + len(BLOCK)
    for framing, body in ((f"Content-Length: {size}", plain_body), ("Transfer-Encoding: chunked", chunked_body)):
        ended = await stream(port(centre), head(method, path, *lines, framing), body(size), pause_s=0.001)
        assert ended.status in expected and ended.seconds < LINGER_S + SLACK_S, (framing, ended)


async def test_a_body_without_a_length_is_not_read(centre: Centre) -> None:
    """Without a length a request has no body (RFC 9112, section 6.3), so the bytes that follow are no request."""
    ended = await stream(port(centre), head("POST", "/api/intake/cases", JSON), plain_body(LARGE))
    assert ended.closed and ended.status in (0, 400)
    assert ended.accepted_bytes < MOST_TAKEN


@pytest.mark.parametrize(
    "endless",
    [b"X-Endless: " + BLOCK, b"GET /" + BLOCK, b"X-One: more\r\n" * 200, b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 101],
)
async def test_a_head_has_a_limit(centre: Centre, endless: bytes) -> None:
    begin = b"" if endless.startswith(b"GET") else b"GET /api/intake/catalogue HTTP/1.1\r\nHost: localhost\r\n"
    ended = await stream(port(centre), begin, (part for _ in range(64) for part in (endless,)))
    assert ended.closed and ended.status in (431, 400, 0), ended
    assert ended.seconds < LINGER_S + SLACK_S
    assert ended.accepted_bytes < MOST_TAKEN


async def test_a_head_within_the_limit_is_read(centre: Centre) -> None:
    line = "X-Large: " + "x" * (MAX_HEAD_BYTES - 1024)
    ended = await stream(port(centre), head("GET", "/api/intake/catalogue", line, "Connection: close"), [])
    assert ended.status == 200


async def test_trailers_are_not_headers(centre: Centre) -> None:
    """A proxy checks the head alone, so trailers must not authenticate (RFC 9110, section 6.5.1)."""
    begin = head("POST", "/api/intake/imports", JSON, "Connection: close", "Transfer-Encoding: chunked")
    ended = await stream(port(centre), begin + b"2\r\n[]\r\n0\r\n" + STAFF.encode() + b"\r\n\r\n", [])
    assert ended.status == 401


async def test_pipelined_requests_are_answered_in_order(centre: Centre) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port(centre))
    writer.write(
        head("GET", "/api/intake/catalogue") + head("GET", "/nowhere") + head("GET", "/health", "Connection: close")
    )
    async with asyncio.timeout(10):
        answers = await reader.read()
    writer.close()
    assert re.findall(rb"HTTP/1.1 (\d+)", answers) == [b"200", b"404", b"200"]


async def test_an_invalid_request_does_not_affect_the_one_before(centre: Centre) -> None:
    """The first request is answered; the invalid one has an answer of its own, which ends the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port(centre))
    writer.write(head("GET", "/health"))
    async with asyncio.timeout(10):
        first = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"NOT HTTP AT ALL\r\n\r\n")
        rest = await reader.read()
    writer.close()
    assert first.startswith(b"HTTP/1.1 200") and rest.startswith(b"HTTP/1.1 400")


@pytest.mark.timeout(90)
async def test_slow_clients_are_disconnected_and_delay_nobody(centre: Centre) -> None:
    """Hundreds of each kind at once: heads and bodies byte by byte, silence, blank lines, answers not read."""
    application = json.dumps({"bundle": "start-business"}).encode() * 100
    begin = head("POST", "/api/intake/cases", JSON, f"Content-Length: {len(application)}")
    slow_head = head("GET", "/api/intake/catalogue", *(f"X-{number}: slow" for number in range(90)))
    kinds: dict[str, tuple[Callable[[], Iterable[bytes]], bytes, float, tuple[int, ...]]] = {
        "head": (lambda: byte_by_byte(slow_head), b"", HEAD_S, (408,)),
        "body": (lambda: byte_by_byte(application), begin, TRANSFER_S, (408,)),
        "silence": (list, b"", HEAD_S, (0,)),
        "lines": (lambda: byte_by_byte(b"\r\n" * 500), b"", HEAD_S, (0, 408)),
        "half": (list, begin + application[:100], TRANSFER_S, (408,)),
    }
    async with regular_applicant(centre) as bystander, asyncio.TaskGroup() as group:
        tasks = {
            kind: [
                group.create_task(stream(port(centre), started, parts(), pause_s=0.2, timeout_s=60)) for _ in range(200)
            ]
            for kind, (parts, started, _, _) in kinds.items()
        }
        # A few requests at a time, and so many that storing them would cost more than answering them.
        pipelines = [head("GET", "/api/intake/catalogue") * number for number in (10, 10_000)]
        never_reading = [group.create_task(never_reads(port(centre), pipelined)) for pipelined in pipelines * 10]
    for kind, (_, _, deadline_s, statuses) in kinds.items():
        endings: list[ConnectionEnd] = [task.result() for task in tasks[kind]]
        assert all(ended.closed for ended in endings), kind
        assert {ended.status for ended in endings} <= set(statuses), kind
        assert all(deadline_s - 1 <= ended.seconds <= deadline_s + SLACK_S for ended in endings), kind
    # Their time to read begins once their answers fill the buffers, so they wait for the answers too.
    assert max(task.result() for task in never_reading) < TRANSFER_S + SLACK_S + bystander.longest_s
    assert bystander.latency_p95_s < 1
    assert bystander.growth_mib < MOST_GROWTH_MIB


async def test_a_flood_of_guesses_from_one_client_is_refused_and_slows_nobody(centre: Centre) -> None:
    guess = head("GET", "/api/intake/cases/K7Q2-9MXF-4TBA-3", "Case-Secret: x", "X-Forwarded-For: 192.0.2.7")
    began = time.monotonic()
    async with regular_applicant(centre) as bystander:
        answers = await asyncio.gather(*(pipelined(port(centre), guess, 1000) for _ in range(10)))
        examined_until = time.monotonic()
        for _ in range(10):
            assert (await centre.show("K7Q2-9MXF-4TBA-3", "x")).status_code == 404, "another client is served"
    statuses = sum(answers, Counter[int]())
    assert statuses.keys() == {404, 429}
    allowed_later = (examined_until - began) * TRACKING_A_MINUTE / 60
    assert TRACKING_A_MINUTE <= statuses[404] <= TRACKING_A_MINUTE + allowed_later + 1
    assert bystander.latency_p95_s < 1
    assert bystander.growth_mib < MOST_GROWTH_MIB
    metrics = (await centre.client.get(f"{centre.platform.operator_address('intake')}/metrics")).text
    counted = re.search(r'^onedoor_http_limited_total\{limit="tracking"\} (\S+)', metrics, re.MULTILINE)
    assert counted and float(counted[1]) >= statuses[429]


async def test_ten_thousand_idle_connections_exclude_nobody(centre: Centre) -> None:
    intake = psutil.Process(centre.platform.processes["intake"].pid)
    async with regular_applicant(centre) as bystander, idle_connections(port(centre), 10_000):

        async def settled() -> bool:
            sockets = await asyncio.to_thread(intake.net_connections, "tcp")
            taken = [one for one in sockets if one.laddr.port == port(centre) and one.status == psutil.CONN_ESTABLISHED]
            bounded = MAX_CONNECTIONS // 2 < len(taken) <= MAX_CONNECTIONS + COMING_AND_GOING
            return bounded and len(bystander.latencies_s) > 10

        await eventually(settled, 15, "the server keeps as many connections as it may, and applications are accepted")
    assert bystander.latency_p95_s < 1
    assert bystander.growth_mib < MOST_GROWTH_MIB


async def test_a_client_that_leaves_in_the_middle_causes_no_error_in_the_log(centre: Centre) -> None:
    log = centre.platform.folder / "logs" / "intake.log"
    size = log.stat().st_size
    for _ in range(20):
        reader, writer = await asyncio.open_connection("127.0.0.1", port(centre))
        begun = head("POST", "/api/intake/cases", JSON, "Content-Length: 1000") + b"{"
        writer.write(head("GET", "/health") + begun)
        await reader.readuntil(b"\r\n\r\n")  # the server has received all of it, and begins the second request
        writer.transport.abort()
    last = await stream(port(centre), head("GET", "/health", "Connection: close"), [])
    assert last.status == 200
    with log.open("rb") as lines:
        lines.seek(size)
        assert b"Traceback" not in lines.read()
