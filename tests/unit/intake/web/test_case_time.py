"""Changes of the time of a case over HTTP."""

from datetime import timedelta
from typing import Any

import pytest

from contracts.messages.cases import CaseAccepted, CaseExtended, CaseRestarted, CaseSuspended, SuspensionKind
from contracts.messages.commitments import Cause, Commitment, CommitmentsMoved, Move, Pause
from services.intake.core.state import Case
from tests.support.runtime.fakes import MemoryHost
from tests.unit.intake.web.endpoints import client_of, intake, pass_time, post, problem, send

HOLD = {"kind": "hold", "reason": "等待上级批复", "article": "行政许可法第四十五条"}


def test_a_case_is_put_on_hold_and_resumed(process: MemoryHost[Case], case: str) -> None:
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


def test_the_same_request_with_the_same_moment_is_the_same_change(process: MemoryHost[Case], case: str) -> None:
    since = process.clock.now().isoformat()
    first, again = (send(process, f"/cases/{case}/suspensions", HOLD | {"since": since}) for _ in range(2))
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert len(process.published) == 1


def test_an_extension_needs_a_reason_and_the_time_of_notification(process: MemoryHost[Case], case: str) -> None:
    path, now = f"/cases/{case}/extension", process.clock.now()
    assert problem(send(process, path, {"days": 10, "reason": "案情复杂"}), 422)
    assert problem(send(process, path, {"days": 10, "reason": "", "notified_at": now.isoformat()}), 422)
    later = (now + timedelta(hours=1)).isoformat()
    assert problem(send(process, path, {"days": 10, "reason": "案情复杂", "notified_at": later}), 409)
    assert send(process, path, {"days": 10, "reason": "案情复杂", "notified_at": now.isoformat()}).status_code == 201
    assert [type(published) for published in process.published] == [CaseExtended]


SKEW = timedelta(seconds=5)

CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "suspensions": (HOLD, "since"),
    "extension": ({"days": 10, "reason": "案情复杂"}, "notified_at"),
    "restarts": ({"reason": "重新受理"}, "restarted_at"),
}
"""Each change of time that has a moment, and the field of the moment."""


@pytest.mark.parametrize("path", CHANGES)
@pytest.mark.parametrize("skew", [SKEW, -SKEW])
def test_the_moment_of_a_clock_that_differs_a_little_counts_as_the_possible_one(
    process: MemoryHost[Case], case: str, path: str, skew: timedelta
) -> None:
    request, field = CHANGES[path]
    now = process.clock.now()  # the moment of the acceptance, too
    sent = request | {field: (now + skew).isoformat()}
    first = send(process, f"/cases/{case}/{path}", sent)
    assert first.status_code == 201, first.text
    pass_time(process, timedelta(seconds=3))
    assert send(process, f"/cases/{case}/{path}", sent).json() == first.json(), "the same request is the same change"
    (published,) = process.published
    assert getattr(published, field) == now


def test_a_suspension_of_a_clock_that_is_fast_can_be_ended_by_one_that_is_slow(
    process: MemoryHost[Case], case: str
) -> None:
    pass_time(process, timedelta(hours=1))
    now = process.clock.now()
    begun = send(process, f"/cases/{case}/suspensions", HOLD | {"since": (now + SKEW).isoformat()})
    path = f"/cases/{case}/suspensions/{begun.json()['suspension']}/end"
    ended = send(process, path, {"reason": "已批复", "until": (now - SKEW).isoformat()})
    assert ended.status_code == 201, ended.text
    last = process.published[-1]
    assert isinstance(last, CaseSuspended)
    assert (last.since, last.until) == (now, now)


@pytest.mark.parametrize(("tolerance_s", "status"), [(4, 409), (5, 201), (0, 409)])
def test_the_tolerance_is_a_setting(tolerance_s: float, status: int) -> None:
    process = intake(clock_tolerance_s=tolerance_s)
    number = post(process).json()["number"]
    sent = HOLD | {"since": (process.clock.now() + SKEW).isoformat()}
    answer = send(process, f"/cases/{number}/suspensions", sent)
    assert answer.status_code == status
    if status == 409:
        refused = problem(answer, 409)
        assert process.clock.now().isoformat() in refused["detail"], "the sender can compare the clocks"
        assert process.clock.now().isoformat() in refused["detail_zh"]


def test_a_case_is_restarted(process: MemoryHost[Case], case: str) -> None:
    now = process.clock.now().isoformat()
    assert send(process, f"/cases/{case}/restarts", {"reason": "重新受理", "restarted_at": now}).status_code == 201
    assert [type(published) for published in process.published] == [CaseRestarted]


def test_only_staff_change_the_time_of_a_case(process: MemoryHost[Case], case: str) -> None:
    for path in ("suspensions", "suspensions/x/end", "extension", "restarts"):
        assert problem(send(process, f"/cases/{case}/{path}", HOLD, headers={}), 401)
    assert process.published == []


def test_an_unknown_case_is_not_found(process: MemoryHost[Case]) -> None:
    wanted = {"reason": "重新受理", "restarted_at": process.clock.now().isoformat()}
    assert problem(send(process, "/cases/0000-0000-0000-0/restarts", wanted), 404)


@pytest.mark.parametrize(
    "moment", ["0001-01-01T00:00:00+08:00", "1800-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "x", 7]
)
@pytest.mark.parametrize("path", ["suspensions", "restarts", "extension"])
def test_impossible_moments_are_refused(process: MemoryHost[Case], case: str, path: str, moment: object) -> None:
    fields = {"suspensions": {**HOLD, "since": moment}, "restarts": {"reason": "r", "restarted_at": moment}}
    fields["extension"] = {"reason": "r", "days": 10, "notified_at": moment}
    assert problem(send(process, f"/cases/{case}/{path}", fields[path]), 422)


@pytest.mark.parametrize("reason", ["", " ", "\n", "a\x00b", "x" * 2001])
def test_a_reason_has_visible_text(process: MemoryHost[Case], case: str, reason: str) -> None:
    assert problem(send(process, f"/cases/{case}/suspensions", HOLD | {"reason": reason}), 422)


def test_a_change_before_acceptance_is_refused(process: MemoryHost[Case], case: str) -> None:
    before = (process.clock.now() - timedelta(days=1)).isoformat()
    refused = problem(send(process, f"/cases/{case}/suspensions", HOLD | {"since": before}), 409)
    assert "before the case was accepted" in refused["detail"]


async def test_a_suspended_case_is_shown_without_the_reason(process: MemoryHost[Case]) -> None:
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
    assert shown["history"][-1]["event_zh"] == "暂停计时：暂停办理"
    assert HOLD["reason"] not in str(shown), "a reason may name people"
