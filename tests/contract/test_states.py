"""States that lie in databases stay readable: those in ``states/`` were written by earlier versions of the cores.

A core may come to write its state in another way. Then a file is added here, and the old one stays.
"""

import json
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from contracts.core import Core
from contracts.envelope import Envelope, Message, TimerFired
from contracts.values import Value
from contracts.working_time.almanac import RegionalRules, almanac
from services.departments.sdk.core import handle as departments
from services.departments.sdk.core.messages import Submit
from services.departments.sdk.core.state import Tasks
from services.intake.core import handle as intake
from services.intake.core.state import Case
from services.monitor.core import handle as monitor
from services.monitor.core.state import MonitoredCase
from services.monitor.store.rule_store import shipped
from services.routing.core import handle as routing
from services.routing.core.state import RoutedCase
from tests.support.messages import at
from tests.support.scenario import enveloped

STATES = Path(__file__).parent / "states"
PLACES = RegionalRules(almanac())

CORES: dict[str, tuple[Core[Any], type[Value]]] = {
    "intake": (partial(intake.handle, PLACES), Case),
    "routing": (routing.handle, RoutedCase),
    "departments": (departments.handle, Tasks),
    "monitor": (partial(monitor.handle, shipped()), MonitoredCase),
}


def stored(service: str) -> Any:
    return CORES[service][1].model_validate_json((STATES / f"{service}.json").read_bytes())


def timer_fired() -> Envelope[Message]:
    return enveloped(TimerFired(), at("2026-03-10 10:01"))


@pytest.mark.parametrize("service", CORES)
def test_nothing_of_a_stored_state_is_lost(service: str) -> None:
    written = stored(service).model_dump_json(exclude_defaults=True)
    assert json.loads(written) == json.loads((STATES / f"{service}.json").read_text())


def test_intake_goes_on_from_a_stored_state() -> None:
    case = stored("intake")
    transition = intake.handle(PLACES, case, timer_fired())
    assert transition.out == (case.accepted,)
    assert transition.state.attempts == case.attempts + 1 == 3


def test_routing_goes_on_from_a_stored_state() -> None:
    transition = routing.handle(stored("routing"), timer_fired())
    assert [message.step for message in transition.out] == ["licence", "premises"]  # type: ignore[attr-defined]
    assert transition.state.attempts == 3


def test_a_department_goes_on_from_a_stored_state() -> None:
    tasks = stored("departments")
    transition = departments.handle(tasks, timer_fired())
    assert transition.call == Submit(task=tasks.tasks[0].request)
    assert transition.call_after == timedelta(hours=1)


def test_monitor_goes_on_from_a_stored_state() -> None:
    case = stored("monitor")
    transition = monitor.handle(shipped(), case, timer_fired())
    assert [type(message).__name__ for message in transition.out] == ["CaseStateRequested"]
    assert transition.state.request_count == case.request_count + 1 == 2
    assert transition.timer_at == datetime(2026, 3, 16, 9, 30, 0, 1, tzinfo=UTC)
