"""Rewrites the measured tables of ``docs/scaling.md``: ``python -m tests.benchmarks.load.scaling_tables``.

They come from ``build/bench.json``: the processor time of a case, by process, from ``make bench``; what a second
replica, more partitions and more brokers change, from ``make bench BENCH=scaling``.
"""

import json
import math
import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.benchmarks.figures import OUTPUT, Figure

DOCUMENT = Path("docs/scaling.md")
RATES = (10, 100, 1000)
BUSY = 0.5
"""The planned use of a core: the rest is for the hour after an outage."""

_TIME = "processor time of "
_NOT_OURS = ("the load", "sandbox-")
"""Sandboxes and the load: in production these are other systems, and people."""

_SECTION = r"(<!-- measured: {name} -->\n).*?(<!-- end -->)"


def processor_table(figures: Sequence[Figure]) -> str:
    """Cores by process and rate, as a table."""
    times = {
        one["name"].removeprefix(_TIME): float(one["value"])
        for one in figures
        if one["name"].startswith(_TIME) and one["unit"] == "ms a case"
    }
    own = {name: ms for name, ms in times.items() if not name.startswith(_NOT_OURS)}
    if not own:
        raise LookupError(f"{OUTPUT} has no processor times: run 'make bench' first")
    lines = [
        f"| process | ms a case | {' | '.join(f'cores at {rate:,}/s' for rate in RATES)} |",
        f"| --- | --- |{' --- |' * len(RATES)}",
    ]
    for name, ms in sorted(own.items(), key=lambda item: -item[1]):
        lines.append(f"| {name} | {ms:.2f} | {' | '.join(_cores(ms, rate) for rate in RATES)} |")
    total = sum(own.values())
    lines.append(f"| all | {total:.2f} | {' | '.join(_cores(total, rate) for rate in RATES)} |")
    return "\n".join(lines) + "\n"


def _cores(ms: float, rate: int) -> str:
    cores = rate * ms / 1000 / BUSY
    return f"{cores:.1f}" if cores < 10 else f"{math.ceil(cores)}"


def ratio_table(figures: Sequence[Figure]) -> str:
    """The results of `tests.benchmarks.load.scaling`: a line for each trial, with ratios to the first trial."""
    found: dict[str, dict[str, float]] = {}
    for one in figures:
        if one["name"].startswith("scaling: ") and one["ratio_to"]:
            trial, what = one["name"].removeprefix("scaling: ").rsplit(", ", 1)
            found.setdefault(trial, {})[what] = float(one["value"])
    if not found:
        raise LookupError(f"{OUTPUT} has no ratios: run 'make bench BENCH=scaling' first")
    columns = list(next(iter(found.values())))
    lines = [f"| | {' | '.join(columns)} |", f"| --- |{' --- |' * len(columns)}"]
    lines += [f"| {trial} | {' | '.join(f'{row[what]:.2f}' for what in columns)} |" for trial, row in found.items()]
    return "\n".join(lines) + "\n"


def rewrite_section(text: str, name: str, content: str) -> str:
    """The text with this content in the section of that name. Raises `LookupError` if there is no such section."""
    place = re.compile(_SECTION.format(name=name), re.DOTALL)
    if not place.search(text):
        raise LookupError(f"the document has no place named {name}")
    return place.sub(lambda found: found[1] + content + found[2], text)


def main() -> None:
    """Rewrite the document. The figures are taken for this machine's own."""
    figures = json.loads(OUTPUT.read_text())
    day = datetime.fromtimestamp(OUTPUT.stat().st_mtime, UTC)
    made = f"\nMeasured on {os.cpu_count()} cores, {day:%d %B %Y}, everything on the same machine.\n"
    text = DOCUMENT.read_text(encoding="utf-8")
    for name, content in (("processors", processor_table(figures)), ("ratios", ratio_table(figures))):
        text = rewrite_section(text, name, content + made)
    DOCUMENT.write_text(text, encoding="utf-8")
    print(f"written to {DOCUMENT}")


if __name__ == "__main__":
    main()
