"""A token is fetched once for all requests, renewed in time, and not requested again and again."""

import asyncio
import math

import pytest

from services.departments.sdk.tokens import FLOOR_S, Granted, SharedToken


class Server:
    """Grants tokens, at a time that the test sets."""

    def __init__(self, life_s: float = 600.0) -> None:
        self.now = 0.0
        self.life_s = life_s
        self.fetches = 0
        self.under_way = 0
        self.most_under_way = 0
        self.same_until: float | None = None
        """The end of the one token that it hands out again, with its remaining life."""
        self.fault: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.token = SharedToken(self.fetch, lambda: self.now)

    async def fetch(self) -> Granted:
        self.fetches += 1
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await self.gate.wait()
            if self.fault is not None:
                raise self.fault
        finally:
            self.under_way -= 1
        if self.same_until is not None and self.now < self.same_until:
            return Granted("the same", self.same_until - self.now)
        return Granted(f"token {self.fetches}", self.life_s)

    async def used(self, seconds: float, requests_a_second: int = 20) -> set[str]:
        """The tokens of requests at this rate for so long."""
        tokens = set()
        for _ in range(round(seconds * requests_a_second)):
            tokens.add((await self.token.get()).token)
            await asyncio.sleep(0)  # a renewal under way ends
            await asyncio.sleep(0)
            self.now += 1 / requests_a_second
        return tokens


@pytest.mark.parametrize("life_s", [600.0, 60.0, 5.0, 1.0, 0.0])
async def test_a_token_is_renewed_in_time_and_not_for_each_request(life_s: float) -> None:
    server = Server(life_s)
    await server.used(100)
    assert 95 / max(life_s, FLOOR_S) <= server.fetches <= 1 + 100 / max(0.9 * life_s, FLOOR_S)


async def test_a_token_without_an_end_is_fetched_once() -> None:
    server = Server(math.inf)
    await server.used(100)
    assert server.fetches == 1


async def test_a_server_with_one_token_is_asked_a_few_times_before_its_end() -> None:
    server = Server()
    server.same_until = 600.0
    assert await server.used(605) == {"the same", f"token {server.fetches}"}
    assert server.fetches <= 6


async def test_all_requests_wait_for_one_fetch() -> None:
    server = Server()
    server.gate.clear()
    waiting = [asyncio.create_task(server.token.get()) for _ in range(50)]
    await asyncio.sleep(0)
    waiting.pop().cancel()
    server.gate.set()
    assert {granted.token for granted in await asyncio.gather(*waiting)} == {"token 1"}
    assert (server.fetches, server.most_under_way) == (1, 1)


async def test_a_fetch_that_fails_fails_for_all_who_wait_and_the_next_request_tries_again() -> None:
    server = Server()
    server.fault = ConnectionError("away")
    failed = await asyncio.gather(*(server.token.get() for _ in range(50)), return_exceptions=True)
    assert {type(one) for one in failed} == {ConnectionError}
    assert server.fetches == 1
    server.fault = None
    assert (await server.token.get()).token == "token 2"


async def test_the_present_token_is_used_while_a_renewal_fails() -> None:
    server = Server(100.0)
    await server.token.get()
    server.now, server.fault = 91.0, ConnectionError("away")
    assert await server.used(8) == {"token 1"}
    assert 8 <= server.fetches - 1 <= 9, "it is tried again after the floor"
    server.now = 101.0
    with pytest.raises(ConnectionError):
        await server.token.get()


async def test_a_refused_token_is_replaced_at_once_and_once_for_all_requests() -> None:
    server = Server()
    first = await server.token.get()
    replaced = await asyncio.gather(*(server.token.get(refused=first) for _ in range(20)))
    assert {granted.token for granted in replaced} == {"token 2"}
    assert (await server.token.get(refused=first)).token == "token 2", "it has been replaced already"
    assert server.fetches == 2


async def test_a_server_that_refuses_what_it_grants_is_not_asked_for_each_request() -> None:
    server = Server()
    server.same_until = math.inf
    for _ in range(200):
        await server.token.get(refused=await server.token.get())
        server.now += 0.05
    assert server.fetches <= 12


async def test_no_fetch_outlives_its_client() -> None:
    server = Server()
    server.gate.clear()
    request = asyncio.create_task(server.token.get())
    await asyncio.sleep(0)
    await server.token.close()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert server.under_way == 0
