"""Which lines are logged, and how often."""

import json
import logging

import pytest

from services.runtime import telemetry


@pytest.fixture
def logs(capsys: pytest.CaptureFixture[str]) -> pytest.CaptureFixture[str]:
    return capsys


def test_repeated_lines_of_a_library_are_dropped_and_our_own_are_not(logs: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before = root.handlers, root.level
    try:
        telemetry.configure("toy", "1", "INFO")
        for attempt in range(3):
            logging.getLogger("aiokafka.conn").error("no connection to %s", f"broker-{attempt}")
            logging.getLogger("services.runtime.kafka.connection").error("no connection to %s", f"broker-{attempt}")
        logging.getLogger("aiokafka.conn").error("another thing")
    finally:
        root.handlers, level = before[0], before[1]
        root.setLevel(level)
    lines = [json.loads(line) for line in logs.readouterr().out.splitlines()]
    assert [line["event"] for line in lines if line["logger"].startswith("aiokafka")] == [
        "no connection to broker-0",
        "another thing",
    ]
    assert len([line for line in lines if line["logger"].startswith("services")]) == 3
