"""The result of an audit, for people and for programs."""

import json
from dataclasses import dataclass, field
from heapq import nsmallest
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from contracts.bilingual import both
from services.operator.audit.invariants import TITLES, Fault, Invariant

SHOWN = 10
"""Number of faults of each invariant that are printed: those of the smallest case numbers."""


@dataclass(slots=True)
class Finding:
    """One invariant: how many were examined, how many are broken, and the first of them."""

    examined: int = 0
    broken: int = 0
    first: list[tuple[str, str]] = field(default_factory=list)
    """Case number and fault, in order of the numbers."""


@dataclass(slots=True)
class Report:
    """The whole result. ``notes`` names the parts that were not examined, with the reason."""

    findings: dict[Invariant, Finding] = field(default_factory=lambda: {each: Finding() for each in Invariant})
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    checked_singly: int = 0
    """Cases that were checked singly."""
    differing: dict[str, int] = field(default_factory=dict)
    """In how many buckets of cases the two sides of a fact differed, which is why their cases were checked singly."""

    @property
    def broken(self) -> bool:
        return any(finding.broken for finding in self.findings.values())

    def add_broken(self, invariant: Invariant, number: str, faults: list[str]) -> None:
        """Count one case (or row) that breaks this invariant in these ways."""
        finding = self.findings[invariant]
        finding.broken += 1
        finding.first = nsmallest(SHOWN, [*finding.first, (number, "; ".join(faults))])

    def add(self, faults: list[Fault]) -> None:
        """Add all faults of one case. The case counts once for each invariant that it breaks."""
        by_invariant: dict[Invariant, list[str]] = {}
        for fault in faults:
            by_invariant.setdefault(fault.invariant, []).append(fault.what)
        for invariant, texts in by_invariant.items():
            self.add_broken(invariant, faults[0].case_id, texts)

    def document(self) -> dict[str, Any]:
        """The result as a JSON document."""
        return {
            "broken": self.broken,
            "seconds": round(self.seconds, 2),
            "checked_singly": self.checked_singly,
            "differing": self.differing,
            "notes": self.notes,
            "invariants": {
                name.value: {
                    "title": TITLES[name],
                    "examined": finding.examined,
                    "broken": finding.broken,
                    "first": [{"number": number, "what": what} for number, what in finding.first],
                }
                for name, finding in self.findings.items()
            },
        }


def write(report: Report, file: Path) -> None:
    """Write the result as JSON. Raises `OSError`."""
    file.write_text(json.dumps(report.document(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def show(report: Report, console: Console) -> None:
    """Print the result: a table, the broken promises, and the parts that were not examined."""
    table = Table("invariant / 准则", "examined / 检查", "broken / 违反", title_justify="left")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, finding in report.findings.items():
        style = "bold red" if finding.broken else "green"
        table.add_row(TITLES[name], f"{finding.examined:,}", f"[{style}]{finding.broken:,}[/]")
    console.print(table)
    for name, finding in report.findings.items():
        if finding.broken:
            count = both(f"{finding.broken:,} broken", f"违反 {finding.broken:,} 处")
            more = f", {both(f'the first {SHOWN} by number', f'按编号列出前 {SHOWN} 处')}"
            text = f"\n{TITLES[name]}: {count}{more if finding.broken > SHOWN else ''}"
            console.print(text, markup=False, soft_wrap=True)
            for number, what in finding.first:
                console.print(f"  {number or '(no number / 无编号)'}  {what}", markup=False, soft_wrap=True)
    for note in report.notes:
        console.print(f"note / 说明: {note}", markup=False, soft_wrap=True)
    singly = f"{report.checked_singly:,}"
    console.print(both(f"{report.seconds:.1f} s; {singly} cases checked singly", f"逐件检查 {singly} 件"))
