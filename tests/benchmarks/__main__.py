"""All measurements, or those named, one after another: ``python -m tests.benchmarks [NAME[:COUNT] ...]``.

``load/`` has throughput, latency and cost of cases under load; ``volume/`` has measurements with very many stored
cases.

The figures are merged into ``build/bench.json`` after each measurement, so that an interrupted run keeps the earlier
ones. ``dbos`` and ``latency`` use the rate that ``cases`` measured in this run, or else the last one in the file. The
exit status is 1 if a measurement failed; a missed target is no failure.
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
"""The name of the figure that is the full load."""

CASES = 6000
"""The number of cases of a measurement without a number of its own."""

Run = Callable[[Any, int | None], Coroutine[Any, Any, list[Figure]]]
"""Runs the module of a measurement, with the given count or else its own."""


def last_measured(name: str, otherwise: float) -> float:
    """The last measured value of a figure."""
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


MEASUREMENTS: dict[str, tuple[str, Run]] = {
    "folds": ("folds", _with_count),
    "deadlines": ("deadlines", _with_count),
    "cases": ("load.cases", _with_folder),
    "dbos": ("load.dbos", _with_our_rate),
    "latency": ("load.latency", _with_full_load),
    "case_cost": ("load.case_cost", _with_count),
    "stored": ("volume.stored", _with_count),
    "memory": ("volume.memory", _with_count),
    "timer_scan": ("volume.timer_scan", _with_count),
    "due": ("volume.due", _with_count),
    "calendar_change": ("volume.calendar_change", _with_count),
    "board": ("volume.board", _with_count),
    "scaling": ("load.scaling", _with_default_count),
    "audit": ("volume.audit", _with_folder),
}
"""Name -> the module, and the way to run it. They run in this order."""


def chosen(arguments: Sequence[str]) -> dict[str, int | None]:
    """The named measurements with their counts, or all. Raises `ValueError` for a wrong name or count."""
    if not arguments:
        return dict.fromkeys(MEASUREMENTS)
    wanted: dict[str, int | None] = {}
    for argument in arguments:
        name, colon, count = argument.partition(":")
        if name not in MEASUREMENTS:
            raise ValueError(f"{name!r} is no measurement: {', '.join(MEASUREMENTS)}")
        if colon and (not count.isdecimal() or int(count) == 0):
            raise ValueError(f"{argument!r}: use {name}:COUNT, with a count above 0")
        wanted[name] = int(count) if colon else None
    return wanted


def main(arguments: Sequence[str]) -> int:
    """Run the named measurements and print one table. Returns the exit status."""
    try:
        wanted = chosen(arguments)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    measured: list[Figure] = []
    failed: list[str] = []
    for name, (module, run) in MEASUREMENTS.items():
        if name not in wanted:
            continue
        print(f"\n=== {name}", flush=True)
        began = time.monotonic()
        try:
            figures = asyncio.run(run(import_module(f"tests.benchmarks.{module}"), wanted[name]))
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
