"""All measurements, or those named, one after another: ``python -m tests.benchmarks [NAME[:COUNT] ...]``.

What was measured is merged into ``build/bench.json`` after each, so that a run that is broken off has measured
something. Ratios to another program (``dbos``) and shares of the full load (``latency``) take the rate that ``cases``
gave in this run, or else the last one known. The exit status is 1 when a measurement failed; a missed target is none.
"""

import asyncio
import inspect
import json
import sys
import time
import traceback
from collections.abc import Callable, Coroutine, Sequence
from importlib import import_module
from typing import Any

from tests.benchmarks import measured_platform
from tests.benchmarks.figures import OUTPUT, Figure, save, table

WHOLE_CASES = "whole cases"
"""The figure that is the full load."""

CASES = 6000
"""Where a measurement does not say how many itself."""

Run = Callable[[Any, int | None], Coroutine[Any, Any, list[Figure]]]
"""Runs a measurement's module; with a count in place of its own, if one is given."""


def last_measured(name: str, otherwise: float) -> float:
    """A figure as it was last measured."""
    figures = json.loads(OUTPUT.read_text()) if OUTPUT.exists() else []
    return float(next((one["value"] for one in figures if one["name"] == name), otherwise))


async def _with_count(module: Any, count: int | None) -> list[Figure]:
    outcome = module.measure() if count is None else module.measure(count)
    figures: list[Figure] = await outcome if inspect.isawaitable(outcome) else outcome
    return figures


async def _with_folder(module: Any, count: int | None) -> list[Figure]:
    with measured_platform.folder(module.__name__.rsplit(".", 1)[1]) as place:
        figures: list[Figure] = await module.measure(count or getattr(module, "CASES", CASES), place)
    return figures


async def _with_default_count(module: Any, count: int | None) -> list[Figure]:
    figures: list[Figure] = await module.measure(count or module.CASES)
    return figures


async def _with_full_load(module: Any, count: int | None) -> list[Figure]:
    figures: list[Figure] = await module.measure(count or last_measured(WHOLE_CASES, module.FULL_LOAD))
    return figures


async def _with_our_rate(module: Any, count: int | None) -> list[Figure]:
    figures: list[Figure] = await module.measure(count or module.CASES, last_measured(WHOLE_CASES, 0.0) or None)
    return figures


MEASUREMENTS: dict[str, Run] = {
    "folds": _with_count,
    "deadlines": _with_count,
    "cases": _with_folder,
    "dbos": _with_our_rate,
    "latency": _with_full_load,
    "case_cost": _with_count,
    "stored": _with_count,
    "memory": _with_count,
    "timer_scan": _with_count,
    "due": _with_count,
    "calendar_change": _with_count,
    "scaling": _with_default_count,
    "audit": _with_folder,
}
"""By the name of the module, in the order in which they run."""


def chosen(arguments: Sequence[str]) -> dict[str, int | None]:
    """What is to be measured, with the counts given; everything if nothing is named. Raises `ValueError`."""
    if not arguments:
        return dict.fromkeys(MEASUREMENTS)
    wanted: dict[str, int | None] = {}
    for argument in arguments:
        name, colon, count = argument.partition(":")
        if name not in MEASUREMENTS:
            raise ValueError(f"{name!r} is no measurement: {', '.join(MEASUREMENTS)}")
        if colon and (not count.isdecimal() or int(count) == 0):
            raise ValueError(f"{argument!r}: say {name}:COUNT, with a count above 0")
        wanted[name] = int(count) if colon else None
    return wanted


def main(arguments: Sequence[str]) -> int:
    """Measure what is named, and print one table; the exit status."""
    try:
        wanted = chosen(arguments)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    measured: list[Figure] = []
    failed: list[str] = []
    for name, run in MEASUREMENTS.items():
        if name not in wanted:
            continue
        print(f"\n=== {name}", flush=True)
        began = time.monotonic()
        try:
            figures = asyncio.run(run(import_module(f"tests.benchmarks.{name}"), wanted[name]))
        except Exception:
            traceback.print_exc()
            failed.append(name)
            continue
        save(figures)
        measured += figures
        print(f"=== {name}: {time.monotonic() - began:.0f} s", flush=True)
    print("\n" + table(measured))
    if failed:
        print(f"\nfailed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
