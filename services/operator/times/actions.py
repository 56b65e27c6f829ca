"""Lists and settles doubtful times."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from services.operator.output import print_remark, print_result
from services.operator.times.monitor_api import MonitorApi

LIMIT = 1000
PIPED_WIDTH = 240
"""Columns of a table that goes into a file or another program."""

COLUMNS = ("case_id", "step", "procedure", "field", "owner", "claimed", "counts_at", "settled_by", "resolved_at")


def list_times(monitor: MonitorApi, *, resolved: bool) -> None:
    """Print a table of doubtful times."""
    found = monitor.get("/doubtful-times", {"unresolved": not resolved, "limit": LIMIT})
    if not found:
        print_result("none", "没有")
        return
    table = Table(*(name.replace("_", " ") for name in COLUMNS))
    for one in found:
        table.add_row(*(Text(str(one[name] or "")) for name in COLUMNS))
    console = Console()
    console.width = console.width if console.is_terminal else PIPED_WIDTH
    console.print(table)
    if len(found) == LIMIT:
        print_remark(
            f"these are the newest {LIMIT}: settle some of them to see more", f"只列出最新的 {LIMIT} 条：处理后可见其余"
        )


def settle_time(monitor: MonitorApi, case: str, settlement: Mapping[str, Any]) -> None:
    """Settle one time, and print the moment that counts."""
    counts_at = monitor.post(f"/commitments/{case}/times", settlement)["counts_at"]
    field = f"{settlement['field']} of {case}/{settlement['step']}"
    print_result(f"{field} counts as {counts_at}", f"按 {counts_at} 计算")
