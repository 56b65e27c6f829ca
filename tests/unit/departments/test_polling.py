"""When an adapter polls for an answer of the department."""

import pytest

from services.departments.sdk import polling
from services.departments.sdk.polling import pauses


class Clock:
    """Machine time that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.mark.parametrize("wait_s", [0.0, 0.005, 0.5, 1.0, 60.0])
def test_pauses_grow_and_the_last_ends_with_the_wait(wait_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(polling, "time", clock)
    waited: list[float] = []
    for pause in pauses(wait_s):
        waited.append(pause)
        clock.now += pause
    assert sum(waited) == pytest.approx(wait_s)
    assert waited[:-1] == sorted(waited[:-1])
    assert len(waited) <= 2 + (2 * wait_s / polling.STEP_S) ** 0.5


def test_the_time_of_a_poll_counts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(polling, "time", clock)
    found = pauses(1.0)
    next(found)
    clock.now += 2
    assert list(found) == []
