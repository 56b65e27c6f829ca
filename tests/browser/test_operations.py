"""An operator's night: what is wrong, one dead letter replayed, another dropped, and who may see none of it."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from contracts.codec import encode
from contracts.messages.documents import PostsPublished, PublishedPost
from contracts.messages.processes import Calls, PausedTopic, ProcessReported, Reason, Rollout, Stored
from contracts.rights.holders import Holders
from contracts.rights.table import Role
from services.runtime.clock import machine_now
from services.runtime.reported import Reported
from services.runtime.store import dead_letters
from services.runtime.store.database import DedicatedConnection
from services.runtime.store.dead_letters import make_dead_letter
from tests.browser.conftest import MonitorAtWork, served
from tests.support.monitor_process import MonitorProcess, opened
from tests.support.pages.browser import axe_faults, is_too_wide, picture, window
from tests.support.runtime.toy import case, instruction
from tests.support.staff import ISSUER

pytestmark = pytest.mark.asyncio(loop_scope="session")

OPERATOR, SUPERVISOR = "qin", "zhou"

PEOPLE = Holders(
    PostsPublished(
        posts=(
            PublishedPost(role=Role.OPERATOR.value, person=OPERATOR),
            PublishedPost(role=Role.SUPERVISOR.value, person=SUPERVISOR),
        )
    )
)

TOPIC = "onedoor.alerts"
NAME = "王小明"

STORED = Stored(
    unpublished=0,
    timers_due=0,
    calls_due=0,
    letters=0,
    blocked_cases=0,
    bytes=734_000_000,
    free_bytes=10,
    disk_bytes=20,
)


def reported(service: str, replica: str, ago_s: float, **changes: object) -> Reported:
    now = machine_now()
    made = ProcessReported(
        service=service, replica=replica, version="0.1.0", started_at=now - timedelta(hours=7), lag=0, stored=STORED
    )
    return Reported(made.replace(**changes), now - timedelta(seconds=ago_s))


async def fill(monitor: MonitorProcess) -> None:
    """Reports of all services, of which one is not ready, one impaired and one silent, and two letters of monitor."""
    process = monitor.process
    process.access.holders = PEOPLE
    held = Reason(en="calls: the department's system fails", zh="calls：部门系统出错")
    paused = PausedTopic(topic="onedoor.tasks.tax", since=machine_now(), reason=held)
    rollout = Rollout(kind="rules", number=15, visited=2128, changed=41, open_cases=3130, began_at=machine_now())
    fault = Reason(en="database: TimeoutError", zh="数据库：TimeoutError")
    process.reports.take(
        [
            reported("monitor", process.settings.replica, 2, stored=STORED.replace(rollout=rollout)),
            reported("intake", "intake-0", 4, faults=(fault,), stored=None),
            reported("intake", "intake-1", 4, lag=12),
            reported("routing", "routing-0", 95),
            reported(
                "tax", "tax-0", 1, impairments=(held,), paused=(paused,), calls=Calls(under_way=3, held_back=True)
            ),
        ]
    )
    connection = DedicatedConnection(process.database)
    async with connection.acquire() as driver:
        for number, reason in enumerate(("the core failed: KeyError", "the record is no JSON / 记录不是 JSON"), 1):
            key, value = case(number).encode(), encode(instruction(NAME, case(number)))
            letter = make_dead_letter(
                reason, TOPIC, f"partition 3, offset {number}", key, value, case(number), number == 1
            )
            await dead_letters.park(driver, [letter])
    await connection.close()


@pytest_asyncio.fixture(loop_scope="session")
async def at_night(own_monitor_database: str, tmp_path: Path) -> AsyncIterator[MonitorAtWork]:
    """A monitor with the reports and letters of `fill`."""
    async with opened(own_monitor_database, tmp_path) as monitor:
        await fill(monitor)
        async with served(monitor) as address:
            yield MonitorAtWork(monitor, address)


async def looked_at(page: Page, name: str) -> None:
    await picture(page, name)
    assert await axe_faults(page) == []
    assert not await is_too_wide(page)


@pytest.mark.parametrize(("language", "size"), [("zh", "telephone"), ("en", "wide")])
async def test_an_operator_sees_what_is_wrong_replays_a_letter_and_drops_another(
    browser: Browser, at_night: MonitorAtWork, language: str, size: str
) -> None:
    zh = language == "zh"
    fresh, old = ISSUER.header(OPERATOR), ISSUER.header(OPERATOR, auth_time=0)
    async with window(browser, at_night.address, fresh, language, size) as page:
        await page.goto("/ops")
        await expect(page.locator(".answer")).to_contain_text("routing/routing-0")
        await expect(page.locator("tbody tr").first).to_contain_text("routing")
        for part in ("intake/intake-0", "TimeoutError", "tax/tax-0"):
            await expect(page.locator("main")).to_contain_text(part)
        await expect(page.get_by_text("未就绪" if zh else "Not ready", exact=True).first).to_be_visible()
        await looked_at(page, f"ops.{language}.{size}")
        await page.goto("/ops/monitor")
        await expect(page.locator("h1")).to_have_text("monitor")
        await looked_at(page, f"ops-service.{language}.{size}")
        await page.locator(".facts").get_by_role("link", name="2", exact=True).click()
        await expect(page.locator("main")).to_contain_text("记录不是 JSON" if zh else "the record is no JSON")
        await looked_at(page, f"ops-letters.{language}.{size}")

        await page.get_by_role("link", name="1", exact=True).click()
        await expect(page.locator("main")).not_to_contain_text(NAME)
        await page.get_by_role("link", name="显示含个人信息的内容" if zh else "Show it with personal data").click()
        await expect(page.locator("main")).to_contain_text(NAME)
        await looked_at(page, f"ops-letter.{language}.{size}")
        replaying = page.get_by_role("button", name="重放" if zh else "Replay it", exact=True)
        await replaying.click()
        await expect(page.locator(".problem")).to_contain_text("理由" if zh else "Reason")
        await page.locator("#reason").fill("程序已更新")
        await page.get_by_role("button", name="重放" if zh else "Replay it", exact=True).click()
        await expect(page).to_have_url(re.compile("done=replay"))
        await expect(page.locator(".done")).to_contain_text(OPERATOR)
        await expect(page.locator(".done")).to_contain_text("程序已更新")
        await expect(replaying).to_have_count(0)

        await page.goto("/ops/monitor/letters")
        await page.get_by_role("checkbox").check()
        await page.get_by_role("button", name="丢弃所选…" if zh else "Drop the ticked ones …").click()
        await page.locator("#reason").fill("测试发送")
        await looked_at(page, f"ops-settle.{language}.{size}")
        # The login grows old while the reason is typed: what was typed is kept.
        await page.set_extra_http_headers(old)
        dropping = page.get_by_role("button", name="丢弃这些" if zh else "Drop these")
        await dropping.click()
        await expect(page.locator(".problem")).to_contain_text("请再次确认身份" if zh else "Confirm once more")
        await expect(page.locator("#reason")).to_have_value("测试发送")
        await page.set_extra_http_headers(fresh)
        await dropping.click()
        await expect(page.locator(".done")).to_contain_text("测试发送")
        await looked_at(page, f"ops-settled.{language}.{size}")
        await page.goto("/ops/monitor/letters")
        await expect(page.locator("main")).to_contain_text("没有死信" if zh else "There are none")

    rows = await dead_letters.letters(at_night.monitor.process.database, status=None)
    assert [(one.status, one.settled_by, one.settled_reason) for one in rows] == [
        ("replayed", OPERATOR, "程序已更新"),
        ("dropped", OPERATOR, "测试发送"),
    ]


async def test_nobody_without_the_right_sees_or_settles_anything(browser: Browser, at_night: MonitorAtWork) -> None:
    async with window(browser, at_night.address, ISSUER.header(SUPERVISOR), "en") as page:
        for path in ("/ops", "/ops/monitor", "/ops/monitor/letters", "/ops/monitor/letters/1"):
            answer = await page.goto(path)
            assert answer is not None and answer.status == 403, path
    async with httpx2.AsyncClient(base_url=at_night.address, headers=ISSUER.header(SUPERVISOR)) as supervisor:
        for act in ("replay", "drop", "correction"):
            refused = await supervisor.post(f"/ops/monitor/letters/1/{act}", data={"reason": "x", "fields": "a=1"})
            assert refused.status_code == 403
    rows = await dead_letters.letters(at_night.monitor.process.database)
    assert [one.number for one in rows] == [1, 2]


async def test_programs_read_and_settle_the_same(at_night: MonitorAtWork) -> None:
    async with httpx2.AsyncClient(
        base_url=f"{at_night.address}/api/monitor", headers=ISSUER.header(OPERATOR)
    ) as operator:
        state = (await operator.get("/state")).json()
        kinds = [one["kind"] for one in state["troubles"]]
        assert kinds[0] == "silent" and {"fault", "impairment", "blocking-letters"} <= set(kinds)
        by_name = {one["name"]: one for one in state["services"]}
        assert by_name["routing"]["condition"] == "silent" and by_name["tax"]["condition"] == "impaired"
        assert by_name["intake"]["ready"] == 1 and state["delivers"] is True
        assert (await operator.get("/process")).json()["service"] == "monitor"
        first = (await operator.get("/dead-letters", params={"limit": 1})).json()
        assert [one["number"] for one in first["letters"]] == [1] and first["next"] == 1
        rest = (await operator.get("/dead-letters", params={"after": 1})).json()
        assert [one["number"] for one in rest["letters"]] == [2] and rest["next"] is None
        masked = (await operator.get("/dead-letters/1")).json()
        assert masked["masked"] and NAME not in str(masked)
        assert NAME in str((await operator.get("/dead-letters/1", params={"raw": True})).json())
        corrected = await operator.post(
            "/dead-letters/1/correction", json={"fields": {"data.reason": "改正"}, "reason": "confirmed"}
        )
        assert corrected.json() == {"case_id": case(1), "topic": TOPIC}
        refused = await operator.post("/dead-letters/1/correction", json={"reason": "again"})
        assert refused.status_code == 409 and "corrected already" in refused.json()["detail"]
        wrong = await operator.post("/dead-letters/2/correction", json={"fields": {"data.none.x": 1}, "reason": "x"})
        assert wrong.status_code == 409 and "data.none.x" in wrong.json()["detail"]
        settled = await operator.post("/dead-letter-replays", json={"numbers": [1, 2, 9], "reason": "x"})
        assert settled.json()["settled"] == [2]
        assert [one["number"] for one in settled.json()["refused"]] == [9, 1]
        assert (await operator.post("/dead-letter-drops", json={"reason": "x"})).status_code == 422
        assert (await operator.get("/dead-letters/9")).status_code == 404
        assert (await operator.post("/topics/onedoor.cases/resume")).status_code == 404
    old = ISSUER.header(OPERATOR, auth_time=0)
    async with httpx2.AsyncClient(base_url=f"{at_night.address}/api/monitor", headers=old) as tired:
        late = await tired.post("/dead-letter-drops", json={"numbers": [2], "reason": "x"})
        assert late.status_code == 401 and "max_age" in late.headers["www-authenticate"]
