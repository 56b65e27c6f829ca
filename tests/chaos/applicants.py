"""A steady load of applications by HTTP, as careful programs hand them in: again, with the same key, until answered."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

import httpx2

from deploy.local.processes import until
from onedoor.applicants import person

MATTER = "three-departments"
REGION = "450103"

MOST_WAITING = 300
"""Applicants without an answer; while there are so many, nobody new comes."""

ANSWER_S = 10.0
"""Seconds that an applicant waits for an answer before asking again."""

AGAIN_S = 1.0
COME_AGAIN = (httpx2.codes.TOO_MANY_REQUESTS, httpx2.codes.SERVICE_UNAVAILABLE)


@dataclass(frozen=True, slots=True)
class Try:
    """One request: when it was answered (machine time), with what status (0: not at all), after how many seconds."""

    at: float
    status: int
    took_s: float


@dataclass
class Applicants:
    """Hands in ``rate`` applications a second, by turns at each of the ``doors``, unless paused.

    ``wrong`` holds answers that nobody should get.
    """

    doors: Callable[[], Sequence[str]]
    rate: float
    seed: int
    accepted: list[tuple[float, str]] = field(default_factory=list)
    """Each case with a receipt: machine time and number, in order."""
    tries: list[Try] = field(default_factory=list)
    wrong: Counter[str] = field(default_factory=Counter)
    paused: bool = True
    waiting: int = 0

    async def run(self) -> None:
        """Apply until cancelled."""
        limits = httpx2.Limits(max_connections=200, max_keepalive_connections=200)
        random = Random(self.seed)
        client = httpx2.AsyncClient(timeout=ANSWER_S, limits=limits, trust_env=False)
        async with client, asyncio.TaskGroup() as group:
            number, due = 0, time.monotonic()
            while True:
                due = max(due + 1 / self.rate, time.monotonic() - 0.5)
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                if self.paused or self.waiting >= MOST_WAITING:
                    continue
                self.waiting += 1
                group.create_task(self._apply(client, f"chaos-{self.seed}-{number}", _body(random), number))
                number += 1

    async def all_answered(self, seconds: float) -> bool:
        """Whether nobody waits for an answer any more, within so many seconds."""

        async def nobody_waits() -> bool:
            return not self.waiting

        return await until(nobody_waits, seconds)

    async def _apply(self, client: httpx2.AsyncClient, key: str, body: bytes, turn: int) -> None:
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        try:
            while True:
                doors = self.doors()
                turn += 1
                began = time.monotonic()
                status = 0
                # The latter where the other side goes between the connection and the first look at it.
                with suppress(httpx2.TransportError, AttributeError):
                    door = doors[turn % len(doors)] if doors else "http://127.0.0.1:9"
                    answer = await client.post(f"{door}/cases", content=body, headers=headers)
                    status = answer.status_code
                now = time.monotonic()
                self.tries.append(Try(now, status, now - began))
                if status == httpx2.codes.CREATED:
                    self.accepted.append((now, answer.json()["number"]))
                    return
                if status and status not in COME_AGAIN:
                    self.wrong[f"{status} {answer.text[:200]}"] += 1
                await asyncio.sleep(AGAIN_S if status else AGAIN_S / 4)
        finally:
            self.waiting -= 1


def _body(random: Random) -> bytes:
    application = {
        "bundle": MATTER,
        "region": REGION,
        "channel": "web",
        "applicant": person(random, REGION),
        "materials": ["identity"],
    }
    return json.dumps(application).encode()
