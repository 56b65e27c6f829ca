"""Lists and settles doubtful times."""

from collections.abc import Mapping
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from services.operator.times.monitor_api import MonitorApi

LIMIT = 1000
PIPED_WIDTH = 240
"""Columns of a table that goes into a file or another program."""

COLUMNS = ("case_id", "step", "procedure", "field", "owner", "claimed", "counts_at", "settled_by", "resolved_at")


def list_times(monitor: MonitorApi, *, resolved: bool) -> None:
    """Print a table of doubtful times."""
    found = monitor.get("/doubtful-times", {"unresolved": not resolved, "limit": LIMIT})
    if not found:
        typer.echo("none")
        return
    table = Table(*(name.replace("_", " ") for name in COLUMNS))
    for one in found:
        table.add_row(*(Text(str(one[name] or "")) for name in COLUMNS))
    console = Console()
    console.width = console.width if console.is_terminal else PIPED_WIDTH
    console.print(table)
    if len(found) == LIMIT:
        typer.echo(f"these are the newest {LIMIT}: settle some of them to see more", err=True)


def settle_time(monitor: MonitorApi, case: str, settlement: Mapping[str, Any]) -> None:
    """Settle one time, and print the moment that counts."""
    counts_at = monitor.post(f"/commitments/{case}/times", settlement)["counts_at"]
    typer.echo(f"{settlement['field']} of {case}/{settlement['step']} counts as {counts_at}")
