"""Work that fails again and again: in the log once, in metrics and readiness until it is well, and its loop goes on."""

import asyncio
from collections.abc import Iterator

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from contracts.bilingual import Bilingual
from services.runtime.failures import SHOWN_AFTER, Failures
from services.runtime.jobs import loop
from services.runtime.jobs.loop import run_periodically


def failures_of(work: str) -> float | None:
    return REGISTRY.get_sample_value("onedoor_failures", {"work": work})


def test_a_failure_is_logged_once_with_what_to_do_and_once_more_when_it_is_over() -> None:
    failures = Failures()
    with capture_logs() as lines:
        for _ in range(100):
            failures.failed("poll", OSError("壹"), Bilingual("look into the folder", "查看文件夹"))
        assert failures_of("poll") == 100
        failures.succeeded("poll")
        failures.succeeded("poll")
    first, last = lines
    assert first["log_level"] == "error" and first["work"] == "poll" and first["advice"] == "look into the folder"
    assert last["event"] == "well again" and last["failures"] == 100
    assert failures_of("poll") == 0


def test_a_failure_of_another_kind_is_logged_as_well() -> None:
    failures = Failures()
    with capture_logs() as lines:
        for error in (OSError(), ValueError(), OSError(), ValueError()):
            failures.failed("poll", error)
    assert [type(line["exc_info"]) for line in lines] == [OSError, ValueError]


def test_readiness_shows_what_fails_several_times_in_a_row_without_the_text_of_the_error() -> None:
    failures = Failures()
    for count in range(1, SHOWN_AFTER + 1):
        assert not failures.shown(), f"{count} failures"
        failures.failed("poll", ValueError("张三"), Bilingual("look into the folder", "查看文件夹"))
    failures.failed("journal", ValueError())
    (shown,) = failures.shown()
    assert shown.en.startswith("poll: failed 3 times in a row since ")
    assert shown.en.endswith(" UTC, last with ValueError; look into the folder")
    assert shown.zh.endswith("最近为 ValueError；查看文件夹")
    failures.succeeded("poll")
    assert not failures.shown()


class Job:
    """A job with scripted results: whether there is more to do, or an exception. After them it is cancelled.

    It notes what readiness shows whenever it runs.
    """

    def __init__(self, failures: Failures, *results: bool | Exception) -> None:
        self._failures = failures
        self._results: Iterator[bool | Exception] = iter(results)
        self.shown: list[list[Bilingual]] = []

    async def run_once(self) -> bool:
        self.shown.append(self._failures.shown())
        result = next(self._results, None)
        if result is None:
            raise asyncio.CancelledError
        if isinstance(result, Exception):
            raise result
        return result


async def test_a_loop_goes_on_after_failures_which_show_until_it_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "FIRST_BACKOFF_S", 0.0)
    failures = Failures()
    job = Job(failures, True, *[OSError()] * SHOWN_AFTER, False, True)
    with capture_logs() as lines, pytest.raises(asyncio.CancelledError):
        await run_periodically("relay", job.run_once, lambda: 0.0, failures, advice=Bilingual("wait", "等待"))
    assert [line["event"] for line in lines] == ["failed; trying again until it succeeds", "well again"]
    assert [len(shown) for shown in job.shown] == [0, 0, 0, 0, 1, 0, 0]
    assert "relay: failed 3 times" in job.shown[4][0].en and job.shown[4][0].en.endswith("wait")


async def test_a_loop_that_has_ended_is_not_failing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "FIRST_BACKOFF_S", 0.0)
    failures = Failures()
    job = Job(failures, *[OSError()] * SHOWN_AFTER)
    with pytest.raises(asyncio.CancelledError):
        await run_periodically("relay", job.run_once, lambda: 0.0, failures)
    assert job.shown[-1] and not failures.shown()
