"""Which lines are logged, and how often."""

import asyncio
import gc
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from services.runtime import telemetry
from services.runtime.configuration import WrongSetting


@contextmanager
def logs_of_a_service(capsys: pytest.CaptureFixture[str]) -> Iterator[list[dict[str, str]]]:
    """A body whose logs are configured as those of a service. The list has their lines after it."""
    root, server = logging.getLogger(), logging.getLogger("uvicorn")
    handlers, level, propagates = root.handlers, root.level, server.propagate
    lines: list[dict[str, str]] = []
    try:
        telemetry.configure("toy", "1", "INFO")
        server.propagate = True  # the server of another test in this process may write its own lines
        yield lines
    finally:
        root.handlers, server.propagate = handlers, propagates
        root.setLevel(level)
    lines += [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_repeated_lines_of_a_library_are_dropped_and_our_own_are_not(capsys: pytest.CaptureFixture[str]) -> None:
    with logs_of_a_service(capsys) as lines:
        for attempt in range(3):
            logging.getLogger("aiokafka.conn").error("no connection to %s", f"broker-{attempt}")
            logging.getLogger("services.runtime.kafka.connection").error("no connection to %s", f"broker-{attempt}")
        logging.getLogger("aiokafka.conn").error("another thing")
    assert [line["event"] for line in lines if line["logger"].startswith("aiokafka")] == [
        "no connection to broker-0",
        "another thing",
    ]
    assert len([line for line in lines if line["logger"].startswith("services")]) == 3


def test_a_value_in_an_exception_is_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    log, library = telemetry.logger("services.toy"), logging.getLogger("uvicorn.error")
    with logs_of_a_service(capsys) as lines:
        try:
            raise KeyError("王小明")
        except KeyError as error:
            log.exception("the core failed", case_id="1")
            log.warning("it failed", error=error)
            library.exception("Exception in ASGI application")
    assert "王小明" not in str(lines).replace('raise KeyError("王小明")', ""), "but in the line of the program"
    assert lines[0]["exception"].endswith("KeyError") and "in test_a_value" in lines[0]["exception"]
    assert lines[1]["error"] == "KeyError"
    assert lines[2]["exception"].endswith("KeyError")


def test_a_command_logs_to_standard_error_without_values() -> None:
    program = """
from services.runtime import telemetry
def work(name):
    raise KeyError(name)
try:
    work("".join(("王", "小明")))
except KeyError as error:
    telemetry.logger("toy").exception("it failed", error=error)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout == ""
    assert "it failed" in ran.stderr and "KeyError" in ran.stderr and "王小明" not in ran.stderr


async def test_a_task_that_nobody_awaits_is_logged_without_its_values(capsys: pytest.CaptureFixture[str]) -> None:
    async def fail() -> None:
        raise KeyError("王小明")

    with logs_of_a_service(capsys) as lines:
        task = asyncio.create_task(fail())
        await asyncio.wait([task])
        future = asyncio.get_running_loop().create_future()
        future.set_exception(ValueError("王小明"))
        del task, future
        gc.collect()
        logging.getLogger("aiokafka").error("unexpected: %s", KeyError("王小明"))
        logging.getLogger("aiokafka").error("no answer after %(s)d s", {"s": 5})
    assert "王小明" not in str(lines).replace('raise KeyError("王小明")', ""), "but in the line of the program"
    events = [line["event"] for line in lines]
    assert {"Task exception was never retrieved", "Future exception was never retrieved"} < set(events)
    assert {"unexpected: KeyError", "no answer after 5 s"} < set(events)


def test_the_failure_that_ends_a_process_is_logged_without_values(capsys: pytest.CaptureFixture[str]) -> None:
    with (
        logs_of_a_service(capsys) as lines,
        pytest.raises(SystemExit) as ended,
        telemetry.failures_logged(),
    ):
        raise ValueError("王小明")
    assert ended.value.code == 1
    (line,) = lines
    assert (line["event"], line["level"]) == ("ended by a failure", "critical")
    assert line["exception"].endswith("ValueError")
    with pytest.raises(WrongSetting), telemetry.failures_logged():
        raise WrongSetting("ONEDOOR_X")


def test_no_level_makes_a_library_log_tokens(capsys: pytest.CaptureFixture[str]) -> None:
    """authlib writes every token that it issues to its log, at the lowest level."""
    with logs_of_a_service(capsys) as lines:
        telemetry.configure("toy", "1", "DEBUG")
        logging.getLogger("authlib.oauth2.rfc6749.grants.refresh_token").debug("Issue token %r", "secret")
        logging.getLogger("toy").debug("shown")
    assert [line["event"] for line in lines] == ["shown"]
