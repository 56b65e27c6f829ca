"""The shared clock as a file: read by several processes, set, sped up, stopped."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.runtime.clock import FileClock, SystemClock, open_clock

T0 = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def test_two_readers_of_one_file_show_the_same_moment(tmp_path: Path) -> None:
    clock = FileClock.create(tmp_path / "clock", T0, speed=0)
    other = open_clock(str(tmp_path / "clock"))
    assert clock.now() == other.now() == T0
    clock.set(T0 + DAY, 0)
    assert other.now() == T0 + DAY


def test_a_clock_that_stands_never_reaches_a_later_moment(tmp_path: Path) -> None:
    clock = FileClock.create(tmp_path / "clock", T0, speed=0)
    assert clock.machine_seconds(T0 + DAY) == float("inf")
    assert clock.machine_seconds(T0) == 0.0


def test_a_faster_clock_shortens_the_wait(tmp_path: Path) -> None:
    clock = FileClock.create(tmp_path / "clock", T0, speed=86_400)
    assert clock.machine_seconds(clock.now() + DAY) == pytest.approx(1.0, abs=0.05)


def test_a_clock_does_not_run_backwards(tmp_path: Path) -> None:
    clock = FileClock.create(tmp_path / "clock", T0)
    with pytest.raises(ValueError, match="backwards"):
        clock.set(T0, -1)


def test_the_system_clock_is_the_machines() -> None:
    clock = open_clock("system")
    assert isinstance(clock, SystemClock)
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=5)


def test_a_missing_clock_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"clock must be 'system' or the path of a clock file"):
        open_clock(str(tmp_path / "nowhere"))
