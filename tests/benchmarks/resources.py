"""Processor time and memory of processes, and how much of the machine other programs took."""

import os
import time
from collections.abc import Mapping

import psutil

MEGABYTE = 1024 * 1024


def processor_seconds(pids: Mapping[str, int]) -> dict[str, float]:
    """Processor time used so far by each process, with its children if it is an engine."""
    spent = {}
    for name, pid in pids.items():
        root = psutil.Process(pid)
        tree = [root, *(root.children(recursive=True) if pid != os.getpid() else [])]
        spent[name] = sum(map(_own_seconds, tree))
    return spent


def _own_seconds(process: psutil.Process) -> float:
    try:
        spent = process.cpu_times()
    except psutil.NoSuchProcess:  # PostgreSQL's helpers come and go
        return 0.0
    return float(spent.user + spent.system)


class OtherPrograms:
    """How much of the machine's processors was taken by others than us meanwhile: a figure to be judged by."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._before = self._busy_s()
        self._own = self._own_s()

    def share(self) -> float:
        """Of all processors, since this was made; 0 on a quiet machine."""
        seconds = (time.monotonic() - self._began) * (os.cpu_count() or 1)
        others = (self._busy_s() - self._before) - (self._own_s() - self._own)
        return max(0.0, others / seconds)

    @staticmethod
    def _busy_s() -> float:
        now = psutil.cpu_times()
        return float(sum(now) - now.idle - getattr(now, "iowait", 0.0) - getattr(now, "guest", 0.0))

    @staticmethod
    def _own_s() -> float:
        return sum(map(_own_seconds, [psutil.Process(), *psutil.Process().children(recursive=True)]))


def resident_mb(pid: int) -> float:
    """Memory that the process has in use, in MB, what it shares with others included."""
    return float(psutil.Process(pid).memory_info().rss) / MEGABYTE
