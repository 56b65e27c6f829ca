"""Background loops: run a job while it has something to do, then wait for a signal or a pause."""

import asyncio
from collections.abc import Awaitable, Callable

from contracts.bilingual import Bilingual
from contracts.core import backoff
from services.runtime.failures import ADVICE, Failures

FIRST_BACKOFF_S, LONGEST_BACKOFF_S = 0.2, 2.0
"""Machine seconds after the first failure of a job, and after any later one: an attempt costs little, and the end of an
outage should be noticed soon."""


async def run_periodically(
    name: str,
    run_once: Callable[[], Awaitable[bool]],
    pause: Callable[[], float],
    failures: Failures,
    signal: asyncio.Event | None = None,
    advice: Bilingual = ADVICE,
) -> None:
    """Call ``run_once`` until cancelled.

    It returns whether there may be more to do at once. If not, the loop waits ``pause()`` seconds of machine time, or
    for ``signal``. A failure is counted among ``failures``, with ``advice`` for operators, and retried after a wait
    that grows.
    """
    try:
        await _run(name, run_once, pause, failures, signal, advice)
    finally:
        failures.forget(name)  # a loop that has ended is not failing


async def _run(
    name: str,
    run_once: Callable[[], Awaitable[bool]],
    pause: Callable[[], float],
    failures: Failures,
    signal: asyncio.Event | None,
    advice: Bilingual,
) -> None:
    while True:
        if signal is not None:
            signal.clear()
        try:
            more = await run_once()
        except Exception as error:
            count = failures.failed(name, error, advice)
            await asyncio.sleep(backoff(count, FIRST_BACKOFF_S, LONGEST_BACKOFF_S))
            continue
        failures.succeeded(name)
        if more:
            continue
        if signal is None:
            await asyncio.sleep(pause())
        else:
            try:
                async with asyncio.timeout(pause()):
                    await signal.wait()
            except TimeoutError:
                pass  # the pause is over
