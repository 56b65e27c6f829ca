"""The clocks beside a case's own, as intake keeps them: said until monitor has heard, told when it asks."""

from datetime import timedelta
from typing import Any

import pytest

from contracts.core import Rejected, Step
from contracts.envelope import Message, TimerFired
from contracts.messages.commitments import CommitmentsOpened
from contracts.messages.side_timers import MAX_SIDE_TIMERS, SideTimer, SideTimersReported, SideTimersRequested
from services.intake.core.side_timers import EndTimer, StartTimer
from services.intake.core.state import Case
from tests.unit.intake.cases import accept, at, commitments, decided, envelope, handle, run
from tests.unit.intake.hosts import MemoryHost, client_of
from tests.unit.intake.test_api import post, problem


def begin(commitment: str = "delivery", hours: float = 1) -> StartTimer:
    return StartTimer(timer=SideTimer(commitment=commitment, owner="Commerce", started_at=at(hours)))


def end(commitment: str = "delivery", hours: float = 3) -> EndTimer:
    return EndTimer(commitment=commitment, ended_at=at(hours))


def told(step: Step[Case], message: Message, hours: float = 2) -> Step[Case]:
    return handle(step.state, envelope(message, hours))


def monitor_heard(*words: str) -> CommitmentsOpened:
    return CommitmentsOpened(commitments=(), change_ids=words)


def report(step: Step[Case]) -> SideTimersReported:
    (found,) = (said for said in step.out if isinstance(said, SideTimersReported))
    return found


def answered() -> Step[Case]:
    """A decided case of which monitor knows: closed."""
    step = told(run(envelope(accept()), envelope(commitments())), decided(1), 1)
    assert step.closed
    return step


def test_a_clock_is_reported_until_monitor_has_heard_of_it() -> None:
    step = told(answered(), begin())
    assert [one.commitment for one in report(step).timers] == ["delivery"]
    assert not step.closed and step.retry_after is not None
    assert report(told(step, TimerFired())) == report(step)
    step = told(step, monitor_heard(report(step).change_id))
    assert (step.closed, step.retry_after) == (False, None), "it runs on, and nothing is left to be asked"


def test_its_end_is_reported_too_and_then_the_case_is_closed() -> None:
    step = told(answered(), begin())
    first = report(step).change_id
    step = told(told(step, monitor_heard(first)), end())
    assert report(step).change_id != first
    assert [one.ended_at for one in report(step).timers] == [at(3)]
    assert not told(step, monitor_heard(first)).closed, "of the end monitor has not heard"
    assert told(step, monitor_heard(first, report(step).change_id)).closed


def test_monitor_is_told_the_present_truth_whenever_it_asks() -> None:
    step = told(run(envelope(accept())), begin("complaint/1"))
    asked = told(step, SideTimersRequested())
    assert asked.state is step.state
    assert report(asked) == report(step)
    assert report(told(run(envelope(accept())), SideTimersRequested())).timers == ()


def test_the_same_again_changes_nothing() -> None:
    step = told(run(envelope(accept())), begin())
    assert told(step, begin()).state is step.state
    ended = told(step, end())
    assert told(ended, end()).state is ended.state
    assert told(ended, begin()).state is ended.state, "what has ended does not begin again"


@pytest.mark.parametrize(
    ("before", "command", "why"),
    [
        ((begin(),), begin(hours=2), "from another time"),
        ((), begin(hours=-1), "before the case was accepted"),
        ((), end(), "no such timer"),
        ((begin(),), end(hours=0.5), "before it starts"),
        ((begin(), end()), end(hours=4), "at another time"),
        (tuple(begin(f"complaint/{number}") for number in range(MAX_SIDE_TIMERS)), begin(), "timers already"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason_in_both_languages(
    before: tuple[Message, ...], command: Message, why: str
) -> None:
    step = run(envelope(accept()))
    for message in before:
        step = told(step, message)
    with pytest.raises(Rejected, match=why) as refused:
        told(step, command)
    assert refused.value.why_zh


def test_a_commitment_of_routings_is_no_clock_of_intakes() -> None:
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


def test_a_complaint_has_a_clock_from_beginning_to_end(process: MemoryHost, case: str) -> None:
    now = process.clock.now().isoformat()
    wanted = {"kind": "complaint", "reference": "12", "started_at": now}
    first, again = (send(process, f"/cases/{case}/timers", wanted) for _ in range(2))
    assert first.status_code == again.status_code == 201, first.text
    assert first.json() == again.json() == {"commitment": "complaint/12"}
    (said,) = process.published
    assert isinstance(said, SideTimersReported)
    (clock,) = said.timers
    assert (clock.owner, clock.limits) == (process.states[case].accepted.plan.lead_department, None)
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
    wanted = {"kind": "complaint", "reference": "12", "started_at": process.clock.now().isoformat()} | change
    assert problem(send(process, f"/cases/{case}/timers", wanted), status)


def test_what_has_not_happened_is_not_known(process: MemoryHost, case: str) -> None:
    later = (process.clock.now() + timedelta(hours=1)).isoformat()
    refused = problem(send(process, f"/cases/{case}/timers", {"kind": "delivery", "started_at": later}), 409)
    assert refused["detail_zh"]


def test_only_staff_begin_and_end_clocks_and_only_of_cases_there_are(process: MemoryHost, case: str) -> None:
    wanted = {"kind": "delivery", "started_at": process.clock.now().isoformat()}
    for path in ("timers", "timers/end"):
        assert problem(send(process, f"/cases/{case}/{path}", wanted, host="203.0.113.9"), 403)
    assert problem(send(process, "/cases/0000-0000-0000-0/timers", wanted), 404)
    assert process.published == []
