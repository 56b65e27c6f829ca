"""Timers beside a case over HTTP."""

from datetime import timedelta
from typing import Any

import pytest

from contracts.messages.side_timers import SideTimersReported
from services.intake.core.state import Case
from tests.support.runtime.fakes import MemoryHost
from tests.unit.intake.web.endpoints import pass_time, problem, send

LONG_AGO = "2025-01-01T00:00:00Z"


def test_the_timer_of_a_complaint_starts_and_ends(process: MemoryHost[Case], case: str) -> None:
    now = process.clock.now().isoformat()
    request = {"kind": "complaint", "reference": "12", "started_at": now}
    first, again = (
        send(process, f"/cases/{case}/timers", request | {"reference": reference}) for reference in ("12", "１２")
    )
    assert first.status_code == again.status_code == 201, first.text
    assert first.json() == again.json() == {"commitment": "complaint/12"}
    (published,) = process.published
    assert isinstance(published, SideTimersReported)
    (timer,) = published.timers
    state = process.state_of(case)
    assert state is not None
    assert (timer.owner, timer.limits) == (state.accepted.plan.lead_department, None)
    done = send(process, f"/cases/{case}/timers/end", {"commitment": "complaint/12", "ended_at": now})
    assert done.status_code == 201, done.text
    assert problem(send(process, f"/cases/{case}/timers/end", {"commitment": "delivery", "ended_at": now}), 409)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"reference": None}, 422),
        ({"kind": "case"}, 422),
        ({"reference": "a/b"}, 422),
        ({"started_at": "later"}, 422),
        ({"started_at": None}, 422),
        ({"limits": {"committed": {"working_days": True}, "statutory": {"working_days": 5}}}, 422),
        ({"limits": {"committed": {"working_days": 9}, "statutory": {"working_days": 5}}}, 422),
        ({"limits": {"committed": {"due_at": LONG_AGO}, "statutory": {"working_days": 5}}}, 422),
    ],
)
def test_a_wrong_request_is_refused(process: MemoryHost[Case], case: str, change: dict[str, Any], status: int) -> None:
    request = {"kind": "complaint", "reference": "12", "started_at": process.clock.now().isoformat()} | change
    assert problem(send(process, f"/cases/{case}/timers", request), status)


def test_a_moment_in_the_future_is_refused(process: MemoryHost[Case], case: str) -> None:
    later = (process.clock.now() + timedelta(hours=1)).isoformat()
    refused = problem(send(process, f"/cases/{case}/timers", {"kind": "delivery", "started_at": later}), 409)
    assert refused["detail_zh"]


@pytest.mark.parametrize("skew", [timedelta(seconds=5), timedelta(seconds=-5)])
def test_the_moment_of_a_clock_that_differs_a_little_counts_as_the_possible_one(
    process: MemoryHost[Case], case: str, skew: timedelta
) -> None:
    now = process.clock.now()  # the moment of the acceptance, too
    start = {"kind": "delivery", "started_at": (now + skew).isoformat()}
    end = {"commitment": "delivery", "ended_at": (now + skew).isoformat()}
    for path, request in (("timers", start), ("timers/end", end)):
        first = send(process, f"/cases/{case}/{path}", request)
        pass_time(process, timedelta(seconds=1))
        again = send(process, f"/cases/{case}/{path}", request)
        assert first.status_code == again.status_code == 201, (path, first.text, again.text)
    started, ended = process.published
    assert isinstance(started, SideTimersReported) and isinstance(ended, SideTimersReported)
    assert started.timers[0].started_at == now
    ended_at = ended.timers[0].ended_at
    assert ended_at is not None and now <= ended_at <= now + timedelta(seconds=1)


def test_a_timer_of_another_time_is_another_timer(process: MemoryHost[Case], case: str) -> None:
    pass_time(process, timedelta(hours=2))
    now = process.clock.now()
    for hours, status in ((2, 201), (1, 409)):
        started_at = (now - timedelta(hours=hours)).isoformat()
        answer = send(process, f"/cases/{case}/timers", {"kind": "delivery", "started_at": started_at})
        assert answer.status_code == status, answer.text
    for hours, status in ((1, 201), (0, 409)):
        ended_at = (now - timedelta(hours=hours)).isoformat()
        answer = send(process, f"/cases/{case}/timers/end", {"commitment": "delivery", "ended_at": ended_at})
        assert answer.status_code == status, answer.text


def test_only_staff_start_and_end_timers_and_only_of_known_cases(process: MemoryHost[Case], case: str) -> None:
    request = {"kind": "delivery", "started_at": process.clock.now().isoformat()}
    for path in ("timers", "timers/end"):
        assert problem(send(process, f"/cases/{case}/{path}", request, headers={}), 401)
    assert problem(send(process, "/cases/0000-0000-0000-0/timers", request), 404)
    assert process.published == []
