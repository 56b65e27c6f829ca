"""Alerts, platform issues and commitments over HTTP, on a real PostgreSQL."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from contracts.envelope import Message, TimerFired
from contracts.messages.alerts import AlertWithdrawn, Rung
from contracts.messages.cases import StepState
from contracts.messages.side_timers import SideTimer, SideTimersReported
from services.monitor.store.projection import project
from tests.support.messages import MONDAY, at, limits, report
from tests.support.monitor_histories import (
    BUSINESS,
    CASE_RED,
    INSTANT,
    REPORTED_OPEN,
    STEP_YELLOW,
    business,
    changed_rules,
)
from tests.support.monitor_process import MonitorProcess, alert_raised, number
from tests.support.scenario import enveloped
from tests.support.staff import TOKEN

GOOD, LATE, WITHDRAWN, OPEN = map(number, range(1, 5))
PROCEDURE = "procedure/commerce/licence/P1"
CARD_AT, LATER = STEP_YELLOW + INSTANT, STEP_YELLOW + timedelta(hours=1)


@pytest.fixture
async def four_cases(monitor: MonitorProcess) -> MonitorProcess:
    """Four cases: one in time, one late in everything, one whose card was withdrawn, and one open."""
    for case in (GOOD, LATE, WITHDRAWN, OPEN):
        await monitor.process_messages(case, BUSINESS.accepted(MONDAY), BUSINESS.delivered("licence", MONDAY))
    done = BUSINESS.done("licence", MONDAY, delivered_at=MONDAY)
    messages: list[tuple[str, Message, datetime]] = [
        (GOOD, done, MONDAY),
        (OPEN, done, MONDAY),
        (WITHDRAWN, TimerFired(), CARD_AT),
        (WITHDRAWN, REPORTED_OPEN, CARD_AT),
        (GOOD, BUSINESS.decided(at("2026-03-04 12:00")), at("2026-03-04 12:00")),
        (WITHDRAWN, BUSINESS.done("licence", STEP_YELLOW, delivered_at=MONDAY), at("2026-03-06 11:00")),
        (LATE, BUSINESS.decided(CASE_RED + INSTANT), CASE_RED + INSTANT),
    ]
    for case, message, time in messages:
        await monitor.process_messages(case, message, time=time)
    return monitor


def names(alerts: list[Any]) -> list[tuple[str, str, str]]:
    return [(alert["case_id"], alert["commitment"], alert["rung"]) for alert in alerts]


async def test_alerts_are_listed_by_filters_and_pages(four_cases: MonitorProcess) -> None:
    page = await four_cases.get("/alerts")
    assert sorted(names(page["alerts"])) == sorted(
        [(LATE, key, rung) for key in ("case", "step/licence") for rung in ("warning", "yellow", "red")]
        + [(WITHDRAWN, "step/licence", "warning"), (WITHDRAWN, "step/licence", "yellow")]
    )
    times = [alert["raised_at"] for alert in page["alerts"]]
    assert times == sorted(times, reverse=True)
    assert page["next"] is None
    (card,) = (await four_cases.get("/alerts", case=WITHDRAWN, rung="yellow"))["alerts"]
    assert card["withdrawn_at"] is not None
    assert card["reason"] == "answered in time; the answer was late on its way"
    typed = WITHDRAWN.replace("-", "－").lower()
    assert (await four_cases.get("/alerts", case=typed, rung="yellow"))["alerts"] == [card]
    by_owner = await four_cases.get("/alerts", owner="Commerce", since=CASE_RED.isoformat())
    assert [name[1] for name in names(by_owner["alerts"])] == ["case", "case", "case"]
    assert (await four_cases.get("/alerts", matter="another"))["alerts"] == []
    assert (await four_cases.get("/alerts", region="99"))["alerts"] == []
    assert (await four_cases.get("/alerts", region=card["region"][:2], case=WITHDRAWN, rung="yellow"))["alerts"] == [
        card
    ]
    assert await four_cases.walk("/alerts", "alerts", limit=3) == page["alerts"]


async def test_commitments(four_cases: MonitorProcess) -> None:
    summary = await four_cases.get("/commitments")
    assert summary == {"cases_open": 2, "cases_closed": 2, "due_now": summary["due_now"]}
    late = await four_cases.get(f"/commitments/{LATE}")
    assert late["matter"] == "start-business"
    assert [(c["key"], len(c["raised"])) for c in late["commitments"]] == [("case", 3), ("step/licence", 3)]
    assert late["commitments"][0]["answered_at"] == "2026-03-16T09:30:00.000001Z"


async def test_an_explanation_is_data_text_or_a_picture(four_cases: MonitorProcess) -> None:
    path = f"/commitments/{OPEN}/explanation"
    for commitment in (await four_cases.get(f"/commitments/{OPEN}"))["commitments"]:
        for limit, due in (("committed", "committed_due"), ("statutory", "statutory_due")):
            explanation = await four_cases.get(path, commitment=commitment["key"], limit=limit)
            assert explanation["due_at"] == commitment[due], "the explanation agrees with the deadline"
            assert sum(day["counted"] for day in explanation["days"]) == explanation["amount"]
    words = await four_cases.http.get(path, params={"form": "text", "language": "en"})
    assert words.headers["content-type"].startswith("text/plain") and "Due: Mon 2026-03-09 17:30" in words.text
    picture = await four_cases.http.get(path, params={"form": "picture"})
    assert picture.headers["content-type"] == "image/svg+xml" and picture.text.startswith("<svg")
    unknown = await four_cases.http.get(path, params={"commitment": "step/none"})
    assert unknown.status_code == 404


async def test_a_suspension_that_moves_nothing_is_shown(monitor: MonitorProcess) -> None:
    fixed = business(whole=limits(CASE_RED, CASE_RED))
    await monitor.process_messages(GOOD, fixed.accepted(MONDAY), time=MONDAY)
    await monitor.process_messages(GOOD, fixed.suspended("licence", "P1", MONDAY), time=MONDAY)
    case, *others = (await monitor.get(f"/commitments/{GOOD}"))["commitments"]
    assert [(one["since"], one["until"]) for one in case["without_effect"]] == [("2026-03-02T02:00:00Z", None)]
    assert not any(one["without_effect"] for one in others)
    words = await monitor.http.get(f"/commitments/{GOOD}/explanation", params={"form": "text", "language": "en"})
    assert "Not moved by the suspension since Mon 2026-03-02 10:00" in words.text


@pytest.mark.parametrize("kind", ["acceptance", "notice", "delivery", "complaint/1", "consultation/1"])
async def test_a_limit_of_the_rules_is_explained_too(monitor: MonitorProcess, kind: str) -> None:
    timer = SideTimer(commitment=kind, owner="Commerce", started_at=MONDAY)
    report = SideTimersReported(change_id="timers-1", matter="start-business", region="440305", timers=(timer,))
    await monitor.process_messages(GOOD, report, time=MONDAY)
    (commitment,) = (await monitor.get(f"/commitments/{GOOD}"))["commitments"]
    path = f"/commitments/{GOOD}/explanation"
    for limit, due in (("committed", "committed_due"), ("statutory", "statutory_due")):
        explanation = await monitor.get(path, commitment=kind, limit=limit)
        assert explanation["due_at"] == commitment[due], "the explanation agrees with the deadline"
        assert sum(day["counted"] for day in explanation["days"]) == explanation["amount"] > 0


async def test_an_explanation_that_is_missing_says_why(four_cases: MonitorProcess) -> None:
    path = f"/commitments/{OPEN}/explanation"
    await four_cases.process_messages(OPEN, BUSINESS.suspended("licence", "P1", MONDAY), time=MONDAY)
    for key, kind in (("notice", "no-such-commitment"), (PROCEDURE, "no-deadline")):
        answer = await four_cases.http.get(path, params={"commitment": key})
        assert (answer.status_code, answer.json()["type"]) == (404, f"urn:onedoor:problem:{kind}")
        assert answer.json()["title_zh"]


async def test_wrong_requests(monitor: MonitorProcess) -> None:
    for path, status in [
        ("/alerts?rung=blue", 422),
        ("/alerts?after=nonsense", 422),
        ("/alerts?after=0", 422),
        (f"/alerts?after={2**63}", 422),
        ("/alerts?colour=red", 422),
        ("/alerts?limit=0", 422),
        ("/commitments/nonsense", 422),
        (f"/commitments/{GOOD}", 404),
        (f"/commitments/{GOOD}/explanation", 404),
        (f"/commitments/{GOOD}/explanation?form=song", 422),
    ]:
        answer = await monitor.http.get(path)
        assert (path, answer.status_code) == (path, status)
        assert answer.headers["content-type"] == "application/problem+json"


async def test_only_staff_is_answered(monitor: MonitorProcess) -> None:
    paths = (
        "/alerts",
        "/platform-issues",
        "/commitments",
        f"/commitments/{GOOD}",
        f"/commitments/{GOOD}/explanation",
        "/board",
    )
    async with monitor.client({}) as http:
        assert {(await http.get(path)).status_code for path in paths} == {401}
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}):
            answer = await http.get("/alerts", headers=headers)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] in ("Bearer", 'Bearer error="invalid_token"')
    assert (await monitor.http.get("/alerts")).status_code == 200


async def test_a_repeated_alert_is_one_row_and_statements_do_not_grow(monitor: MonitorProcess) -> None:
    withdrawn = AlertWithdrawn(commitment="case", rung=Rung.RED, reason="in time", withdrawn_at=CASE_RED)
    alerts = [(case, message) for case in range(200) for message in (alert_raised(CASE_RED, Rung.RED), withdrawn)]
    assert len(project([enveloped(message, CASE_RED, number(case)) for case, message in alerts])) == 2
    for _ in range(2):
        await monitor.publish(*alerts)
    page = await monitor.get("/alerts", limit=1000)
    assert len(page["alerts"]) == 200
    assert all(alert["withdrawn_at"] for alert in page["alerts"])


async def test_alerts_of_a_procedure_that_goes_on_are_open_again(monitor: MonitorProcess) -> None:
    rules = changed_rules(("limits:\n", "limits:\n  - {kinds: [procedure], committed: {working_days: 1}}\n"))
    await monitor.put_rules(rules.rule_set)
    began_at, due_at, later = (at(f"2026-03-0{day} 10:00") for day in (3, 4, 6))
    ended_at = due_at + timedelta(hours=2)
    procedure = BUSINESS.suspended("licence", "P1", began_at)
    ended = procedure.replace(until=ended_at, reported_at=ended_at)
    goes_on = procedure.replace(reported_at=ended_at + INSTANT)
    await monitor.process_messages(OPEN, BUSINESS.accepted(MONDAY), BUSINESS.delivered("licence", MONDAY))
    await monitor.process_messages(OPEN, procedure, time=began_at)
    await monitor.process_messages(OPEN, TimerFired(), time=due_at)

    async def warning() -> Any:
        (alert,) = await monitor.rows(
            "SELECT ended_at, last_event, notify_at FROM alerts WHERE commitment = :key", key=PROCEDURE
        )
        return alert

    await monitor.process_messages(OPEN, ended, time=ended_at)
    assert await warning() == (ended_at, "closed", None)
    await monitor.process_messages(OPEN, goes_on, time=later)
    assert await warning() == (None, "reopened", later), "it escalates again"
    (listed,) = [one for one in (await monitor.get("/alerts"))["alerts"] if one["commitment"] == PROCEDURE]
    assert listed["ended_at"] is None
    again = ended.replace(reported_at=ended_at + 2 * INSTANT)
    await monitor.process_messages(
        OPEN, again, goes_on.replace(reported_at=later), again.replace(reported_at=later + INSTANT)
    )
    assert await warning() == (ended_at, "closed", None), "of several in one batch the last counts"


async def test_platform_issues_are_listed_until_they_are_settled(monitor: MonitorProcess) -> None:
    await monitor.process_messages(OPEN, BUSINESS.accepted(MONDAY))
    await monitor.process_messages(OPEN, TimerFired(), time=CARD_AT)
    undelivered = BUSINESS.reported(report("licence", StepState.REQUESTED, MONDAY))
    await monitor.process_messages(OPEN, undelivered, time=LATER)
    (listed,) = await monitor.get("/platform-issues")
    assert (listed["case_id"], listed["commitment"], listed["issue"]) == (OPEN, "step/licence", "undelivered")
    assert listed["settled_at"] is None
    delivered_at = LATER + INSTANT
    await monitor.process_messages(OPEN, BUSINESS.delivered("licence", delivered_at), time=delivered_at)
    assert await monitor.get("/platform-issues") == []
    (settled,) = await monitor.get("/platform-issues", unsettled=False)
    assert datetime.fromisoformat(settled["settled_at"]) == delivered_at
    alerts = (await monitor.get("/alerts"))["alerts"]
    assert {alert["rung"] for alert in alerts} == {"warning"}, "the department is issued no card"
