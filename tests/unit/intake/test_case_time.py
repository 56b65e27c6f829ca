"""Changes of the time of a case by staff: recorded, published until confirmed, or refused."""

from datetime import timedelta
from typing import Any

import pytest

from contracts.core import Rejected, Transition, UnknownCase
from contracts.envelope import Message, TimerFired
from contracts.messages.cases import CaseAccepted, CaseExtended, CaseRestarted, CaseSuspended, SuspensionKind
from contracts.messages.commitments import Cause, Commitment, CommitmentsMoved, CommitmentsOpened, Move, Pause
from services.intake.core.case_time import MAX_TIME_CHANGES
from services.intake.core.state import Case
from tests.unit.intake.cases import accept, at, commitments, decided, envelope, handle, run
from tests.unit.intake.hosts import MemoryHost, client_of, post, problem

HOLD = {"kind": "hold", "reason": "等待上级批复", "article": "行政许可法第四十五条"}


def suspended(change: str = "c1", until: float | None = None, suspension: str = "s1") -> CaseSuspended:
    return CaseSuspended(
        change_id=change,
        suspension=suspension,
        kind=SuspensionKind.HOLD,
        reason="等待上级批复",
        since=at(1),
        until=at(until) if until is not None else None,
        recorded_at=at(until or 1),
    )


def extended(change: str = "e1") -> CaseExtended:
    return CaseExtended(change_id=change, days=10, reason="案情复杂", notified_at=at(1))


def after(step: Transition[Case], message: Message, hours: float = 1) -> Transition[Case]:
    return handle(step.state, envelope(message, hours))


def confirmation(change_ids: tuple[str, ...]) -> CommitmentsOpened:
    return CommitmentsOpened(commitments=(), change_ids=change_ids)


def test_a_change_is_published_again_until_monitor_has_confirmed_it() -> None:
    step = after(run(envelope(accept())), suspended())
    assert step.out == (suspended(),)
    again = after(step, TimerFired())
    assert again.out == (again.state.accepted, suspended())
    assert after(after(again, confirmation(())), TimerFired()).out[1:] == (suspended(),)
    answered = after(again, confirmation(("c1", "of-another-case")))
    assert answered.state.confirmed_changes == ("c1",)
    assert after(answered, TimerFired()).out == (answered.state.accepted,)


def test_a_decided_case_is_not_closed_while_a_change_is_unconfirmed() -> None:
    step = after(run(envelope(accept()), envelope(commitments())), suspended())
    step = after(step, decided(2), 2)
    assert (step.closed, step.retry_after is not None) == (False, True)
    assert after(step, confirmation(("c1",)), 3).closed


def test_the_same_change_twice_is_one() -> None:
    step = after(run(envelope(accept())), suspended())
    assert after(step, suspended()).state is step.state


@pytest.mark.parametrize(
    ("before", "change", "reason"),
    [
        ((suspended(),), suspended("c2", suspension="s2"), "suspended already"),
        ((), suspended("c2", until=3), "no such suspension"),
        ((suspended(), suspended("c2", until=3)), suspended("c3", until=4), "has ended"),
        ((extended(),), extended("e2"), "once only"),
        ((decided(1),), suspended(), "decided"),
        ((decided(1),), CaseRestarted(change_id="r1", reason="重新受理", restarted_at=at(2)), "decided"),
    ],
)
def test_an_illegal_change_is_refused_with_its_reason_in_both_languages(
    before: tuple[Message, ...], change: Message, reason: str
) -> None:
    step = run(envelope(accept()))
    for message in before:
        step = after(step, message)
    with pytest.raises(Rejected, match=reason) as refused:
        after(step, change)
    assert refused.value.why_zh


def test_another_suspension_may_begin_after_one_has_ended() -> None:
    step = run(envelope(accept()))
    for change in (suspended(), suspended("c2", until=3), suspended("c3", suspension="s2")):
        step = after(step, change)
    assert len(step.state.time_changes) == 3


def test_the_number_of_changes_is_limited() -> None:
    step = run(envelope(accept()))
    for number in range(MAX_TIME_CHANGES):
        step = after(step, CaseRestarted(change_id=f"r{number}", reason="重新受理", restarted_at=at(number)))
    with pytest.raises(Rejected, match="times already"):
        after(step, extended())


def test_a_suspension_may_end_beyond_the_limit() -> None:
    step = run(envelope(accept()))
    for number in range(MAX_TIME_CHANGES - 1):
        step = after(step, CaseRestarted(change_id=f"r{number}", reason="重新受理", restarted_at=at(number)))
    step = after(after(step, suspended()), suspended("c2", until=3))
    assert len(step.state.time_changes) == MAX_TIME_CHANGES + 1


def test_the_time_of_an_unknown_case_does_not_change() -> None:
    with pytest.raises(UnknownCase):
        handle(None, envelope(suspended()))


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


def test_a_case_is_put_on_hold_and_resumed(process: MemoryHost, case: str) -> None:
    answer = send(process, f"/cases/{case}/suspensions", HOLD)
    assert answer.status_code == 201, answer.text
    suspension = answer.json()["suspension"]
    (published,) = process.published
    assert isinstance(published, CaseSuspended)
    assert (published.kind, published.reason, published.until) == (SuspensionKind.HOLD, HOLD["reason"], None)
    conflict = problem(send(process, f"/cases/{case}/suspensions", HOLD | {"kind": "correction"}), 409)
    assert conflict["detail"] == "the case is suspended already" and conflict["detail_zh"]
    ended = send(process, f"/cases/{case}/suspensions/{suspension}/end", {"reason": "已批复"})
    assert ended.status_code == 201, ended.text
    assert isinstance(process.published[-1], CaseSuspended) and process.published[-1].until == process.clock.now()
    again = send(process, f"/cases/{case}/suspensions/{suspension}/end", {"reason": "又"})
    assert again.json() == ended.json() and len(process.published) == 2, "the same moment is the same change"
    assert problem(send(process, f"/cases/{case}/suspensions/other/end", {"reason": "又"}), 404)


def test_the_same_request_with_the_same_moment_is_the_same_change(process: MemoryHost, case: str) -> None:
    since = process.clock.now().isoformat()
    first, again = (send(process, f"/cases/{case}/suspensions", HOLD | {"since": since}) for _ in range(2))
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert len(process.published) == 1


def test_an_extension_needs_a_reason_and_the_time_of_notification(process: MemoryHost, case: str) -> None:
    path, now = f"/cases/{case}/extension", process.clock.now()
    assert problem(send(process, path, {"days": 10, "reason": "案情复杂"}), 422)
    assert problem(send(process, path, {"days": 10, "reason": "", "notified_at": now.isoformat()}), 422)
    later = (now + timedelta(hours=1)).isoformat()
    assert problem(send(process, path, {"days": 10, "reason": "案情复杂", "notified_at": later}), 409)
    assert send(process, path, {"days": 10, "reason": "案情复杂", "notified_at": now.isoformat()}).status_code == 201
    assert [type(published) for published in process.published] == [CaseExtended]


def test_a_case_is_restarted(process: MemoryHost, case: str) -> None:
    now = process.clock.now().isoformat()
    assert send(process, f"/cases/{case}/restarts", {"reason": "重新受理", "restarted_at": now}).status_code == 201
    assert [type(published) for published in process.published] == [CaseRestarted]


def test_only_staff_change_the_time_of_a_case(process: MemoryHost, case: str) -> None:
    for path in ("suspensions", "suspensions/x/end", "extension", "restarts"):
        assert problem(send(process, f"/cases/{case}/{path}", HOLD, host="203.0.113.9"), 403)
    assert process.published == []


def test_an_unknown_case_is_not_found(process: MemoryHost) -> None:
    wanted = {"reason": "重新受理", "restarted_at": process.clock.now().isoformat()}
    assert problem(send(process, "/cases/0000-0000-0000-0/restarts", wanted), 404)


@pytest.mark.parametrize(
    "moment", ["0001-01-01T00:00:00+08:00", "1800-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "x", 7]
)
@pytest.mark.parametrize("path", ["suspensions", "restarts", "extension"])
def test_impossible_moments_are_refused(process: MemoryHost, case: str, path: str, moment: object) -> None:
    fields = {"suspensions": {**HOLD, "since": moment}, "restarts": {"reason": "r", "restarted_at": moment}}
    fields["extension"] = {"reason": "r", "days": 10, "notified_at": moment}
    assert problem(send(process, f"/cases/{case}/{path}", fields[path]), 422)


@pytest.mark.parametrize("reason", ["", " ", "\n", "a\x00b", "x" * 2001])
def test_a_reason_has_visible_text(process: MemoryHost, case: str, reason: str) -> None:
    assert problem(send(process, f"/cases/{case}/suspensions", HOLD | {"reason": reason}), 422)


def test_a_change_before_acceptance_is_refused(process: MemoryHost, case: str) -> None:
    before = (process.clock.now() - timedelta(days=1)).isoformat()
    refused = problem(send(process, f"/cases/{case}/suspensions", HOLD | {"since": before}), 409)
    assert "before the case was accepted" in refused["detail"]


async def test_a_suspended_case_is_shown_without_the_reason(process: MemoryHost) -> None:
    receipt = post(process).json()
    number, secret = receipt["number"], receipt["secret"]
    send(process, f"/cases/{number}/suspensions", HOLD)
    (accepted,) = [published for published in process.published if isinstance(published, CaseAccepted)]
    due = accepted.accepted_at + timedelta(days=7)
    pause = Pause(since=process.clock.now(), left=5, unit="working days")
    paused = Commitment(
        key="case", owner="Land", opened_at=accepted.accepted_at, committed_due=due, statutory_due=due, pause=pause
    )
    move = Move(commitment=paused, committed_before=due, statutory_before=due)
    await process.command(number, CommitmentsMoved(moves=(move,), cause=Cause.SUSPENDED))
    shown = client_of(process).get(f"/cases/{number}", headers={"Case-Secret": secret}).json()
    assert shown["due"]["pause"] == {
        "since": pause.since.isoformat().replace("+00:00", "Z"),
        "left": 5,
        "unit": "working days",
    }
    assert shown["history"][-1]["event_zh"] == "中止计时：暂停办理"
    assert HOLD["reason"] not in str(shown), "a reason may name people"
