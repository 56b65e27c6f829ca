"""How many requests of a kind one client may send, so that neither a flood nor guessing takes the service from others.

Each process counts for itself, in memory: a client may send as many to each replica. A count that all replicas share
would cost a query for each request, and the number of replicas is small.
"""

from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from math import ceil
from time import monotonic_ns
from typing import Any

from fastapi import Depends, Request

from services.runtime import telemetry
from services.runtime.http.problems import Problem

MINUTE_NS = 60_000_000_000
SECOND_NS = 1_000_000_000

MOST_CLIENTS = 20_000
"""Clients that a limit knows, those that came last: at most 5 MB. One that is forgotten begins anew."""

UNKNOWN = "unknown"
"""All clients whose address is none. A proxy that names them so makes them one client."""

_LONGEST_ADDRESS = 64


class TooManyRequests(Problem):
    """The client has sent too many requests. The next one is allowed after ``wait_s`` seconds."""

    def __init__(self, wait_s: int) -> None:
        super().__init__(
            429,
            "too-many-requests",
            "Too many requests come from your address",
            "来自您所在地址的请求过多",
            detail=f"Send it again after {wait_s} s. For a program that sends for many people, ask the operators.",
            detail_zh=f"请在 {wait_s} 秒后重新发送。代多人发送请求的系统，请联系运行维护人员。",
            headers={"Retry-After": str(wait_s)},
        )
        self.wait_s = wait_s


class ClientLimit:
    """So many requests a minute of each client: at once if it has sent none for a minute, else evenly.

    The generic cell rate algorithm (ITU-T I.371): of each client only the moment is kept at which it may send the whole
    number again. ``a_minute``: 0 allows everything. ``now`` gives nanoseconds.
    """

    def __init__(self, name: str, a_minute: int, now: Callable[[], int] = monotonic_ns) -> None:
        self._cost_ns = MINUTE_NS // a_minute if a_minute else 0
        self._now = now
        self._whole_at: OrderedDict[str, int] = OrderedDict()
        self._refused = telemetry.HTTP_LIMITED.labels(name)

    def __len__(self) -> int:
        """The number of clients that are known."""
        return len(self._whole_at)

    def wait_ns(self, client: str) -> int:
        """Count a request of this client. If it is one too many, it is not counted, and the wait is returned."""
        if not self._cost_ns:
            return 0
        now = self._now()
        whole_at = max(self._whole_at.get(client, now), now)
        wait_ns = max(whole_at + self._cost_ns - now - MINUTE_NS, 0)
        if wait_ns:
            self._refused.inc()
        else:
            self._whole_at[client] = whole_at + self._cost_ns
            if len(self._whole_at) > MOST_CLIENTS:
                self._whole_at.popitem(last=False)
        self._whole_at.move_to_end(client)
        return wait_ns

    def wait_s(self, request: Request) -> int:
        """The same for the client of a request, in whole seconds, as ``Retry-After`` has them."""
        return ceil(self.wait_ns(client_of(request)) / SECOND_NS)

    def check(self, request: Request) -> None:
        """Count a request. Raises `TooManyRequests`."""
        if wait_s := self.wait_s(request):
            raise TooManyRequests(wait_s)

    def dependency(self) -> Any:
        """The same, to stand in the ``dependencies`` of a route, where 10 microseconds more do not matter."""

        async def check(request: Request) -> None:
            self.check(request)

        return Depends(check)


def client_of(request: Request) -> str:
    """The client of a request: its address, of IPv6 the network of 64 bits, since a client has a whole one.

    Behind a trusted proxy it is the address that the proxy gives (`HttpSettings.trusted_proxies`).
    """
    address = request.client.host if request.client is not None else ""
    return _network(address) if len(address) <= _LONGEST_ADDRESS else UNKNOWN


@lru_cache(maxsize=4096)
def _network(address: str) -> str:
    try:
        parsed = ip_address(address)
    except ValueError:
        return UNKNOWN
    if parsed.version == 4:
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"
