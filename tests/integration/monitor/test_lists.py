"""What monitor writes beside its states, and shows by HTTP: on a real PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
from pydantic import SecretStr

from contracts.envelope import Message, TimerFired, envelop
from contracts.messages.alerts import AlertRaised, AlertWithdrawn, Rung
from contracts.messages.cases import StepState
from services.monitor.app import SERVICE
from services.monitor.core.state import MonitoredCase
from services.monitor.store.projection import project
from services.runtime.batch.message import InboundMessage
from services.runtime.batch.processor import BatchProcessor
from services.runtime.clock import SystemClock
from services.runtime.http.app import application
from services.runtime.process import ServiceProcess
from services.runtime.store.database import DedicatedConnection
from services.runtime.store.outbox import OutboxMessage
from tests.support.monitor_histories import accepted, at, decided, delivered, done, report, reported

MONDAY = at("2026-03-02 10:00")
STEP_YELLOW = at("2026-03-03 17:30")
CASE_YELLOW = at("2026-03-09 17:30")
CASE_RED = at("2026-03-16 17:30")
INSTANT = timedelta(microseconds=1)
GOOD, LATE, WITHDRAWN, OPEN = (f"0000-0000-000{letter}-1" for letter in "ABCD")
TOKEN = "a token of sixteen or more"

History = tuple[str, Message, datetime]


def histories() -> list[History]:
    """Four cases: one in time, one late in everything, one whose card was withdrawn, and one open."""
    begun = [
        (case, published, MONDAY)
        for case in (GOOD, LATE, WITHDRAWN, OPEN)
        for published in (BUSINESS.accepted(MONDAY), BUSINESS.delivered("licence", MONDAY))
    ]
    ask_at = STEP_YELLOW + INSTANT
    still_open = BUSINESS.reported(report("licence", StepState.DELIVERED, MONDAY))
    friday = at("2026-03-06 11:00")
    return [
        *begun,
        (GOOD, BUSINESS.done("licence", MONDAY), MONDAY),
        (GOOD, BUSINESS.decided(at("2026-03-04 12:00")), MONDAY),
        (LATE, BUSINESS.decided(CASE_RED + INSTANT), CASE_RED + INSTANT),
        (WITHDRAWN, TimerFired(), ask_at),
        (WITHDRAWN, still_open, ask_at),
        (WITHDRAWN, BUSINESS.done("licence", STEP_YELLOW), friday),
        (OPEN, BUSINESS.done("licence", MONDAY), MONDAY),
    ]


async def process_messages(process: ServiceProcess[MonitoredCase], messages: Sequence[History]) -> None:
    async def publish(published: Sequence[OutboxMessage]) -> Sequence[OutboxMessage]:
        return published

    batches = BatchProcessor(SERVICE, process.database, SystemClock(), publish)
    for case, message, said_at in sorted(messages, key=lambda one: one[2]):  # each when it was published
        await batches.run([InboundMessage(envelop(message, id=uuid4(), source="/test", subject=case, time=said_at))])
    await batches.drain()


def client(process: ServiceProcess[MonitoredCase], host: str = "127.0.0.1", **options: Any) -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(application(process.service, process, process.faults), client=(host, 4711))
    return httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000", **options)


def names(page: Any) -> list[tuple[str, str, str]]:
    return [(alert["case_id"], alert["commitment"], alert["rung"]) for alert in page["alerts"]]


async def test_alerts_commitments_and_statistics(process: ServiceProcess[MonitoredCase]) -> None:
    await process_messages(process, histories())
    async with client(process) as http:
        page = (await http.get("/alerts")).json()
        assert sorted(names(page)) == sorted(
            [(LATE, key, rung) for key in ("case", "step/licence") for rung in ("warning", "yellow", "red")]
            + [(WITHDRAWN, "step/licence", "warning"), (WITHDRAWN, "step/licence", "yellow")]
        )
        times = [alert["raised_at"] for alert in page["alerts"]]
        assert times == sorted(times, reverse=True)
        assert page["next"] is None
        (card,) = (await http.get("/alerts", params={"case": WITHDRAWN, "rung": "yellow"})).json()["alerts"]
        assert card["withdrawn_at"] is not None
        assert card["reason"] == "answered in time; the answer was late on its way"

        by_owner = (await http.get("/alerts", params={"owner": "Commerce", "since": CASE_RED.isoformat()})).json()
        assert [name[1] for name in names(by_owner)] == ["case", "case", "case"]
        assert names((await http.get("/alerts", params={"matter": "another"})).json()) == []

        walked = []
        cursor: dict[str, str] = {}
        while True:
            part = (await http.get("/alerts", params={"limit": "3", **cursor})).json()
            walked += names(part)
            if part["next"] is None:
                break
            cursor = {"after": part["next"]}
        assert walked == names(page)

        summary = (await http.get("/commitments")).json()
        assert summary == {"cases_open": 2, "cases_closed": 2, "due_now": summary["due_now"]}

        late = (await http.get(f"/commitments/{LATE}")).json()
        assert late["matter"] == "start-business"
        assert [(c["key"], len(c["raised"])) for c in late["commitments"]] == [("case", 3), ("step/licence", 3)]
        assert late["commitments"][0]["answered_at"] == "2026-03-16T09:30:00.000001Z"

        figures = (await http.get("/statistics")).json()
    whole = {"accepted": 4, "decided": 2, "on_time": 1, "late": 1, "warned": 1, "yellow": 1, "red": 1, "oversight": 0}
    # Two working days for the good one, ten for the late one.
    assert figures["total"] == {**whole, "mean_working_days": 6.0}
    case, step = figures["rows"]
    assert case == {**whole, "mean_working_days": 6.0, "kind": "case", "owner": "Commerce", "matter": "start-business"}
    steps = {"accepted": 4, "decided": 4, "on_time": 3, "late": 1, "warned": 2, "yellow": 1, "red": 1, "oversight": 0}
    assert step == {
        **steps,
        "mean_working_days": 2.75,
        "kind": "step",
        "owner": "Market office",
        "matter": "start-business",
    }


async def test_an_explanation_is_data_text_or_a_picture(
    process: ServiceProcess[MonitoredCase],
) -> None:
    await process_messages(process, histories())
    async with client(process) as http:
        held = (await http.get(f"/commitments/{OPEN}")).json()["commitments"]
        for commitment in held:
            for limit, due in (("committed", "committed_due"), ("statutory", "statutory_due")):
                asked = {"commitment": commitment["key"], "limit": limit}
                derivation = (await http.get(f"/commitments/{OPEN}/explanation", params=asked)).json()
                assert derivation["due_at"] == commitment[due], "the explanation agrees with the deadline"
                assert sum(day["counted"] for day in derivation["days"]) == derivation["amount"]
        words = await http.get(f"/commitments/{OPEN}/explanation", params={"form": "text", "language": "en"})
        assert words.headers["content-type"].startswith("text/plain") and "Due: Mon 2026-03-09 17:30" in words.text
        picture = await http.get(f"/commitments/{OPEN}/explanation", params={"form": "picture"})
        assert picture.headers["content-type"] == "image/svg+xml" and picture.text.startswith("<svg")
        unknown = await http.get(f"/commitments/{OPEN}/explanation", params={"commitment": "step/none"})
        assert unknown.status_code == 404


async def test_statistics_without_cases(process: ServiceProcess[MonitoredCase]) -> None:
    async with client(process) as http:
        figures = (await http.get("/statistics")).json()
    assert figures["rows"] == []
    assert figures["total"]["accepted"] == 0
    assert figures["total"]["mean_working_days"] is None


async def test_wrong_requests(process: ServiceProcess[MonitoredCase]) -> None:
    async with client(process) as http:
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
            answer = await http.get(path)
            assert (path, answer.status_code) == (path, status)
            assert answer.headers["content-type"] == "application/problem+json"


async def test_only_staff_is_answered(process: ServiceProcess[MonitoredCase]) -> None:
    paths = ("/alerts", "/commitments", f"/commitments/{GOOD}", f"/commitments/{GOOD}/explanation", "/statistics")
    async with client(process, host="192.0.2.7") as http:
        assert {(await http.get(path)).status_code for path in paths} == {403}
    async with client(process, headers={"Host": "attacker.example"}) as http:
        assert {(await http.get(path)).status_code for path in paths} == {403}
    process.settings = process.settings.model_copy(update={"api_token": SecretStr(TOKEN)})
    async with client(process) as http:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}):
            answer = await http.get("/alerts", headers=headers)
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    async with client(process, host="192.0.2.7", headers={"Authorization": f"Bearer {TOKEN}"}) as http:
        assert (await http.get("/alerts")).status_code == 200


async def test_a_repeated_alert_is_one_row_and_statements_do_not_grow(
    process: ServiceProcess[MonitoredCase],
) -> None:
    def alerts(case: int) -> list[Message]:
        raised = AlertRaised(
            commitment="case",
            rung=Rung.RED,
            owner="Commerce",
            matter="start-business",
            region="440305",
            due_at=CASE_RED,
            raised_at=CASE_RED + timedelta(seconds=case),
        )
        return [raised, AlertWithdrawn(commitment="case", rung=Rung.RED, reason="in time", withdrawn_at=CASE_RED)]

    published = [
        envelop(message, id=UUID(int=case), source="/test", subject=f"0000-0000-{case:04}-1", time=CASE_RED)
        for case in range(200)
        for message in alerts(case)
    ]
    statements = project(published)
    assert len(statements) == 2
    line = DedicatedConnection(process.database)
    async with line.acquire() as driver:
        for statement, arguments in (*statements, *statements):
            await driver.execute(statement, *arguments)
    await line.close()
    async with client(process) as http:
        page = (await http.get("/alerts", params={"limit": "1000"})).json()
    assert len(page["alerts"]) == 200
    assert all(alert["withdrawn_at"] for alert in page["alerts"])


async def test_platform_issues_are_listed_until_they_are_settled(
    process: ServiceProcess[MonitoredCase],
) -> None:
    undelivered = BUSINESS.reported(report("licence", StepState.REQUESTED, MONDAY))
    late = STEP_YELLOW + timedelta(hours=1)
    begun = [(OPEN, BUSINESS.accepted(MONDAY), MONDAY), (OPEN, TimerFired(), STEP_YELLOW + INSTANT)]
    await process_messages(process, [*begun, (OPEN, undelivered, late)])
    async with client(process) as http:
        (listed,) = (await http.get("/platform-issues")).json()
        assert (listed["case_id"], listed["commitment"], listed["issue"]) == (OPEN, "step/licence", "undelivered")
        assert listed["settled_at"] is None
        await process_messages(process, [(OPEN, BUSINESS.delivered("licence", late + INSTANT), late + INSTANT)])
        assert (await http.get("/platform-issues")).json() == []
        (settled,) = (await http.get("/platform-issues", params={"unsettled": False})).json()
        assert datetime.fromisoformat(settled["settled_at"]) == late + INSTANT
        alerts = (await http.get("/alerts")).json()["alerts"]
        assert {alert["rung"] for alert in alerts} == {"warning"}, "the department is issued no card"
    async with client(process, host="203.0.113.9") as stranger:
        assert (await stranger.get("/platform-issues")).status_code == httpx2.codes.FORBIDDEN
