"""The report of a run: a table in Markdown, and a picture of the throughput over time with the faults marked."""

from collections import Counter
from pathlib import Path

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot  # the kind of output is chosen before

from tests.chaos.run import DRAIN_S, RECOVERED_SHARE, RECOVERY_S, Run

PICTURE = "timeline.svg"
BIN_S = 2.0


def write(run: Run, folder: Path, minutes: float) -> Path:
    """Write both files. Returns the path of the Markdown."""
    folder.mkdir(parents=True, exist_ok=True)
    _draw(run, folder / PICTURE)
    file = folder / "report.md"
    file.write_text("\n".join(_lines(run, minutes)) + "\n", encoding="utf-8")
    return file


def _lines(run: Run, minutes: float) -> list[str]:
    statuses = Counter(one.status for one in run.applicants.requests)
    answers = ", ".join(f"{status or 'none'}: {count}" for status, count in sorted(statuses.items()))
    broken = sum(not outcome.passed for outcome in run.outcomes)
    lines = [
        "# Faults under load",
        "",
        f"Seed {run.seed}, {minutes:g} minutes, {run.rate:g} applications a second; every service twice.",
        f"**{'All faults passed' if run.passed else f'{broken} of {len(run.outcomes)} faults failed'}.** "
        f"{len(run.applicants.accepted)} cases were accepted. Answers to applicants: {answers}.",
        "",
        f"After each fault the platform must reach {RECOVERED_SHARE:.0%} of its earlier throughput within "
        f"{RECOVERY_S:g} s, finish every case within {DRAIN_S:g} s, and keep all promises.",
        "",
        f"![Whole cases a second, with the faults]({PICTURE})",
        "",
        "| at | fault | before, cases/s | lowest | recovered after | drained in | |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for outcome in run.outcomes:
        at = outcome.began - run.began
        if outcome.skipped:
            lines.append(f"| | {outcome.fault.name} | | | | | skipped: {outcome.skipped} |")
            continue
        lines.append(
            f"| {at:.0f} s | {outcome.fault.name} | {outcome.rate_before:.0f} | {outcome.lowest_rate:.0f} "
            f"| {_seconds(outcome.recovered_s)} | {_seconds(outcome.drained_s)} "
            f"| {'passed' if outcome.passed else '**broken**'} |"
        )
    for outcome in run.outcomes:
        if outcome.violations:
            lines += ["", f"## {outcome.fault.name}", "", *(f"- {one}" for one in outcome.violations)]
    if run.applicants.unexpected:
        lines += ["", "## Unexpected answers to applicants", ""]
        lines += [f"- {times} times {answer}" for answer, times in run.applicants.unexpected.items()]
    return lines


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.1f} s"


def _draw(run: Run, file: Path) -> None:
    end = max([at for at, _ in run.progress.closed["intake"]], default=run.began) - run.began
    figure, axes = pyplot.subplots(figsize=(max(10.0, min(40.0, end / 30)), 5.5))
    bins = [index * BIN_S for index in range(int(end / BIN_S) + 2)]
    for label, colour, points in (
        ("accepted", "tab:blue", [(at, 1) for at, _ in run.applicants.accepted]),
        ("whole", "tab:green", run.progress.closed["intake"]),
    ):
        counts = [0.0] * len(bins)
        for at, count in points:
            counts[min(len(bins) - 1, max(0, int((at - run.began) / BIN_S)))] += count / BIN_S
        axes.plot(bins, counts, label=f"{label}, cases/s", color=colour, linewidth=1)
    top = 2.5 * run.rate
    for number, outcome in enumerate(run.outcomes):
        if outcome.skipped:
            continue
        since, until = outcome.began - run.began, outcome.healed - run.began
        colour = "tab:gray" if outcome.passed else "tab:red"
        axes.axvspan(since, max(until, since + 1), color=colour, alpha=0.25)
        axes.text(since, top * (0.99 - 0.05 * (number % 6)), outcome.fault.name[:44], fontsize=6, va="top")
    axes.set(ylim=(0, top), xlim=(0, end), xlabel="seconds", ylabel="cases a second")
    axes.legend(loc="lower right", fontsize=8)
    figure.tight_layout()
    figure.savefig(file)
    pyplot.close(figure)
