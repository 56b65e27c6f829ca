"""CPU pressure, as the kernel counts it."""

import time
from pathlib import Path

import pytest

from services.runtime.batch.cpu_pressure import INTERVAL_S, MICROSECONDS, CpuPressure


def pressure_of(total: int) -> str:
    return f"some avg10=1.00 avg60=2.00 avg300=3.00 total={total}\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"


def test_it_is_the_share_of_the_time_between_two_readings(tmp_path: Path) -> None:
    pressure = tmp_path / "cpu"
    pressure.write_text(pressure_of(7_000_000))
    cpu, began = CpuPressure(pressure), time.monotonic()
    assert cpu.share(began) == 0.0
    pressure.write_text(pressure_of(7_000_000 + int(0.4 * 10 * MICROSECONDS)))
    assert cpu.share(began + INTERVAL_S / 2) == 0.0, "the last reading is recent"
    assert cpu.share(began + 10) == pytest.approx(0.4, abs=0.01)
    assert cpu.share(began + 10 + INTERVAL_S / 2) == pytest.approx(0.4, abs=0.01)
    assert cpu.share(began + 20) == 0.0, "no task has waited since"


@pytest.mark.parametrize("text", [None, "", "nonsense", "some avg10=1.00"])
def test_without_a_count_the_pressure_is_full(tmp_path: Path, text: str | None) -> None:
    pressure = tmp_path / "cpu"
    if text is not None:
        pressure.write_text(text)
    assert CpuPressure(pressure).share(time.monotonic() + 10) == 1.0


def test_when_the_count_ends_the_pressure_is_full(tmp_path: Path) -> None:
    pressure = tmp_path / "cpu"
    pressure.write_text(pressure_of(0))
    cpu = CpuPressure(pressure)
    pressure.unlink()
    assert cpu.share(time.monotonic() + 10) == 1.0
