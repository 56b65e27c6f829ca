"""The latency that the platform adds to a case, from the sending of the application to its decision at intake.

At a fifth of full load, applications arrive at random moments (an open loop: no client waits for another's answer).
Begin and end are read from the clock of one machine: by the client at the sending, and by PostgreSQL at the last commit
to intake's row, which brings the decision or, if they arrive later, monitor's deadlines. So the measurement needs no
request to the platform.

The sandboxes receive tasks at once and decide at once. Their own time is included, so the figures are an upper bound of
the latency that the platform adds.
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from deploy.local.engines.postgres import Postgres
from deploy.local.platform import Platform
from services.registry import default_systems
from tests.benchmarks import measured_platform, resources
from tests.benchmarks.figures import Figure, figure, quantile
from tests.benchmarks.http_load import build_requests, post_all

SYSTEMS = default_systems()

FULL_LOAD = 400.0
SHARE = 1 / 5
SECONDS = 60.0
WARM = 1000
WARM_S = 5.0
TARGET_MS = 80.0
SEED = 5

SHARES = (0.5, 0.95, 0.99)


@dataclass(slots=True)
class SentApplication:
    """One application: the machine times of its sending and of its answer."""

    at: float
    answered: float
    number: str


class Client:
    """Sends applications at given moments, each over a free connection."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._free: deque[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = deque()
        """Used in turn, so that the server closes none as idle."""

    async def prepare(self, connections: int) -> None:
        """Open connections beforehand."""
        self._free.extend([await asyncio.open_connection("127.0.0.1", self._port) for _ in range(connections)])

    async def send(self, request: bytes) -> SentApplication:
        """Raises `RuntimeError` on any answer but 201."""
        reader, writer = self._free.popleft() if self._free else await asyncio.open_connection("127.0.0.1", self._port)
        at = time.time()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 201"):
            raise RuntimeError(f"intake answered {head[:200]!r}")
        body = await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
        answered = time.time()
        self._free.append((reader, writer))
        return SentApplication(at, answered, body.split(b'"number":"')[1].split(b'"')[0].decode())

    def close(self) -> None:
        for _, writer in self._free:
            writer.close()


def arrival_times(rate: float, seconds: float, seed: int = SEED) -> list[float]:
    """Random moments, so many a second on average, from 0 to ``seconds`` (a Poisson process)."""
    random = Random(seed)
    found: list[float] = []
    at = random.expovariate(rate)
    while at < seconds:
        found.append(at)
        at += random.expovariate(rate)
    return found


async def _open_loop(client: Client, made: Sequence[bytes], rate: float, seconds: float) -> list[SentApplication]:
    loop = asyncio.get_running_loop()
    began = loop.time()
    sending = []
    for at, request in zip(arrival_times(rate, seconds), made, strict=False):
        await asyncio.sleep(max(0.0, began + at - loop.time()))
        sending.append(asyncio.create_task(client.send(request)))
    return list(await asyncio.gather(*sending))


_PUBLISHED_AT = """
    SELECT case_id, extract(epoch FROM max(pg_xact_commit_timestamp(xmin)))::float8 FROM outbox
    WHERE event::jsonb ->> 'type' = $1 GROUP BY 1
"""
_CLOSED_AT = (
    "SELECT case_id, extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8 FROM cases WHERE closed_at IS NOT NULL"
)

ACCEPTED = "accepted: sent, checked, committed at intake"
REQUESTED = "requested: received by routing, requests committed"
ANSWERED = "answered: by the last of the departments, its answer committed"
DECIDED = "decided: joined by routing, committed"
RECEIVED = "received: decision committed at intake"
HOPS = (ACCEPTED, REQUESTED, ANSWERED, DECIDED, RECEIVED)


async def _commits(server: Postgres) -> tuple[dict[str, dict[str, float]], dict[str, dict[str, float]]]:
    """Commit times of each hop and of each department's answer: epoch seconds by case."""

    async def read(service: str, query: str, *arguments: str) -> dict[str, float]:
        connection = await server.connect(f"onedoor_{service}")
        try:
            return dict(await connection.fetch(query, *arguments))
        finally:
            await connection.close()

    answers = {system: await read(system, _PUBLISHED_AT, "onedoor.task.done.v1") for system in SYSTEMS}
    hops = {
        ACCEPTED: await read("intake", _PUBLISHED_AT, "onedoor.case.accepted.v1"),
        REQUESTED: await read("routing", _PUBLISHED_AT, "onedoor.task.requested.v1"),
        DECIDED: await read("routing", _PUBLISHED_AT, "onedoor.case.decided.v1"),
        RECEIVED: await read("intake", _CLOSED_AT),
    }
    hops[ANSWERED] = {case: max(answers[system][case] for system in SYSTEMS) for case in hops[DECIDED]}
    return hops, answers


async def measure(full_load: float = FULL_LOAD, seconds: float = SECONDS) -> list[Figure]:
    """Latency at a fifth of the full load given, in milliseconds."""
    rate = full_load * SHARE
    with measured_platform.folder("latency") as path:
        await measured_platform.configure_server(path, {"track_commit_timestamp": "on"})
        async with Platform(path, measured_platform.options(), print) as platform:
            server = platform.engines.postgres
            async with measured_platform.ClosedCases(server) as closed:
                port = measured_platform.intake_port(platform)
                wanted = len(arrival_times(rate, WARM_S)) + len(arrival_times(rate, seconds))
                made = build_requests(WARM + wanted)
                await post_all(port, made[:WARM])
                await closed.wait(WARM)
                client = Client(port)
                await client.prepare(16)
                warm = await _open_loop(client, made[WARM:], rate, WARM_S)
                others = resources.OtherPrograms()
                sent = await _open_loop(client, made[WARM + len(warm) :], rate, seconds)
                taken = others.share()
                client.close()
                await closed.wait(WARM + len(warm) + len(sent))
            hops, answers = await _commits(server)
    print(f"{100 * taken:.0f}% of the processors were taken by others meanwhile")
    return [
        *_figures(rate, sent, hops, answers),
        figure("share of the processors that others took while latency was measured", taken, "1"),
    ]


def _figures(
    rate: float,
    sent: Sequence[SentApplication],
    hops: dict[str, dict[str, float]],
    answers: dict[str, dict[str, float]],
) -> list[Figure]:
    taken: dict[str, list[float]] = {name: [] for name in ("end to end", "answer to the applicant", *HOPS, *answers)}
    for one in sent:
        at = one.at
        for hop in HOPS:
            taken[hop].append(1000 * (hops[hop][one.number] - at))
            at = hops[hop][one.number]
        taken["end to end"].append(1000 * (hops[RECEIVED][one.number] - one.at))
        taken["answer to the applicant"].append(1000 * (one.answered - one.at))
        for system, done in answers.items():
            taken[system].append(1000 * (done[one.number] - hops[REQUESTED][one.number]))
    print(f"{len(sent)} cases at {rate:.0f} a second; milliseconds")
    print(f"{'':66} {'p50':>7} {'p95':>7} {'p99':>7} {'most':>7}")
    for name, values in taken.items():
        label = f"  of these, {name} alone" if name in answers else name
        print(f"{label:66} " + " ".join(f"{quantile(values, share):7.1f}" for share in (*SHARES, 1.0)))
    whole = taken["end to end"]
    return [
        figure("latency p50 at a fifth of full load", quantile(whole, 0.5), "ms"),
        figure("latency p95 at a fifth of full load", quantile(whole, 0.95), "ms"),
        figure("latency p99 at a fifth of full load", quantile(whole, 0.99), "ms", TARGET_MS, at_most=True),
        figure("latency p99 of the answer to the applicant", quantile(taken["answer to the applicant"], 0.99), "ms"),
        *(figure(f"latency p99, {hop.split(':')[0]}", quantile(taken[hop], 0.99), "ms") for hop in HOPS),
        figure("cases a second while latency was measured", rate, "cases/s"),
    ]
