"""An access token that many requests share, and that is renewed before it expires (RFC 6749)."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

LEEWAY_SHARE = 0.1
"""The share of its life before its end from which a token is renewed."""

FLOOR_S = 1.0
"""The least time between two fetches, in machine seconds. Only a token that is refused is replaced at once."""


@dataclass(frozen=True, slots=True)
class Granted:
    """A token as the server grants it. ``life_s``: the seconds for which it is valid."""

    token: str
    life_s: float = math.inf


class SharedToken:
    """The token of one client. There is one ``fetch`` at a time, and all requests that need it wait for the same.

    A server may hand out the same token again with its remaining life. So the leeway is a share of that life: the
    server is asked a few times before the end, and not once a request.
    """

    def __init__(self, fetch: Callable[[], Awaitable[Granted]], now: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._now = now
        self._granted: Granted | None = None
        self._granted_at = -math.inf
        """When the present token was requested: its life has begun at the latest after that."""
        self._tried_at = -math.inf
        """When the last fetch began."""
        self._after_refusal = False
        """Whether the last fetch replaced a token that was refused."""
        self._fetching: asyncio.Task[Granted] | None = None

    async def get(self, refused: Granted | None = None) -> Granted:
        """The token to use. ``refused``: the one that the server has just refused, which is replaced.

        The present token stays in use while it is renewed, or if it was fetched a moment ago although it has expired
        or is refused again. Raises what ``fetch`` raises when there is no token to use.
        """
        now, present = self._now(), self._granted
        if present is None:
            return await self._fetched()
        rests = self._fetching is None and now < self._tried_at + FLOOR_S
        if refused is not None and present.token == refused.token:
            return present if rests and self._after_refusal else await self._fetched(after_refusal=True)
        if now >= self._granted_at + present.life_s:
            return present if rests else await self._fetched()
        if now >= self._granted_at + (1 - LEEWAY_SHARE) * present.life_s and not rests:
            self._start(after_refusal=False)
        return present

    async def close(self) -> None:
        """End a fetch under way."""
        if self._fetching is not None:
            self._fetching.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await self._fetching

    async def _fetched(self, *, after_refusal: bool = False) -> Granted:
        # A request that is cancelled does not end the fetch for the others.
        return await asyncio.shield(self._start(after_refusal=after_refusal))

    def _start(self, *, after_refusal: bool) -> "asyncio.Task[Granted]":
        """The fetch under way, or a new one."""
        if self._fetching is None:
            self._after_refusal = after_refusal
            self._tried_at = self._now()
            self._fetching = asyncio.create_task(self._replace())
            self._fetching.add_done_callback(self._done)
        return self._fetching

    async def _replace(self) -> Granted:
        began = self._tried_at
        self._granted = granted = await self._fetch()
        self._granted_at = began
        return granted

    def _done(self, task: "asyncio.Task[Granted]") -> None:
        self._fetching = None
        if not task.cancelled():
            task.exception()  # each request that waits for it has it; a later one tries again
