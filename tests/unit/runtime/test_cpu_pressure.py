"""How crowded the machine is, from what the kernel counts."""

import time
from pathlib import Path

import pytest

from services.runtime.batch.cpu_pressure import LOOK_S, MICROSECONDS, CpuPressure


def said(total: int) -> str:
    return f"some avg10=1.00 avg60=2.00 avg300=3.00 total={total}\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"


def test_it_is_the_share_of_the_time_between_two_looks(tmp_path: Path) -> None:
    pressure = tmp_path / "cpu"
    pressure.write_text(said(7_000_000))
    crowd, began = CpuPressure(pressure), time.monotonic()
    assert crowd.share(began) == 0.0
    pressure.write_text(said(7_000_000 + int(0.4 * 10 * MICROSECONDS)))
    assert crowd.share(began + LOOK_S / 2) == 0.0, "it has just looked"
    assert crowd.share(began + 10) == pytest.approx(0.4, abs=0.001)
    assert crowd.share(began + 10 + LOOK_S / 2) == pytest.approx(0.4, abs=0.001)
    assert crowd.share(began + 20) == 0.0, "nobody has waited since"


@pytest.mark.parametrize("text", [None, "", "nonsense", "some avg10=1.00"])
def test_where_nobody_counts_it_is_taken_for_crowded(tmp_path: Path, text: str | None) -> None:
    pressure = tmp_path / "cpu"
    if text is not None:
        pressure.write_text(text)
    assert CpuPressure(pressure).share(time.monotonic() + 10) == 1.0


def test_where_it_is_counted_no_longer_it_is_taken_for_crowded(tmp_path: Path) -> None:
    pressure = tmp_path / "cpu"
    pressure.write_text(said(0))
    crowd = CpuPressure(pressure)
    pressure.unlink()
    assert crowd.share(time.monotonic() + 10) == 1.0
