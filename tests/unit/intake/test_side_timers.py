"""Timers beside a case: published until monitor has confirmed them, and whenever it asks."""

from datetime import timedelta
from typing import Any

import pytest

from contracts.core import Rejected, Transition
from contracts.envelope import Message, TimerFired
from contracts.messages.commitments import CommitmentsOpened
from contracts.messages.side_timers import MAX_SIDE_TIMERS, SideTimer, SideTimersReported, SideTimersRequested
from services.intake.core.side_timers import EndTimer, StartTimer
from services.intake.core.state import Case
from tests.unit.intake.cases import accept, at, commitments, decided, envelope, handle, run
from tests.unit.intake.hosts import MemoryHost, client_of, post, problem


def start(commitment: str = "delivery", hours: float = 1) -> StartTimer:
    return StartTimer(timer=SideTimer(commitment=commitment, owner="Commerce", started_at=at(hours)))


def end(commitment: str = "delivery", hours: float = 3) -> EndTimer:
    return EndTimer(commitment=commitment, ended_at=at(hours))


def after(step: Transition[Case], message: Message, hours: float = 2) -> Transition[Case]:
    return handle(step.state, envelope(message, hours))


def confirmation(*change_ids: str) -> CommitmentsOpened:
    return CommitmentsOpened(commitments=(), change_ids=change_ids)


def report(step: Transition[Case]) -> SideTimersReported:
    (found,) = (message for message in step.out if isinstance(message, SideTimersReported))
    return found


def answered() -> Transition[Case]:
    """A decided case that monitor has confirmed: it is closed."""
    step = after(run(envelope(accept()), envelope(commitments())), decided(1), 1)
    assert step.closed
    return step


def test_a_timer_is_published_until_monitor_has_confirmed_it() -> None:
    step = after(answered(), start())
    assert [one.commitment for one in report(step).timers] == ["delivery"]
    assert not step.closed and step.retry_after is not None
    assert report(after(step, TimerFired())) == report(step)
    step = after(step, confirmation(report(step).change_id))
    assert (step.closed, step.retry_after) == (False, None), "the timer runs, and all is confirmed"


def test_the_end_of_a_timer_is_published_and_closes_the_case() -> None:
    step = after(answered(), start())
    first = report(step).change_id
    step = after(after(step, confirmation(first)), end())
    assert report(step).change_id != first
    assert [one.ended_at for one in report(step).timers] == [at(3)]
    assert not after(step, confirmation(first)).closed, "the end is not confirmed"
    assert after(step, confirmation(first, report(step).change_id)).closed


def test_the_timers_are_published_whenever_monitor_asks() -> None:
    step = after(run(envelope(accept())), start("complaint/1"))
    asked = after(step, SideTimersRequested())
    assert asked.state is step.state
    assert report(asked) == report(step)
    assert report(after(run(envelope(accept())), SideTimersRequested())).timers == ()


def test_the_same_command_again_changes_nothing() -> None:
    step = after(run(envelope(accept())), start())
    assert after(step, start()).state is step.state
    ended = after(step, end())
    assert after(ended, end()).state is ended.state
    assert after(ended, start()).state is ended.state, "an ended timer does not start again"


@pytest.mark.parametrize(
    ("before", "command", "reason"),
    [
        ((start(),), start(hours=2), "from another time"),
        ((), start(hours=-1), "before the case was accepted"),
        ((), end(), "no such timer"),
        ((start(),), end(hours=0.5), "before it starts"),
        ((start(), end()), end(hours=4), "at another time"),
        (tuple(start(f"complaint/{number}") for number in range(MAX_SIDE_TIMERS)), start(), "timers already"),
    ],
)
def test_an_illegal_command_is_refused_with_its_reason_in_both_languages(
    before: tuple[Message, ...], command: Message, reason: str
) -> None:
    step = run(envelope(accept()))
    for message in before:
        step = after(step, message)
    with pytest.raises(Rejected, match=reason) as refused:
        after(step, command)
    assert refused.value.why_zh


def test_other_commitments_are_no_side_timers() -> None:
    for commitment in ("case", "step/licence", "procedure/1", "nonsense"):
        with pytest.raises(ValueError, match=r"commitment|valid Kind|pattern"):
            SideTimer(commitment=commitment, owner="Commerce", started_at=at(1))


# -- over HTTP ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def process() -> MemoryHost:
    return MemoryHost()


@pytest.fixture
def case(process: MemoryHost) -> str:
    number: str = post(process).json()["number"]
    process.published.clear()
    return number


def send(process: MemoryHost, path: str, content: Any, **options: Any) -> Any:
    return client_of(process, **options).post(path, json=content)


def test_the_timer_of_a_complaint_starts_and_ends(process: MemoryHost, case: str) -> None:
    now = process.clock.now().isoformat()
    request = {"kind": "complaint", "reference": "12", "started_at": now}
    first, again = (send(process, f"/cases/{case}/timers", request) for _ in range(2))
    assert first.status_code == again.status_code == 201, first.text
    assert first.json() == again.json() == {"commitment": "complaint/12"}
    (published,) = process.published
    assert isinstance(published, SideTimersReported)
    (timer,) = published.timers
    assert (timer.owner, timer.limits) == (process.states[case].accepted.plan.lead_department, None)
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
    ],
)
def test_a_wrong_request_is_refused(process: MemoryHost, case: str, change: dict[str, Any], status: int) -> None:
    request = {"kind": "complaint", "reference": "12", "started_at": process.clock.now().isoformat()} | change
    assert problem(send(process, f"/cases/{case}/timers", request), status)


def test_a_moment_in_the_future_is_refused(process: MemoryHost, case: str) -> None:
    later = (process.clock.now() + timedelta(hours=1)).isoformat()
    refused = problem(send(process, f"/cases/{case}/timers", {"kind": "delivery", "started_at": later}), 409)
    assert refused["detail_zh"]


def test_only_staff_start_and_end_timers_and_only_of_known_cases(process: MemoryHost, case: str) -> None:
    request = {"kind": "delivery", "started_at": process.clock.now().isoformat()}
    for path in ("timers", "timers/end"):
        assert problem(send(process, f"/cases/{case}/{path}", request, host="203.0.113.9"), 403)
    assert problem(send(process, "/cases/0000-0000-0000-0/timers", request), 404)
    assert process.published == []
