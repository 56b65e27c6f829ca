"""Readers see the part of the work that their posts cover: no list, count, file or figure has anything else."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio

from contracts.messages.documents import PostsPublished, PublishedPost
from contracts.rights.holders import Holders
from contracts.rights.scope import Area
from contracts.rights.table import Role
from deploy.local.engines import Engines
from services.monitor.app import SERVICE
from services.monitor.store.board.listing import LISTED
from tests.integration.monitor.board_figures import count
from tests.integration.monitor.test_figures import events
from tests.support.databases import service_database
from tests.support.messages import at
from tests.support.monitor_process import NANNING, SHENZHEN, MonitorProcess, opened
from tests.support.staff import ISSUER, POSTS

pytestmark = pytest.mark.asyncio(loop_scope="module")

MARCH = {"period": "2026-03"}
MATTER = "start-business"

SCOPES = [
    pytest.param((), id="nothing"),
    pytest.param((Area(),), id="everything"),
    pytest.param((Area(region="45"),), id="a province"),
    pytest.param((Area("Commerce"),), id="a department"),
    pytest.param((Area("Commerce", NANNING),), id="a department in a county"),
    pytest.param((Area(items=(MATTER,)),), id="an item"),
    pytest.param((Area(items=("none",)),), id="an item without cases"),
    pytest.param((Area("Commerce", SHENZHEN), Area("Market office", NANNING)), id="two posts"),
    pytest.param((Area("Commerce", "44"), Area("Commerce", "45")), id="two regions"),
]


@pytest.fixture(scope="module")
def shared_database(engines: Engines) -> Iterator[str]:
    """The URL of a database of monitor."""
    with service_database(engines, "monitor", SERVICE.migrations) as address:
        yield address


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def nine_cases(shared_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[MonitorProcess]:
    """Cases in two regions that have everything that is listed and counted. Every test sets the time and the posts."""
    async with opened(shared_database, tmp_path_factory.mktemp("shared")) as monitor:
        for case, message, time in events():
            await monitor.process_messages(case, message, time=time)
        await count(monitor)
        yield monitor


def fill(monitor: MonitorProcess, scope: tuple[Area, ...]) -> None:
    """Give these posts to the reader; without any a right without a scope of its own."""
    posts = tuple(
        PublishedPost(
            role=Role.SUPERVISOR.value,
            person="reader",
            department=area.department,
            region=area.region,
            items=area.items,
        )
        for area in scope or (Area("no such department"),)
    )
    monitor.process.access.holders = Holders(PostsPublished(posts=(*POSTS.posts, *posts)))


def covered(rows: list[Any], scope: tuple[Area, ...]) -> list[Any]:
    return [row for row in rows if any(area.covers(row["owner"], row["region"], row["matter"]) for area in scope)]


async def read(monitor: MonitorProcess, path: str, **params: Any) -> Any:
    """The answer to the reader."""
    answer = await monitor.http.get(path, params=params or None, headers=ISSUER.header("reader"))
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("moment", ["2026-03-03 10:00", "2026-03-17 09:00"])
@pytest.mark.parametrize("scope", SCOPES)
async def test_lists_have_the_covered_rows_and_no_others(
    nine_cases: MonitorProcess, scope: tuple[Area, ...], moment: str
) -> None:
    nine_cases.clock.set(at(moment), 0)
    fill(nine_cases, scope)
    seen = 0
    for path, key, params in (
        ("/alerts", "alerts", {}),
        ("/due", "commitments", {"days": 60}),
        ("/overdue", "commitments", {}),
        ("/overdue", "commitments", {"region": "45"}),
    ):
        whole = (await nine_cases.get(path, **params))[key]
        seen += len(whole)
        assert (await read(nine_cases, path, **params))[key] == covered(whole, scope), path
    assert seen > 0
    for path in ("/platform-issues?unsettled=false", "/doubtful-times?unresolved=false"):
        assert await read(nine_cases, path) == covered(await nine_cases.get(path), scope)
    for path in ("/due/counts?days=60", "/overdue/counts"):
        counted = await read(nine_cases, path)
        listed = await read(nine_cases, path.replace("/counts", ""))
        assert counted["total"] == sum(one["commitments"] for one in counted["counts"])
        assert counted["total"] == len(listed["commitments"])
    file = await nine_cases.http.get("/overdue", params={"form": "csv"}, headers=ISSUER.header("reader"))
    assert len(file.text.splitlines()) == 1 + len((await read(nine_cases, "/overdue"))["commitments"])


@pytest.mark.parametrize("kind", ["case", "step"])
@pytest.mark.parametrize("scope", SCOPES)
async def test_figures_count_what_is_covered(nine_cases: MonitorProcess, scope: tuple[Area, ...], kind: str) -> None:
    nine_cases.clock.set(at("2026-03-17 09:00"), 0)
    fill(nine_cases, scope)
    boards = {
        column: await read(nine_cases, "/board", by=by, kind=kind, **MARCH)
        for by, column in (("owner", "owner"), ("region", "region"), ("item", "matter"))
    }
    for figure in LISTED:
        query = {"figure": figure, "kind": kind, **MARCH}
        whole = (await nine_cases.get("/board/cases", **query))["commitments"]
        listed = (await read(nine_cases, "/board/cases", **query))["commitments"]
        assert listed == covered(whole, scope)
        for column, board in boards.items():
            assert board["total"]["figures"][figure] == sum(one["counted"] for one in listed), (figure, column)
            for row in board["rows"]:
                of_row = [one["counted"] for one in listed if one[column] == row["name"]]
                assert row["figures"][figure] == sum(of_row), (figure, row["name"])


async def test_a_rank_is_among_all_and_is_left_out_where_it_would_be_among_some(nine_cases: MonitorProcess) -> None:
    nine_cases.clock.set(at("2026-03-17 09:00"), 0)

    async def overall(*scope: Area, by: str = "region") -> list[int | None]:
        fill(nine_cases, scope)
        board = await read(nine_cases, "/board", by=by, kind="step" if by == "owner" else "case", **MARCH)
        return [row["ranks"]["closed_per_month"]["overall"]["of"] if row["ranks"] else None for row in board["rows"]]

    assert await overall(Area(region=NANNING)) == [2]
    assert await overall(Area("Commerce", NANNING)) == [2]
    departments = await overall(Area(), by="owner")
    assert len(departments) > 1 and None not in departments
    assert await overall(Area(region="4"), by="owner") == departments, "all departments, by their work in the region"
    assert set(await overall(Area("Commerce", NANNING), Area("Market office", SHENZHEN))) == {None}


async def test_digests_of_others_are_not_shown(nine_cases: MonitorProcess) -> None:
    await nine_cases.execute("INSERT INTO digests (person) VALUES ('reader'), ('another')")
    fill(nine_cases, (Area(region="45"),))
    assert {one["person"] for one in (await nine_cases.get("/digests"))["digests"]} == {"reader", "another"}
    assert {one["person"] for one in (await read(nine_cases, "/digests"))["digests"]} == {"reader"}
