"""The page of the board, on a real PostgreSQL."""

import re

import httpx2
import pytest
from sqlalchemy import event

from contracts.messages.alerts import Rung
from services.monitor.app import SERVICE
from services.monitor.core.board.figures import CATALOGUE, FIGURES, PRESENT
from services.monitor.store.board import counting
from services.monitor.web.pages import figures
from services.runtime.http.pages.application import service_pages
from services.runtime.store.database import transaction
from tests.integration.monitor.board_figures import count
from tests.support.messages import MONDAY, at
from tests.support.monitor_histories import BUSINESS
from tests.support.monitor_process import NANNING, MonitorProcess, alert_raised, begun, number
from tests.support.staff import STAFF


def client(monitor: MonitorProcess, language: str = "en") -> httpx2.AsyncClient:
    """A client of the pages."""
    app = service_pages(SERVICE, monitor.process)
    headers = {**STAFF, "accept-language": language}
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://here", headers=headers)


async def page(monitor: MonitorProcess, path: str, language: str = "en") -> str:
    """The text of a page."""
    async with client(monitor, language) as here:
        answer = await here.get(path)
    assert answer.status_code == httpx2.codes.OK, answer.text
    return answer.text


def test_the_views_show_every_figure_of_the_board() -> None:
    shown = {name for view in figures.VIEWS for group in view.groups for name in group.figures} | {"on_time_rate"}
    assert shown == {*FIGURES, *PRESENT, *CATALOGUE, "closed_per_month"}
    assert shown == figures.FIGURES.keys()


async def add_departments(monitor: MonitorProcess, numbers: range) -> None:
    """Commitments of so many departments, of which one each is overdue."""
    for one in numbers:
        await monitor.execute(
            """
            INSERT INTO commitment_facts (case_id, commitment, kind, owner, region, matter, opened_on, due_on, paused)
            VALUES (:case, 'case', 'case', :owner, :region, 'm', '2026-03-02', '2026-03-04', false)
            """,
            case=number(one),
            owner=f"Department {one}",
            region=f"4501{one % 40 + 21}",
        )


async def test_a_page_takes_the_same_statements_however_many_rows_it_has(monitor: MonitorProcess) -> None:
    monitor.clock.set(at("2026-03-09 10:00"), 0)
    statements: list[str] = []
    engine = monitor.process.database.sync_engine

    @event.listens_for(engine, "before_cursor_execute")
    def counted(_c: object, _k: object, statement: str, *_: object) -> None:
        statements.append(statement)

    taken = []
    for numbers in (range(2), range(2, 42)):
        await add_departments(monitor, numbers)
        await recount(monitor)
        statements.clear()
        assert "Department 1" in await page(monitor, "/board?period=2026-03")
        taken.append(len(statements))
    assert taken[0] == taken[1] <= 9, statements


async def recount(monitor: MonitorProcess) -> None:
    """Count all facts anew."""
    async with transaction(monitor.process.database) as connection:
        await counting.recount(connection)


async def test_a_cell_has_the_form_of_the_worst_card_in_it(monitor: MonitorProcess) -> None:
    monitor.clock.set(at("2026-03-09 10:00"), 0)
    for case, owner in enumerate(("Yellow", "Red")):
        await monitor.execute(
            """
            INSERT INTO commitment_facts (case_id, commitment, kind, owner, region, matter, opened_on, due_on, paused)
            VALUES (:case, 'case', 'case', :owner, '450103', 'm', '2026-03-02', '2026-03-04', false)
            """,
            case=number(case),
            owner=owner,
        )
        rung = Rung.RED if owner == "Red" else Rung.YELLOW
        await monitor.publish((case, alert_raised(MONDAY, rung, owner)))
    await recount(monitor)
    found = await page(monitor, "/board?period=2026-03")
    yellow = r'class="y" href="[^"]*owner=Yellow&amp;region=450103" aria-label="Yellow, 青秀区: 1 overdue">1<'
    assert re.search(yellow, found)
    assert re.search(r'class="r" href="[^"]*" aria-label="Red, 青秀区: 1 overdue, 1 with a red card">1<', found)
    assert "Of 2 departments" not in found and "All 2 departments have something overdue." in found


async def test_changes_that_are_not_counted_yet_are_said(monitor: MonitorProcess) -> None:
    await monitor.process_messages(number(1), BUSINESS.accepted(MONDAY))
    late = await page(monitor, "/board?period=2026-03")
    assert "the changes of the last minute are not counted yet" in late
    assert "最近 1 分钟的变化尚未计入" in await page(monitor, "/board?period=2026-03", "zh")
    await count(monitor)
    assert "not counted yet" not in await page(monitor, "/board?period=2026-03")


async def test_a_period_without_cases_says_so_and_what_to_do(monitor: MonitorProcess) -> None:
    found = await page(monitor, "/board?period=2019-04")
    assert "No cases in April 2019" in found and "Show this month" in found
    assert "<table" not in found


@pytest.mark.parametrize(
    "query", ["period=april", "region=x", "by=county", "view=all", "sort=name", "start=0", "first=yesterday", "no=such"]
)
async def test_a_wrong_query_is_answered_with_what_was_typed(monitor: MonitorProcess, query: str) -> None:
    async with client(monitor) as here:
        answer = await here.get(f"/board?owner=Tax&{query}")
    name, _, value = query.partition("=")
    assert answer.status_code == 422
    assert f'value="{value}"' in answer.text and 'value="Tax"' in answer.text
    assert f'href="#{name}"' in answer.text


async def test_nothing_that_is_typed_becomes_part_of_the_page(monitor: MonitorProcess) -> None:
    script = "%22%3E%3Cscript%3Ealert(1)%3C/script%3E"
    async with client(monitor) as here:
        for path in (f"/board?owner={script}", f"/board?item={script}", f"/board/cases?figure={script}&x={script}"):
            assert "<script>alert" not in (await here.get(path)).text


async def test_a_list_goes_on_where_its_page_ends(monitor: MonitorProcess) -> None:
    monitor.clock.set(at("2026-03-09 10:00"), 0)
    await add_departments(monitor, range(60))
    path: str | None = "/board/cases?figure=overdue"
    numbers: list[str] = []
    pages = 0
    while path is not None:
        found = await page(monitor, path)
        numbers += re.findall(r'class="code"[^>]*>([0-9-]+)<', found)
        onward = re.search(r'href="([^"]+)" rel="next"', found)
        path = onward[1].replace("&amp;", "&") if onward else None
        pages += 1
    assert numbers == [number(one) for one in range(60)] and pages == 2
    assert "51 to 60" in found


async def test_a_region_is_known_by_its_name(monitor: MonitorProcess) -> None:
    await monitor.process_messages(number(1), begun(region=NANNING))
    await count(monitor)
    found = await page(monitor, "/board?period=2026-03&by=region")
    assert "青秀区" in found and NANNING not in re.sub(r'"[^"]*"', "", found)
