"""Another calendar, another ladder, an impossible time, a late report, as applicants and supervisors see them."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from typer.testing import CliRunner

from deploy.local.engines import Engines
from onedoor.cli import app
from services.departments.sandbox.behaviour import Behaviour
from services.monitor.core.notifications.directory_file import DirectoryFile
from services.monitor.store.rule_store import SHIPPED
from services.runtime.clock import FileClock
from services.runtime.files.document import read_document, write_yaml
from tests.support.cases.known_outcomes import application, person
from tests.support.centre import ZONE, Answer, Centre, running
from tests.support.staff import EVERYBODY, ISSUER, with_everybody
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

SLOW = Behaviour(mean_days=300.0)
"""No department decides during these tests."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def centre(engines: Engines, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Centre]:
    async with running(tmp_path_factory.mktemp("centre"), SLOW, 0.01, engines) as centre:
        yield centre


async def onedoor(centre: Centre, *arguments: str, status: int = 0, person: str = EVERYBODY) -> str:
    """The output of the command for this centre, with the login of this person."""
    place, login = ("--folder", str(centre.platform.folder)), {"ONEDOOR_TOKEN": ISSUER.token(person)}
    runner = CliRunner(env=login)
    result = await asyncio.to_thread(runner.invoke, app, [*arguments, *place], catch_exceptions=False)
    assert result.exit_code == status, result.output
    return result.output


async def shown(centre: Centre, receipt: Answer) -> Answer:
    answer = await centre.show(receipt["number"], receipt["secret"])
    assert answer.status_code == httpx2.codes.OK
    case: Answer = answer.json()
    return case


def closing(moment: str) -> datetime:
    return datetime.fromisoformat(moment).astimezone(ZONE)


def typhoon(file: Path, day: str) -> Path:
    """A notice that closes all departments of Guangxi on that day."""
    notice: dict[str, Any] = {
        "year": 2026,
        "region": "CN-45",
        "days": [{"name": "台风", "date": day, "isOffDay": True}],
    }
    file.write_text(json.dumps(notice), encoding="utf-8")
    return file


async def test_a_notice_moves_the_open_deadlines_of_its_region_visibly(centre: Centre, tmp_path: Path) -> None:
    receipt = await centre.apply(application("start-business", person(1)), "typhoon")

    async def delivered() -> bool:
        stored = """SELECT FROM cases WHERE case_id = $1 AND state LIKE '%"due"%' AND state LIKE '%"delivered_at"%'"""
        return bool(await centre.rows("onedoor_monitor", stored, receipt["number"]))

    # From then on no message moves the case before the roll-out does.
    await eventually(delivered, 20, "monitor holds the deadlines, and the department has the task")
    before = closing(receipt["due"]["committed"])
    file = typhoon(tmp_path / "typhoon.json", f"{before:%Y-%m-%d}")
    arguments = ("calendar", "load", str(file), "--calendars", str(tmp_path / "calendars"), "--yes")
    output = await onedoor(centre, *arguments)
    assert f"{before:%Y-%m-%d}" in output and "now off" in output and "version 2 of the rules is in force" in output

    async def moved() -> bool:
        return closing((await shown(centre, receipt))["due"]["committed"]) > before

    await eventually(moved, 20, "the applicant is shown the deadline as it is now")
    number = receipt["number"]
    explanation = await centre.monitor(f"/commitments/{number}/explanation?language=en")
    (day,) = [day for day in explanation["days"] if day["day"] == f"{before:%Y-%m-%d}"]
    assert (day["kind"], day["name"]) == ("holiday", "台风")
    assert "CN-45 2026" in explanation["calendar"]
    (moved_event,) = [
        json.loads(row["event"])
        for row in await centre.rows(
            "onedoor_monitor",
            "SELECT event FROM outbox WHERE event LIKE '%commitments.moved%' AND case_id = $1",
            number,
        )
    ]
    assert (moved_event["data"]["cause"], moved_event["data"]["rules_version"]) == ("rules", 2)
    assert "nothing changes" in await onedoor(centre, *arguments)

    versions: list[Answer] = []

    async def done() -> bool:
        found: Any = await centre.monitor("/rules")
        versions[:] = found
        return found[0]["done_at"] is not None

    await eventually(done, 20, "the new version counts for every case")
    assert [one["number"] for one in versions] == [2, 1]
    assert versions[0]["changed"] >= 1


async def test_another_ladder_is_applied_and_a_faulty_one_refused(centre: Centre, tmp_path: Path) -> None:
    text = SHIPPED.read_text(encoding="utf-8")
    file = tmp_path / "rules.yaml"
    file.write_text(text.replace("warning: {days_left: 2, share_used: 0.5}", "warning: {days_left: -1}", 1))
    calendars = ("--calendars", str(tmp_path / "none"))
    refused = await onedoor(centre, "rules", "apply", str(file), *calendars, "--yes", status=1)
    assert "line 15: ladder[1].rungs.warning.days_left" in refused and "nothing has changed" in refused
    found: Any = await centre.monitor("/rules")

    file.write_text(text.replace("warning: {days_left: 2, share_used: 0.5}", "warning: {days_left: 3}", 1))
    output = await onedoor(centre, "rules", "apply", str(file), *calendars, "--yes")
    number = found[0]["number"] + 1
    assert f"version {number} of the rules is in force" in output and "followed by all" in output
    assert "days_left: 3" in await onedoor(centre, "rules", "show")
    assert "nothing changes" in await onedoor(centre, "rules", "apply", str(file), *calendars, "--yes")
    assert str(number) in (await onedoor(centre, "rules", "history")).splitlines()[0]


async def test_suspended_time_is_shown_to_the_applicant_and_explained_to_supervisors(centre: Centre) -> None:
    receipt = await centre.apply(application("start-business", person(2)), "suspended")
    number = receipt["number"]
    before = closing(receipt["due"]["committed"])

    async def requested() -> bool:
        query = "SELECT FROM up_pro_accept WHERE project_no = $1"
        return bool(await centre.rows("sandbox_commerce", query, f"{number}/licence"))

    await eventually(requested, 20, "the department has been given the case")
    # It holds a hearing, by an entry in the exchange tables: two days of the limit.
    begins = before.replace(hour=10, minute=0)
    row = "'g', $1, '1', 'I', 'b', now(), '1', '听证', '涉及重大公共利益', $2, $3"
    columns = "row_guid, project_no, data_source, cd_operation, cd_batch, cd_time, special_type, special_name"
    await centre.rows(
        "sandbox_commerce",
        f"INSERT INTO up_pro_special_procedure ({columns}, special_reason, special_time, end_time) VALUES ({row})",
        f"{number}/licence",
        begins.replace(tzinfo=None),
        (begins + timedelta(days=1)).replace(tzinfo=None),
    )

    async def later() -> bool:
        return closing((await shown(centre, receipt))["due"]["committed"]) > before

    await eventually(later, 20, "the deadline has moved by the hearing")
    explanation = await centre.monitor(f"/commitments/{number}/explanation")
    (day,) = [day for day in explanation["days"] if day["kind"] == "suspended"]
    assert (day["day"], day["article"]) == (f"{before:%Y-%m-%d}", "行政许可法第四十五条")
    assert "听证" in day["reason"]

    hold = {"kind": "hold", "reason": "等待上级批复"}
    path = f"{centre.platform.api('intake')}/cases/{number}/suspensions"
    answer = await centre.client.post(path, json=hold)
    assert answer.status_code == httpx2.codes.CREATED, answer.text

    async def paused() -> bool:
        return (await shown(centre, receipt))["due"]["pause"] is not None

    await eventually(paused, 20, "the applicant sees the suspension")
    answer = await centre.client.post(f"{path}/{answer.json()['suspension']}/end", json={"reason": "已批复"})
    assert answer.status_code == httpx2.codes.CREATED, answer.text

    async def runs() -> bool:
        return not await paused()

    await eventually(runs, 20, "time runs again")
    history = [event["event_zh"] for event in (await shown(centre, receipt))["history"]]
    assert "暂停计时：暂停办理" in history and history.index("恢复计时") > history.index("暂停计时：暂停办理")


DIRECTORY = """
version: "1"
people: [{id: zhou, name: 周敏, addresses: ["file:zhou"]}]
posts: [{role: director, person: zhou}]
"""

RESULT = """
    INSERT INTO up_pro_result (row_guid, project_no, data_source, cd_operation, cd_batch, cd_time, is_delivery_results,
        result_type, result_date, result_cetr_no)
    VALUES (left($1, 14), $1, '2', 'I', 'b', now(), '0', '1', $2, '证' || left($1, 14))
"""
"""A decision of the commerce department on a task, at this moment."""


async def test_an_impossible_time_counts_from_its_arrival_until_a_supervisor_settles_it(
    centre: Centre, tmp_path: Path
) -> None:
    receipt = await centre.apply(application("start-business", person(3)), "impossible time")
    number = receipt["number"]

    async def licence() -> Answer:
        return next(one for one in (await shown(centre, receipt))["steps"] if one["step"] == "licence")

    async def delivered() -> bool:
        return bool((await licence())["state"] == "delivered")

    await eventually(delivered, 20, "commerce has the task")
    await centre.rows(
        "sandbox_commerce", RESULT, f"{number}/licence", datetime(1970, 1, 1, 8, tzinfo=ZONE).replace(tzinfo=None)
    )

    async def doubts() -> list[str]:
        found: Any = await centre.monitor("/doubtful-times")
        return [one["case_id"] for one in found]

    async def doubted() -> bool:
        return number in await doubts()

    await eventually(doubted, 30, "the impossible time is listed")
    assert number in await onedoor(centre, "times", "list")

    before = await licence()
    assert before["outcome"] == "approved"
    assert before["decided_at"] > before["delivered_at"] >= receipt["accepted_at"], "the moment of the arrival counts"
    assert "1970" not in json.dumps(await shown(centre, receipt))

    directory = tmp_path / "directory.yaml"
    content = with_everybody(read_document(DirectoryFile, DIRECTORY.encode()))
    directory.write_text(write_yaml(content), encoding="utf-8")
    await onedoor(centre, "directory", "apply", str(directory), "--yes")
    settle = ("times", "settle", number, "licence", "decided_at")
    reason = ("--reason", "以窗口登记为准")

    async def known() -> bool:
        path = f"{centre.platform.api('monitor')}/doubtful-times"
        return (await centre.client.get(path, headers=ISSUER.header("zhou"))).status_code == httpx2.codes.OK

    await eventually(known, 15, "zhou has a right")
    refused = await onedoor(centre, *settle, "1970-01-01T08:00:00+08:00", *reason, status=1, person="zhou")
    assert "before the step was requested" in refused
    await onedoor(centre, *settle, before["delivered_at"], *reason, person="zhou")

    async def settled() -> bool:
        return bool((await licence())["decided_at"] == before["delivered_at"])

    await eventually(settled, 45, "the settled moment counts for the applicant")

    async def resolved() -> bool:
        return number not in await doubts()

    await eventually(resolved, 45, "no time of the case is in doubt")
    assert "zhou" in await onedoor(centre, "times", "list", "--resolved")


async def test_a_late_report_takes_no_time_from_the_department_after_it(centre: Centre, tmp_path: Path) -> None:
    receipt = await centre.apply(application("start-business", person(4)), "late report")
    number, clock = receipt["number"], FileClock(centre.platform.folder / "clock")

    async def step(name: str) -> Answer:
        return next(one for one in (await shown(centre, receipt))["steps"] if one["step"] == name)

    async def delivered() -> bool:
        return bool((await step("licence"))["state"] == "delivered")

    await eventually(delivered, 20, "commerce has the task")
    delivered_at = datetime.fromisoformat((await step("licence"))["delivered_at"]).astimezone(ZONE)
    decided_at = delivered_at.replace(second=0, microsecond=0) + timedelta(minutes=1)
    reported_at = decided_at + timedelta(hours=1)

    async def later() -> bool:
        return clock.now() > reported_at

    await eventually(later, 20, "an hour has passed since the decision")
    await centre.rows("sandbox_commerce", RESULT, f"{number}/licence", decided_at.replace(tzinfo=None))

    async def sent_on() -> bool:
        after = await step("tax-registration")
        return bool(after["due"] and after["state"] == "delivered")

    await eventually(sent_on, 20, "tax has the task, and a deadline")
    licence, after = await step("licence"), await step("tax-registration")
    assert datetime.fromisoformat(licence["decided_at"]) == decided_at
    assert after["requested_at"] == licence["arrived_at"]
    assert datetime.fromisoformat(after["requested_at"]) > reported_at
    begun = {one["key"]: one["opened_at"] for one in (await centre.monitor(f"/commitments/{number}"))["commitments"]}
    assert begun["step/tax-registration"] == after["requested_at"]
    file = tmp_path / "audit.json"
    await onedoor(centre, "audit", "--json", str(file))

    early = licence["decided_at"]
    begin = f'"requested_at":"{after["requested_at"]}"'
    wrong = "UPDATE cases SET state = replace(state, $2, $3) WHERE case_id = $1"
    await centre.rows("onedoor_routing", wrong, number, begin, f'"requested_at":"{early}"')
    try:
        await onedoor(centre, "audit", "--json", str(file), status=1)
    finally:
        await centre.rows("onedoor_routing", wrong, number, f'"requested_at":"{early}"', begin)
    assert "begins at another moment than the last answer that it waits for arrived" in file.read_text("utf-8")
