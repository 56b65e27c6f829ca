"""Whole cases through the running platform, as applicants and staff see them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta
from functools import partial
from itertools import product
from typing import Any

import chinese_calendar
import httpx2
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer

from contracts.messages.plans import Plan
from contracts.registry import REGISTRY, topics_for
from deploy.local.engines import Engines
from services.departments.sandbox.behaviour import Behaviour
from services.load import load
from services.registry import default_systems
from tests.support.cases.known_outcomes import application, key_for, person, plan_of
from tests.support.centre import ZONE, Answer, Centre, named_in_logs, running
from tests.support.waiting import eventually

SYSTEMS = default_systems()

pytestmark = pytest.mark.asyncio(loop_scope="module")

BEHAVIOUR = Behaviour(mean_days=0.5, late_share=0.15, late_days=30, refused_share=0.15)
"""Usually long before any limit; late answers come long after the statutory limit of at most 20 working days."""

DAYS_A_SECOND = 3.0

NOT_AN_EVENT = "the record is no CloudEvent of a type and version known here"
GARBAGE = {
    b"\xff{": "the record is no JSON",
    b"[]": "the record is no CloudEvent",
    b'{"id": 7}': NOT_AN_EVENT,
    b'{"type": "onedoor.case.accepted.v99"}': NOT_AN_EVENT,
    b'{"type": "onedoor.task.done.v1"}': "5 faults in the event: id: missing; source: missing; subject: missing; "
    "time: missing; data: missing",
    b" " * 300_000: "the record has 300000 bytes; at most 262144 are allowed",
    b"": "the record is empty",
}
"""Values that may appear on a topic, and the reasons in their dead letters."""

BUNDLES = ("start-business", "transfer-property", "investment-project")
PERSONS = [person(number) for number in range(12)]
RUNGS = ("warning", "yellow", "red")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def centre(engines: Engines, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Centre]:
    async with running(tmp_path_factory.mktemp("centre"), BEHAVIOUR, DAYS_A_SECOND, engines) as centre:
        yield centre


async def applied(centre: Centre, matter: str, applicant: dict[str, str], late: str = "", refused: str = "") -> Answer:
    """The receipt of an application. Exactly the given steps will be late or refused."""
    return await centre.apply(
        application(matter, applicant), key_with_outcome(centre, matter, applicant, late, refused)
    )


def key_with_outcome(centre: Centre, matter: str, applicant: dict[str, str], late: str = "", refused: str = "") -> str:
    """The Idempotency-Key that leads to this outcome."""
    secret_key = (centre.platform.folder / "addresses" / "secret-key").read_text()
    name = f"applicant {PERSONS.index(applicant)}"
    return key_for(name, secret_key, BEHAVIOUR, plan_of(matter), late.split(), refused.split())


def at(moment: str) -> datetime:
    return datetime.fromisoformat(moment)


def working_days(after: str, through: str) -> int:
    """Working days as the law counts them: without the day of the event, with the last day."""
    first, last = (at(moment).astimezone(ZONE).date().toordinal() for moment in (after, through))
    return sum(chinese_calendar.is_workday(date.fromordinal(day)) for day in range(first + 1, last + 1))


@pytest.mark.parametrize("matter", BUNDLES)
async def test_a_bundle_from_application_to_decision(centre: Centre, matter: str) -> None:
    plan = plan_of(matter)
    receipt = await applied(centre, matter, PERSONS[BUNDLES.index(matter)])
    case = await centre.follow(receipt)
    assert (case["number"], case["outcome"]) == (receipt["number"], "approved")
    assert case["accepted_at"] == receipt["accepted_at"]
    assert case["decided_at"] == max(step["decided_at"] for step in case["steps"])
    steps = {step["step"]: step for step in case["steps"]}
    assert list(steps) == [step.step for step in plan.steps]
    for planned in plan.steps:
        step = steps[planned.step]
        assert (step["state"], step["outcome"]) == ("done", "approved")
        # It was requested at the moment when the last answer that it waited for arrived.
        assert step["requested_at"] == max(
            [case["accepted_at"], *(steps[name]["arrived_at"] for name in planned.after)]
        )
        assert step["requested_at"] < step["delivered_at"] < step["decided_at"] <= step["arrived_at"]
    assert_history(case)
    assert_due(case, receipt, plan)
    await assert_commitments_closed(centre, case)
    await assert_one_ledger_entry_a_task(centre, case, plan)


def assert_history(case: Answer) -> None:
    times = [at(event["at"]) for event in case["history"]]
    assert times == sorted(times)
    events = [event["event"] for event in case["history"]]
    assert (events[0], events[-1]) == ("Case accepted", f"Case decided: {case['outcome']}")
    counts = Counter(what.partition(" ")[0] for what in events)
    steps = sum(step["state"] == "done" for step in case["steps"])
    assert counts == {"Case": 2, "Sent": steps, "Received": steps, "Decided": steps}


def assert_due(case: Answer, receipt: Answer, plan: Plan) -> None:
    """The deadlines follow from the limits of the plan, by an independent calendar, at the close of business."""
    assert case["due"] == receipt["due"]
    commitments = [(plan.limits, case["accepted_at"], case["due"])]
    commitments += [
        (planned.limits, step["requested_at"], step["due"])
        for planned, step in zip(plan.steps, case["steps"], strict=True)
        if step["requested_at"]
    ]
    for limits, since, due in commitments:
        assert limits is not None
        for limit, moment in ((limits.committed, due["committed"]), (limits.statutory, due["statutory"])):
            assert working_days(since, moment) == limit.working_days
            assert f"{at(moment).astimezone(ZONE):%H:%M}" == "17:30"


async def assert_commitments_closed(centre: Centre, case: Answer) -> None:
    """Monitor has the same deadlines, and each commitment is answered."""
    shown = {"case": (case["decided_at"], case["due"])}
    shown |= {f"step/{s['step']}": (s["decided_at"], s["due"]) for s in case["steps"] if s["state"] == "done"}
    commitments: dict[str, Any] = {}

    async def closed() -> bool:
        found = await centre.monitor(f"/commitments/{case['number']}")
        commitments.update({one["key"]: one for one in found["commitments"]})
        return all(one["answered_at"] for one in commitments.values())

    await eventually(closed, 10, f"the commitments of {case['number']} are closed")
    assert {key: one["answered_at"] for key, one in commitments.items()} == {
        key: ended for key, (ended, _) in shown.items()
    }
    for key, one in commitments.items():
        assert (one["committed_due"], one["statutory_due"]) == (shown[key][1]["committed"], shown[key][1]["statutory"])


async def assert_one_ledger_entry_a_task(centre: Centre, case: Answer, plan: Plan) -> None:
    """The ledgers of the departments have one number for each task: the one on the document in the case."""
    for system in {step.system for step in plan.steps}:
        query = "SELECT task_id, number, outcome FROM ledger WHERE task_id LIKE $1 ORDER BY task_id"
        entries = await centre.rows(f"sandbox_{system}", query, f"{case['number']}/%")
        of_system = {step.step for step in plan.steps if step.system == system}
        assert [(entry["task_id"], f"证{entry['number']}", entry["outcome"]) for entry in entries] == sorted(
            (f"{case['number']}/{step['step']}", step["document"], step["outcome"])
            for step in case["steps"]
            if step["step"] in of_system
        )


async def test_a_refused_step_refuses_the_case(centre: Centre) -> None:
    receipt = await applied(centre, "transfer-property", PERSONS[3], refused="taxes")
    case = await centre.follow(receipt)
    steps = {step["step"]: step for step in case["steps"]}
    assert case["outcome"] == "refused"
    assert (steps["taxes"]["outcome"], steps["taxes"]["document"]) == ("refused", None)
    assert (steps["title"]["outcome"], steps["title"]["document"] is None) == ("approved", False)
    assert (steps["registration"]["state"], steps["registration"]["requested_at"]) == ("dropped", None)
    assert_history(case)
    await assert_commitments_closed(centre, case)


async def test_a_late_case_raises_each_rung_once(centre: Centre) -> None:
    # Five days to its first card: on a busy machine a shorter limit could end before the delivery, without a card.
    receipt = await applied(centre, "tax-incentives", PERSONS[4], late="tax-incentives")
    number = receipt["number"]
    wanted = {(commitment, rung) for commitment in ("case", "step/tax-incentives") for rung in RUNGS}
    alerts: list[Answer] = []

    async def all_raised() -> bool:
        alerts[:] = (await centre.monitor(f"/alerts?case={number}"))["alerts"]
        return len(alerts) >= len(wanted)

    await eventually(all_raised, 30, f"every rung of {number} has fired")
    shown = (await centre.show(number, receipt["secret"])).json()
    assert shown["state"] == "accepted", "the cards must come before the answer"
    cards = {"yellow": shown["due"]["committed"], "red": shown["due"]["statutory"]}
    for alert in alerts:
        due_at = alert["due_at"]
        assert due_at == cards.get(alert["rung"], due_at) <= alert["raised_at"]
        assert at(alert["raised_at"]) - at(due_at) < timedelta(days=DAYS_A_SECOND * 2)
        assert (alert["matter"], alert["withdrawn_at"]) == ("tax-incentives", None)
    case = await centre.follow(receipt)
    assert case["outcome"] == "approved"
    await assert_commitments_closed(centre, case)
    listed = (await centre.monitor(f"/alerts?case={number}"))["alerts"]
    assert sorted((alert["commitment"], alert["rung"]) for alert in listed) == sorted(wanted)
    published = await centre.rows("onedoor_monitor", "SELECT event FROM outbox WHERE case_id = $1", number)
    assert Counter("alert.raised" in row["event"] for row in published)[True] == len(wanted)
    log = (centre.platform.folder / "logs" / "monitor.log").read_text()
    assert sum(number in line and '"event": "alert"' in line for line in log.splitlines()) == len(wanted)


async def test_simultaneous_posts_with_one_key_make_one_case(centre: Centre) -> None:
    body, key = application("premises-use", PERSONS[5]), key_with_outcome(centre, "premises-use", PERSONS[5])
    answers = await asyncio.gather(*(centre.post(body, key) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {201}
    (receipt,) = {answer.text for answer in answers}
    number = answers[0].json()["number"]
    assert number in receipt
    other = await centre.post({**body, "channel": "window"}, key)
    assert other.status_code == 422
    assert other.json()["type"] == "urn:onedoor:problem:idempotency-key-reused"
    case = await centre.follow(answers[0].json())
    assert case["channel"] == "web"
    for database in ("onedoor_intake", "onedoor_routing", "onedoor_land"):
        query = "SELECT case_id FROM cases WHERE strpos(state, $1) > 0"
        rows = await centre.rows(database, query, PERSONS[5]["id_number"])
        assert [row["case_id"] for row in rows] == [number]
    await assert_one_ledger_entry_a_task(centre, case, plan_of("premises-use"))


async def test_a_case_is_not_shown_without_its_secret(centre: Centre) -> None:
    one, other = [(await centre.post(application("premises-use", applicant))).json() for applicant in PERSONS[6:8]]
    for number, secret in (
        (one["number"], other["secret"]),
        (one["number"], ""),
        ("0000-0000-0000-0", one["secret"]),
        ("nonsense", one["secret"]),
    ):
        refused = await centre.show(number, secret)
        assert refused.status_code == 404
        assert refused.json()["type"] == "urn:onedoor:problem:no-such-case"
        assert refused.headers["cache-control"] == "no-store"
    assert (await centre.show(one["number"], one["secret"])).status_code == 200


async def test_each_wrong_field_is_named(centre: Centre) -> None:
    wrong: dict[str, Any] = {
        "bundle": "start-business",
        "applicant": {"kind": "person", "name": "", "id_number": PERSONS[8]["id_number"][:-1] + "?"},
        "materials": ["identity", "a\nb"],
        "region": "here",
        "channel": "pigeon",
        "colour": "red",
    }
    answer = await centre.post(wrong)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert {fault["pointer"] for fault in answer.json()["errors"]} == {
        "#/applicant/name",
        "#/applicant/id_number",
        "#/materials/1",
        "#/region",
        "#/channel",
        "#/colour",
    }
    assert PERSONS[8]["id_number"][:-1] not in answer.text
    address = f"{centre.platform.api('intake')}/cases"
    for content, media_type, status in ((b"{", "application/json", 400), (b"a=b", "text/plain", 415)):
        answer = await centre.client.post(address, content=content, headers={"Content-Type": media_type})
        assert answer.status_code == status
    assert (await centre.client.post(address, json={"x": "y" * 70_000})).status_code == httpx2.codes.CONTENT_TOO_LARGE


async def test_garbage_on_every_topic_is_parked_and_delays_no_case(centre: Centre) -> None:
    receipts = [
        await applied(centre, matter, applicant) for matter, applicant in zip(BUNDLES, PERSONS[9:], strict=True)
    ]
    key = receipts[0]["number"]
    await publish_garbage(centre.platform.engines.kafka, key)
    for receipt in receipts:
        assert (await centre.follow(receipt))["outcome"] == "approved"
    for service in centre.platform.options.services:
        topics = topics_for(load(service).consumes, (service,) if service in SYSTEMS else SYSTEMS)
        await eventually(
            partial(dead_letters_are, centre, service, len(topics) * len(GARBAGE)), 15, f"{service} has read all of it"
        )
        rows = await centre.rows(f"onedoor_{service}", "SELECT * FROM dead_letters WHERE status = 'parked'")
        reasons = {(row["topic"], row["reason"].split(" / ")[0]) for row in rows}
        assert reasons == set(product(topics, GARBAGE.values()))
        assert all(row["origin"].startswith("partition ") and not row["blocking"] for row in rows)
        assert {bytes(row["value"] or b"") for row in rows} == set(GARBAGE)
        health = await centre.client.get(f"{centre.platform.operator_address(service)}/health/ready")
        assert health.status_code == httpx2.codes.OK, health.text


async def publish_garbage(kafka: str, key: str) -> None:
    """Publish each kind of garbage on each topic, between the messages of an open case."""
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        for topic in topics_for(REGISTRY, SYSTEMS):
            for value in GARBAGE:
                await producer.send(topic, value or None, key=key.encode())


async def dead_letters_are(centre: Centre, service: str, count: int) -> bool:
    return len(await centre.rows(f"onedoor_{service}", "SELECT FROM dead_letters")) == count


async def test_no_personal_data_is_in_any_log(centre: Centre) -> None:
    """Runs after all tests above, and searches for refused applicants as well as accepted ones."""
    assert named_in_logs(centre.platform, PERSONS) == []
