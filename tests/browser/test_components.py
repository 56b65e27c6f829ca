"""Every component of pages, and what a person who has logged in sees in the frame."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from fastapi import APIRouter, Request
from playwright.async_api import Browser, expect
from starlette.responses import Response

from contracts.rights.scope import EVERYWHERE
from contracts.rights.table import Act
from contracts.working_time.phrases import Phrase
from services.runtime.http.pages.application import pages_application
from services.runtime.http.pages.reader import Reader
from services.runtime.http.pages.rendering import Pages
from services.runtime.http.pages.sparkline import sparkline
from tests.support.http_server import http_server
from tests.support.pages.browser import LANGUAGES, looked_at, window

pytestmark = pytest.mark.asyncio(loop_scope="session")

STATES = (
    *("on_time", "warning", "yellow", "red", "oversight", "platform"),
    *("stopped", "provisional", "withdrawn", "appealed", "waiting"),
)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def components() -> AsyncIterator[str]:
    """The address of a page with every component, read by somebody with a name."""
    pages = Pages("toy", "tests.browser.components")
    router: APIRouter = pages.router()

    @router.get("/components")
    async def all_components(request: Request) -> Response:
        request.state.reader = Reader("周宁", frozenset({Act.READ_BOARD}), (EVERYWHERE,))
        return pages.render(
            request,
            "components.html",
            states=STATES,
            phrases=[
                Phrase("还有 3 个工作日", "5月12日 周二 17:30 止", "zh"),
                Phrase("Due today", "7 h 06 min left", "en"),
                Phrase("超期 2 个工作日", "承诺 4月30日 止", "zh"),
            ],
            line=sparkline([1, 3, 2, 4], 0, 4, "Cases: lowest 1, highest 4, last 4"),
            problems=["name", "days"],
        )

    async with http_server(pages_application("toy", router)) as (_, address):
        yield address


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("scheme", "size_for_axe"), [("light", "telephone"), ("dark", "wide")])
async def test_every_component_is_accessible(
    browser: Browser, components: str, language: str, scheme: str, size_for_axe: str
) -> None:
    async with window(browser, components, {}, language, color_scheme=scheme) as page:
        await page.goto("/components")
        await looked_at(page, f"components.{language}.{scheme}", size_for_axe)


async def test_the_menu_of_a_person_opens_and_closes_by_the_keyboard(browser: Browser, components: str) -> None:
    async with window(browser, components, {}, "en") as page:
        await page.goto("/components")
        await expect(page.get_by_role("navigation", name="Main menu")).to_contain_text("Board of departments")
        summary = page.locator("details.who summary")
        await summary.focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("button", name="Log out")).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("button", name="Log out")).to_be_hidden()
        await expect(summary).to_be_focused()


async def test_an_error_of_a_form_leads_to_its_field(browser: Browser, components: str) -> None:
    async with window(browser, components, {}, "en") as page:
        await page.goto("/components")
        await expect(page.get_by_role("alert")).to_be_focused()
        await page.get_by_role("alert").get_by_role("link", name="Days must be a whole number").click()
        days = page.get_by_label("Days")
        await expect(days).to_be_focused()
        await expect(days).to_have_attribute("aria-invalid", "true")
        await expect(days).to_have_accessible_description("Days must be a whole number")
