"""The audit's checks of single cases, on a case that went through the real cores; and its report."""

from collections.abc import AsyncIterator
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr
from pydantic_core import from_json

from contracts.codec import encode
from contracts.envelope import Envelope, Message, follow
from contracts.messages.cases import CaseAccepted, CaseHeld
from contracts.registry import topic_of
from services.monitor.core.holds import BeginHold, EndHold
from services.operator.audit.case_record import Alert, CaseRecord, LedgerRow, PublishedMessage, StoredCase
from services.operator.audit.checks.case_checks import check_case
from services.operator.audit.checks.replay import replay
from services.operator.audit.checksum_compare import merged
from services.operator.audit.command import run
from services.operator.audit.invariants import Fault, Invariant, Moments
from services.operator.audit.report import SHOWN, Report
from services.operator.audit.settings import AuditSettings
from services.operator.audit.targets import targets
from services.operator.databases import WrongChoice
from services.operator.options import DatabaseOptions
from services.registry import default_systems
from services.runtime.configuration import WrongSetting, read
from tests.support.cases.simulated_case import SimulatedCase, core_of, simulate, three_departments_plan
from tests.support.messages import CASE_ID
from tests.support.scenario import enveloped, of_type

ACCEPTED_AT = datetime(2026, 3, 2, 2, tzinfo=UTC)
NOW = ACCEPTED_AT + timedelta(days=1)
LONG_AGO = ACCEPTED_AT - timedelta(days=60)
MOMENTS = Moments(now=NOW, soon=NOW + timedelta(hours=1), kept_since=LONG_AGO, closed_since=LONG_AGO)
SYSTEMS = default_systems()


@cache
def case() -> SimulatedCase:
    return simulate(
        three_departments_plan(),
        answered=True,
        accepted_at=ACCEPTED_AT,
        answer_after=timedelta(minutes=10),
        rules_version=0,
    )


def decided(of: SimulatedCase | None = None) -> CaseRecord:
    """A sound case, decided and closed."""
    of = of or case()
    record = CaseRecord(CASE_ID)
    for name in of.stored:
        text = of.last(name).state
        processed_ids = tuple(envelope.id for envelope in of.received(name))
        closed_at = of.closed_at(name)
        record.rows[name].append(StoredCase(from_json(text), text, processed_ids, None, None, None, closed_at))
        record.published[name] += [published(envelope) for envelope in of.published_by(name)]
    for system in SYSTEMS:
        for task in record.rows[system][0].state["tasks"]:
            known, task_id = task["decision"], task["request"]["task_id"]
            at = datetime.fromisoformat(known["decided_at"])
            record.ledgers[system] = [LedgerRow(task_id, known["reference"], known["outcome"], at, at)]
    return record


@cache
def in_turn() -> SimulatedCase:
    """A case whose steps come one after another. Each department decides at once, and reports it a day later."""
    plan = three_departments_plan()
    names = [step.step for step in plan.steps]
    steps = [step.model_copy(update={"after": tuple(names[:place])}) for place, step in enumerate(plan.steps)]
    plan = plan.model_copy(update={"steps": tuple(steps)})
    return simulate(
        plan,
        answered=True,
        accepted_at=ACCEPTED_AT,
        answer_after=timedelta(minutes=10),
        late_by=timedelta(days=1),
        rules_version=0,
    )


def published(envelope: Envelope[Message]) -> PublishedMessage:
    value = encode(envelope).decode()
    return PublishedMessage(envelope.id, topic_of(envelope.data), from_json(value), value, envelope.time, False)


def changed(record: CaseRecord, service: str, **news: Any) -> CaseRecord:
    """The record with other values in this service's row."""
    row = record.rows[service][0]
    columns = {name: getattr(row, name) for name in StoredCase.__slots__} | news
    record.rows[service][0] = StoredCase(**columns)
    return record


def open_at_tax(*, will_retry: bool) -> CaseRecord:
    """The same case before tax has answered. ``will_retry``: with all timers and calls."""
    record = decided()
    del record.published["tax"][:]
    record.published["routing"] = [one for one in record.published["routing"] if one.kind != "case.decided"]
    states = {name: deepcopy(rows[0].state) for name, rows in record.rows.items()}
    (task,) = states["tax"]["tasks"]
    del task["decision"], task["state"]
    del states["routing"]["outcome"], states["routing"]["decided_at"], states["intake"]["decision"]
    for step in (*states["routing"]["steps"], *states["intake"]["steps"]):
        if step["document"].startswith("tax"):
            del step["document"], step["outcome"], step["decided_at"]
            step["state"] = "requested"
    for commitment in states["monitor"]["commitments"]:
        if commitment["key"] in ("case", "step/assessment"):
            del commitment["ended_at"]
    record.ledgers["tax"] = []
    later = NOW if will_retry else None
    for name in ("intake", "routing", "monitor"):
        changed(record, name, state=states[name], retry_at=later, closed_at=None)
    return changed(record, "tax", state=states["tax"], call_due_at=later, closed_at=None)


def faults(record: CaseRecord, moments: Moments = MOMENTS) -> list[str]:
    return [fault.what for fault in check_case(record, moments)]


def test_a_sound_case_has_no_fault() -> None:
    assert check_case(decided(), MOMENTS) == []


LATER = replace(MOMENTS, now=NOW + timedelta(days=7))


def test_a_late_report_is_no_fault_of_the_step_after_it() -> None:
    record = decided(in_turn())
    routing = record.row("routing")
    assert routing is not None
    first, second, _ = routing.state["steps"]
    assert second["requested_at"] == first["arrived_at"] > first["decided_at"]
    assert check_case(record, LATER) == []
    assert replay(record, LATER) == (6, [])


@pytest.mark.parametrize(
    ("service", "place", "field", "expected"),
    [
        ("routing", 0, "requested_at", "begins at another moment than the case was accepted"),
        ("routing", 1, "requested_at", "begins at another moment than the last answer that it waits for arrived"),
        ("routing", 0, "arrived_at", "answered otherwise by commerce"),
        ("monitor", 1, "opened_at", "begins at another moment than its step was requested"),
        ("tax", None, "arrived_at", "was reported before it was decided"),
        ("intake", 0, "arrived_at", "intake shows other answers"),
    ],
)
def test_a_begin_or_an_arrival_that_does_not_fit_is_a_fault(
    service: str, place: int | None, field: str, expected: str
) -> None:
    record = decided(in_turn())
    state = deepcopy(record.rows[service][0].state)
    if place is None:
        (task,) = state["tasks"]
        of = task["decision"]
    elif service == "monitor":
        of = state["commitments"][place]
    else:
        of = state["steps"][place]
    of[field] = "2026-02-01T00:00:00Z"
    changed(record, service, state=state)
    assert any(expected in what for what in faults(record, LATER))


def test_a_step_that_begins_before_an_answer_that_it_waits_for_is_a_fault() -> None:
    record = decided(in_turn())
    state = deepcopy(record.rows["routing"][0].state)
    del state["steps"][0]["arrived_at"]
    changed(record, "routing", state=state)
    assert any("before an answer that it waits for" in what for what in faults(record, LATER))


def test_a_padded_number_in_a_ledger_is_the_same_number() -> None:
    record = decided()
    (row,) = record.ledgers["tax"]
    record.ledgers["tax"] = [replace(row, number=f"{row.number} \u3000")]
    assert faults(record) == []
    record.ledgers["tax"] = [replace(row, number="another")]
    assert any("another number in the ledger of tax" in what for what in faults(record))


def test_its_messages_lead_to_its_states() -> None:
    assert replay(decided(), MOMENTS) == (6, [])


def test_holds_are_replayed_in_the_order_of_their_commands() -> None:
    """A supervisor holds the case twice within a moment of a clock that stands still; then it is decided."""
    who: Any = {"by": "zhou", "reason": "等待上级批复"}
    commands = (
        BeginHold(hold="h1", since=ACCEPTED_AT, **who),
        EndHold(hold="h1", until=ACCEPTED_AT, **who),
        BeginHold(hold="h2", since=ACCEPTED_AT, **who),
    )
    record, core = decided(), core_of("monitor", 0)
    state: Any = None
    for received in case().received("monitor"):
        state = core(state, received).state
        for command in commands if isinstance(received.data, CaseAccepted) else ():
            envelope = enveloped(command, ACCEPTED_AT)
            step = core(state, envelope)
            state = step.state
            (held,) = of_type(CaseHeld, step.out)
            record.published["monitor"].insert(0, published(follow(held, envelope, "/onedoor/monitor", 0)))
    text = state.model_dump_json(exclude_defaults=True)
    changed(record, "monitor", state=from_json(text), text=text)
    assert replay(record, MOMENTS) == (6, [])


def test_an_open_case_is_sound_while_services_will_retry() -> None:
    assert faults(open_at_tax(will_retry=True)) == []
    found = " | ".join(faults(open_at_tax(will_retry=False)))
    for expected in ("open at intake, and nothing", "open at routing, and nothing", "open at tax, and no call"):
        assert expected in found


def test_a_task_on_its_way_to_a_department_is_no_fault() -> None:
    record = open_at_tax(will_retry=True)
    del record.rows["tax"]
    assert faults(record) == []
    changed(record, "routing", retry_at=None)
    assert any("unknown to tax, and routing will not request it again" in what for what in faults(record))


def test_a_decision_that_monitor_missed_is_a_fault_only_when_it_cannot_be_in_transit() -> None:
    record = decided()
    state = deepcopy(record.rows["monitor"][0].state)
    for commitment in state["commitments"]:
        commitment.pop("ended_at", None)
    changed(record, "monitor", state=state, closed_at=None)
    early = replace(MOMENTS, now=ACCEPTED_AT + timedelta(hours=3))  # after the decision, before any rung is due
    (fault,) = check_case(record, early)
    assert fault.in_transit and fault.invariant is Invariant.COMMITMENTS
    assert check_case(changed(record, "monitor", timer_at=NOW), early) == []


def test_deleted_rows_are_not_missed() -> None:
    record = decided()
    record.published.clear()
    del record.rows["intake"]
    later = Moments(NOW, NOW, kept_since=NOW, closed_since=NOW)
    assert faults(record, later) == []
    assert faults(record) != []
    assert replay(record, later) == (0, [])


def test_a_card_that_is_due_waits_only_for_the_answer_of_routing() -> None:
    late = ACCEPTED_AT + timedelta(days=90)
    moments = Moments(late, late + timedelta(hours=1), LONG_AGO, LONG_AGO)
    assert faults(changed(open_at_tax(will_retry=True), "monitor", timer_at=late), moments) == []
    asking = changed(open_at_tax(will_retry=True), "monitor", retry_at=late + timedelta(minutes=30))
    assert faults(asking, moments) == []
    without_timer = changed(open_at_tax(will_retry=True), "monitor", timer_at=late + timedelta(days=1), retry_at=None)
    assert {what.split(",")[0] for what in faults(without_timer, moments)} == {
        f"{key}: {rung} is due" for key in ("case", "step/assessment") for rung in ("warning", "yellow", "red")
    }


def test_a_rung_must_be_listed_and_published_and_late() -> None:
    record = decided()
    state = deepcopy(record.rows["monitor"][0].state)
    state["commitments"][0]["raised"] = [{"rung": "warning", "raised_at": "2026-03-02T02:05:00Z"}]
    changed(record, "monitor", state=state)
    assert sorted(faults(record)) == [
        "case: warning has been published 0 times / 警示发布了 0 次",
        "case: warning is listed 0 times / 警示在列表中出现 0 次",
        "case: warning stands, and the answer was in time / 答复及时，警示却有效",
    ]
    record.alerts = [Alert("case", "warning", 1, withdrawn=True)]
    assert any("is withdrawn in the list or at monitor, and not in both" in what for what in faults(record))


def test_missing_and_invented_processed_ids_are_detected() -> None:
    for service in ("intake", "routing", "monitor", *SYSTEMS):
        processed_ids = decided().rows[service][0].processed_ids
        forged = changed(decided(), service, processed_ids=(*processed_ids, uuid4()))
        assert [fault.what for fault in replay(forged, MOMENTS)[1]] == [
            f"{service}: it has processed a message that no service published / 处理过没有服务发布的消息"
        ]
        dropped = changed(decided(), service, processed_ids=())
        assert replay(dropped, MOMENTS)[1], f"{service} lost all ids of processed messages"


def test_the_report_counts_cases_and_names_the_first() -> None:
    report = Report()
    for number in range(3 * SHOWN, 0, -1):
        case = f"case {number:03}"
        report.add([Fault(Invariant.TASKS, case, "one"), Fault(Invariant.TASKS, case, "another")])
    finding = report.findings[Invariant.TASKS]
    assert finding.broken == 3 * SHOWN
    assert finding.first == [(f"case {number:03}", "one; another") for number in range(1, SHOWN + 1)]
    assert report.broken and not Report().broken


async def test_streams_are_merged_in_order_each_number_once() -> None:
    async def stream(numbers: str) -> AsyncIterator[str]:
        for number in numbers:
            yield number

    assert [one async for one in merged([stream("acd"), stream(""), stream("abd"), stream("z")])] == [*"abcdz"]


DATABASES = "postgresql+asyncpg://u:p@h.example/{service}?ssl=verify-full"


@pytest.mark.parametrize(
    ("address", "settings", "expected"),
    [
        ("postgresql+asyncpg://u:p@h.example/onedoor?ssl=verify-full", {}, "put {service} in it"),
        ("mysql://u:p@h.example/{service}?ssl=verify-full", {}, "must be like postgresql"),
        (
            DATABASES,
            {"audit_ledgers": {"water": SecretStr("x")}},
            "water is none of",
        ),
        (
            DATABASES,
            {"audit_ledgers": {"tax": SecretStr("x")}},
            "tax: must be like",
        ),
        (DATABASES, {"systems": ()}, "ONEDOOR_SYSTEMS is not set"),
    ],
)
def test_a_wrong_choice_names_the_setting(address: str, settings: dict[str, Any], expected: str) -> None:
    with pytest.raises(WrongChoice, match=expected):
        targets(DatabaseOptions(address, None), AuditSettings(**{"systems": SYSTEMS, **settings}))


def test_a_missing_clock_names_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEDOOR_CLOCK", "/no/clock")
    with pytest.raises(WrongSetting, match=r"ONEDOOR_CLOCK = '/no/clock': clock must be 'system' or the path"):
        read(AuditSettings)


def test_a_ledger_that_is_not_named_is_not_examined() -> None:
    found = targets(
        DatabaseOptions(DATABASES, None),
        AuditSettings(systems=SYSTEMS),
    )
    assert set(found.unread_ledgers) == set(SYSTEMS) and found.ledgers == {}


def test_the_exit_status_is_two_if_it_cannot_examine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(DatabaseOptions("", tmp_path / "nothing"), "10", 1, None) == 2
    assert "no folder of 'onedoor up'" in capsys.readouterr().err
    assert run(DatabaseOptions("", tmp_path), "many", 1, None) == 2


def test_an_unreachable_database_is_named_without_its_password(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONEDOOR_SYSTEMS", "tax")
    assert run(DatabaseOptions("postgresql+asyncpg://u:hidden@127.0.0.1:1/onedoor_{service}", None), "10", 1, None) == 2
    errors = capsys.readouterr().err
    assert "intake: the database postgresql+asyncpg://u:***@127.0.0.1:1/onedoor_intake cannot be used: " in errors
    assert "hidden" not in errors
