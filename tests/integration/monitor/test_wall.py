"""The page of the wall display, on a real PostgreSQL."""

import re

import pytest

from contracts.messages.documents import PostsPublished, PublishedPost
from contracts.rights.holders import Holders
from contracts.rights.table import Role
from tests.integration.monitor.board_figures import count
from tests.integration.monitor.test_board_page import client, page
from tests.integration.monitor.test_figures import events
from tests.support.messages import at
from tests.support.monitor_process import NANNING, MonitorProcess


@pytest.fixture
async def nine_cases(monitor: MonitorProcess) -> MonitorProcess:
    for case, message, time in events():
        await monitor.process_messages(case, message, time=time)
    await count(monitor)
    monitor.clock.set(at("2026-03-17 09:00"), 0)
    return monitor


def texts(found: str) -> list[str]:
    """The text of a page, piece by piece."""
    return [piece.strip() for piece in re.findall(r">([^<>]+)<", found) if piece.strip()]


async def test_its_numbers_are_those_of_the_board_and_it_names_no_case(nine_cases: MonitorProcess) -> None:
    board = await nine_cases.get("/board", period="2026-03")
    found = await page(nine_cases, "/board/wall")
    total = board["total"]["figures"]
    for number in (f"{total['on_time_rate']:.2f}", str(total["due_today"])):
        assert number in texts(found)
    for row in (row for row in board["rows"] if row["figures"]["overdue"]):
        assert row["name"] in texts(found) and str(row["figures"]["overdue"]) in texts(found)
    for view in ("departments", "regions", "rates"):
        shown = await page(nine_cases, f"/board/wall?view={view}")
        for case in await nine_cases.states():
            assert case not in shown
        assert "<nav" not in shown and "/time/" not in shown, "it leads nowhere"


async def test_without_a_script_it_turns_by_itself_until_it_is_held(nine_cases: MonitorProcess) -> None:
    turn = '<noscript><meta http-equiv="refresh" content="20;url=/board/wall?view={}"></noscript>'
    for view, following in (("departments", "regions"), ("regions", "rates"), ("rates", "departments")):
        assert turn.format(following) in await page(nine_cases, f"/board/wall?view={view}")
    assert "refresh" not in await page(nine_cases, "/board/wall?hold=true")


async def test_old_numbers_are_marked(nine_cases: MonitorProcess) -> None:
    assert "Old numbers" not in await page(nine_cases, "/board/wall")
    await nine_cases.execute(
        "INSERT INTO changed_cases (case_ids, changed_at) VALUES (ARRAY['x'], clock_timestamp() - interval '9 minutes')"
    )
    assert "Old numbers; minutes that are not counted yet: 9" in await page(nine_cases, "/board/wall")


async def test_a_display_shows_its_region_alone(nine_cases: MonitorProcess) -> None:
    post = PublishedPost(role=Role.WALL_DISPLAY.value, person="everybody", region=NANNING)
    nine_cases.process.access.holders = Holders(PostsPublished(posts=(post,)))
    found = await page(nine_cases, "/board/wall?view=regions")
    assert "南山区" not in found
    async with client(nine_cases) as here:
        for path in ("/board", "/bulletin/2026-03", "/overdue", "/alerts", "/board/figures"):
            assert (await here.get(path)).status_code == 403, path
