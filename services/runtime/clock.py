"""The shared clock of all services of one installation: the system clock, or a clock file that can be set and sped up.

A clock file holds an anchor in machine time, the moment shown at that anchor, and a speed. It serves demonstrations,
replays and tests. Nothing else in the services depends on the kind of clock.
"""

import mmap
import struct
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Protocol

from pydantic import AfterValidator

from contracts.faults import fault

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAYOUT = struct.Struct("<Qqqd")  # generation (odd while being written), anchor ns, moment shown us, speed


def machine_now() -> datetime:
    """The time of the machine's own clock, in UTC. Retries and leases use it, whatever the shared clock shows."""
    return datetime.now(UTC)


class Clock(Protocol):
    """A clock that may jump, and may run at another speed than the machine's clock."""

    def now(self) -> datetime:
        """The present moment, in UTC."""

    def machine_seconds(self, until: datetime) -> float:
        """Machine seconds until this clock shows ``until``; infinite if it stands still before that."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return machine_now()

    def machine_seconds(self, until: datetime) -> float:
        return (until - self.now()).total_seconds()


class FileClock:
    """A clock in a file. Any number of processes read it, and one sets it."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _LAYOUT.size)

    @classmethod
    def create(cls, path: Path, at: datetime, speed: float = 1.0) -> "FileClock":
        """Create a clock file that shows ``at`` now and runs ``speed`` times as fast as the machine's clock."""
        part = path.with_suffix(".part")
        part.write_bytes(_LAYOUT.pack(0, 0, 0, 0.0))
        part.rename(path)
        clock = cls(path)
        clock.set(at, speed)
        return clock

    @property
    def generation(self) -> int:
        """Changes whenever the clock is set."""
        return int(struct.unpack_from("<Q", self._map)[0])

    def now(self) -> datetime:
        anchor, shown, speed = self._read()
        return _EPOCH + timedelta(microseconds=shown + (time.monotonic_ns() - anchor) / 1000 * speed)

    def machine_seconds(self, until: datetime) -> float:
        speed = self._read()[2]
        left = (until - self.now()).total_seconds()
        return left / speed if speed else (0.0 if left <= 0 else float("inf"))

    def set(self, at: datetime, speed: float) -> None:
        """Show ``at`` now, and run ``speed`` times as fast as the machine's clock; 0 stands still."""
        if speed < 0:
            raise ValueError("a clock does not run backwards; set it instead")
        generation = self.generation
        shown = (at - _EPOCH) // timedelta(microseconds=1)
        struct.pack_into("<Q", self._map, 0, generation + 1)
        struct.pack_into("<qqd", self._map, 8, time.monotonic_ns(), shown, speed)
        struct.pack_into("<Q", self._map, 0, generation + 2)

    def _read(self) -> tuple[int, int, float]:
        while True:
            before, anchor, shown, speed = _LAYOUT.unpack_from(self._map)
            if before % 2 == 0 and self.generation == before:
                return anchor, shown, speed


def open_clock(spec: str) -> Clock:
    """The clock that a setting (`ClockName`) names: ``system``, or the path of a clock file.

    Raises `ValueError` if the file is missing or is no clock file.
    """
    if spec == "system":
        return SystemClock()
    try:
        return FileClock(Path(spec))
    except (OSError, ValueError):
        raise fault(
            f"clock must be 'system' or the path of a clock file; {spec} is none",
            f"时钟须为 system 或时钟文件的路径；{spec} 不是",
        ) from None


def _is_clock(spec: str) -> str:
    open_clock(spec)
    return spec


ClockName = Annotated[str, AfterValidator(_is_clock)]
"""A setting that names a clock. It is refused if `open_clock` would refuse it."""
