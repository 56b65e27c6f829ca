"""A steady load of applications by HTTP. Each is retried with the same Idempotency-Key until it is accepted."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

import httpx2

from deploy.local.processes.child import until
from tests.support.cases.simulated_case import application

MAX_WAITING = 300
"""Applicants without an answer at one time. While there are so many, no new application is sent."""

ANSWER_TIMEOUT_S = 10.0
"""Seconds that an applicant waits for an answer before the next attempt."""

RETRY_S = 1.0
RETRY_STATUSES = (httpx2.codes.TOO_MANY_REQUESTS, httpx2.codes.SERVICE_UNAVAILABLE)
UNUSED_ADDRESS = "http://127.0.0.1:9"
"""Refuses every connection: used while no intake process runs."""


@dataclass(frozen=True, slots=True)
class RequestOutcome:
    """One request: the machine time at its end, the HTTP status (0 without an answer), its duration in seconds."""

    at: float
    status: int
    took_s: float


@dataclass
class Applicants:
    """Sends ``rate`` applications a second to the ``intake_addresses`` in turn, unless paused."""

    intake_addresses: Callable[[], Sequence[str]]
    rate: float
    seed: int
    accepted: list[tuple[float, str]] = field(default_factory=list)
    """Machine time and number of each accepted case, in order."""
    requests: list[RequestOutcome] = field(default_factory=list)
    unexpected: Counter[str] = field(default_factory=Counter)
    """Answers that are neither an acceptance nor a request to retry."""
    paused: bool = True
    waiting: int = 0
    """Applicants without an answer."""

    async def run(self) -> None:
        """Send applications until cancelled."""
        limits = httpx2.Limits(max_connections=200, max_keepalive_connections=200)
        random = Random(self.seed)
        client = httpx2.AsyncClient(timeout=ANSWER_TIMEOUT_S, limits=limits, trust_env=False)
        async with client, asyncio.TaskGroup() as group:
            number, due = 0, time.monotonic()
            while True:
                due = max(due + 1 / self.rate, time.monotonic() - 0.5)
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                if self.paused or self.waiting >= MAX_WAITING:
                    continue
                self.waiting += 1
                group.create_task(self._apply(client, f"chaos-{self.seed}-{number}", application(random), number))
                number += 1

    async def all_answered(self, seconds: float) -> bool:
        """Wait until every applicant has an answer; False if some have none after so many seconds."""

        async def none_waiting() -> bool:
            return not self.waiting

        return await until(none_waiting, seconds)

    async def _apply(self, client: httpx2.AsyncClient, key: str, body: bytes, attempt: int) -> None:
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        try:
            while True:
                addresses = self.intake_addresses() or [UNUSED_ADDRESS]
                attempt += 1
                began = time.monotonic()
                status = 0
                # httpx2 raises AttributeError if the server closes a new connection before its first use.
                with suppress(httpx2.TransportError, AttributeError):
                    address = addresses[attempt % len(addresses)]
                    answer = await client.post(f"{address}/api/intake/cases", content=body, headers=headers)
                    status = answer.status_code
                now = time.monotonic()
                self.requests.append(RequestOutcome(now, status, now - began))
                if status == httpx2.codes.CREATED:
                    self.accepted.append((now, answer.json()["number"]))
                    return
                if status and status not in RETRY_STATUSES:
                    self.unexpected[f"{status} {answer.text[:200]}"] += 1
                await asyncio.sleep(RETRY_S if status else RETRY_S / 4)
        finally:
            self.waiting -= 1
