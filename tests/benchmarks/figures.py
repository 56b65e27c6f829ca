"""Figures: their format, their file ``build/bench.json``, and the printed table."""

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

Figure = dict[str, Any]
"""One line of ``build/bench.json``: ``name``, ``value``, ``unit``, ``target``, ``ratio_to``, ``at_most``."""

OUTPUT = Path("build/bench.json")


def figure(
    name: str,
    value: float,
    unit: str,
    target: float | None = None,
    ratio_to: str | None = None,
    *,
    at_most: bool = False,
) -> Figure:
    """One figure. ``ratio_to`` names what a ratio was measured against; ``at_most``: less than the target is better."""
    return {
        "name": name,
        "value": round(value, 3),
        "unit": unit,
        "target": target,
        "ratio_to": ratio_to,
        "at_most": at_most,
    }


def meets_target(one: Figure) -> bool | None:
    """Whether the figure meets its target; None if it has none."""
    if one["target"] is None:
        return None
    return bool(one["value"] <= one["target"] if one.get("at_most") else one["value"] >= one["target"])


def quantile(values: Iterable[float], share: float) -> float:
    """The smallest of the values that is not less than this share of them (nearest rank).

    Raises `ValueError` if there are none, or if the share is not above 0 and at most 1.
    """
    ordered = sorted(values)
    if not ordered or not 0 < share <= 1:
        raise ValueError(f"no quantile {share} of {len(ordered)} values")
    return ordered[math.ceil(share * len(ordered)) - 1]


def merge(known: Sequence[Figure], news: Sequence[Figure]) -> list[Figure]:
    """The known figures, replaced by new ones of the same name; figures of new names follow at the end."""
    by_name = {one["name"]: one for one in known} | {one["name"]: one for one in news}
    return list(by_name.values())


def save(news: Sequence[Figure], output: Path = OUTPUT) -> list[Figure]:
    """Merge the figures into the file; all figures that it has now."""
    output.parent.mkdir(exist_ok=True)
    known = json.loads(output.read_text()) if output.exists() else []
    figures = merge(known, news)
    part = output.with_suffix(".part")
    part.write_text(json.dumps(figures, indent=1) + "\n")
    part.replace(output)
    return figures


def table(figures: Iterable[Figure]) -> str:
    """The figures for a person to read, with targets met or missed."""
    lines = []
    for one in figures:
        line = f"{one['name']:62} {one['value']:>14,.3f} {one['unit']}"
        if (good := meets_target(one)) is not None:
            bound = "at most" if one.get("at_most") else "at least"
            line += f"  ({'met' if good else 'MISSED'}: {bound} {one['target']:g})"
        lines.append(line)
    return "\n".join(lines)
