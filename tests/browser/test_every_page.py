"""Every page of monitor as its reader's system wants it: with more contrast, in forced colours, in large text,
on a telephone, and on paper. One window shows them all, so that a page costs one request."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, ViewportSize

from contracts.messages.alerts import Rung
from tests.browser.conftest import MonitorAtWork
from tests.browser.worklist_data import RED, alert_number
from tests.support.pages.browser import PICTURES, is_too_wide, picture, window
from tests.support.staff import STAFF

pytestmark = pytest.mark.asyncio(loop_scope="session")

MONTH = "period=2026-04"

PAPER: ViewportSize = {"width": 687, "height": 972}
"""A4 without its margins, in pixels."""

PAPER_ACROSS: ViewportSize = {"width": 1047, "height": 720}

WIDE: ViewportSize = {"width": 1440, "height": 900}

TELEPHONE: ViewportSize = {"width": 360, "height": 740}

NORMAL: dict[str, Any] = {
    "media": "screen",
    "color_scheme": "light",
    "contrast": "no-preference",
    "forced_colors": "none",
}

SYSTEMS: dict[str, dict[str, Any]] = {
    "contrast": {"contrast": "more"},
    "contrast-dark": {"contrast": "more", "color_scheme": "dark"},
    "forced": {"forced_colors": "active"},
}


CUT = """
    [...document.querySelectorAll("table")]
        .filter((one) => one.offsetParent && one.getBoundingClientRect().right > innerWidth + 1).length
"""
"""How many tables are cut off at the right."""


async def unreadable(page: Page) -> list[str]:
    """The texts with too little contrast."""
    found = (await Axe().run(page, options={"runOnly": ["color-contrast"], "resultTypes": ["violations"]})).response
    return [str(node["target"]) for one in found["violations"] for node in one["nodes"]]


async def as_systems_want(page: Page, name: str) -> None:
    """With each preference all text can be read."""
    for system, preferences in SYSTEMS.items():
        await page.emulate_media(**(NORMAL | preferences))
        assert await unreadable(page) == [], system
        if system != "contrast":
            await picture(page, f"{name}.zh.{system}")
    await page.emulate_media(**NORMAL)


async def on_a_telephone(page: Page, name: str) -> None:
    """Nothing has to be scrolled sideways."""
    await page.set_viewport_size(TELEPHONE)
    assert not await is_too_wide(page)
    await page.set_viewport_size(WIDE)


async def on_paper(page: Page, name: str) -> None:
    """Paper has nothing that cannot be pressed on it, and nothing is cut off."""
    await page.emulate_media(**(NORMAL | {"media": "print"}))
    across = await page.evaluate("document.body.classList.contains('on-board')")
    await page.set_viewport_size(PAPER_ACROSS if across else PAPER)
    assert not await is_too_wide(page)
    assert await page.evaluate(CUT) == 0, "a table is cut off"
    for pressed in ("header.bar", "form.filters", "button", ".views", ".pages", ".head .right"):
        for one in await page.locator(pressed).all():
            assert not await one.is_visible(), pressed
    for stamp in await page.locator(".stamp").all():
        assert await stamp.is_visible()
    await page.pdf(path=PICTURES / f"{name}.zh.print.pdf", prefer_css_page_size=True)
    await page.emulate_media(**NORMAL)
    await page.set_viewport_size(WIDE)


TRIED: tuple[Callable[[Page, str], Awaitable[None]], ...] = (as_systems_want, on_a_telephone, on_paper)


async def test_every_page_follows_its_reader(browser: Browser, monitor_address: str, unchanged: MonitorAtWork) -> None:
    red = await alert_number(unchanged.monitor, RED, Rung.RED)
    of_figures = {
        "board": f"/board?{MONTH}",
        "board-cases": f"/board/cases?figure=overdue&{MONTH}",
        "board-figures": "/board/figures",
        "bulletin": "/bulletin/2026-04",
        "wrong": "/board?period=april&region=x",
        "missing": "/board/nothing",
    }
    of_cases = {
        "due": "/due",
        "overdue": "/overdue",
        "alerts": "/alerts",
        "alert": f"/alerts/{red}",
        "acknowledge": f"/alerts/acknowledge?alert={red}",
        "case-time": f"/time/{RED}",
        "proposals": "/proposals",
        "record": "/record",
        "journal": "/journal",
        "ops": "/ops",
        "ops-service": "/ops/monitor",
        "ops-letters": "/ops/monitor/letters",
    }
    for address, pages in ((monitor_address, of_figures), (unchanged.address, of_cases)):
        async with window(browser, address, STAFF, "zh") as page:
            for name, path in pages.items():
                await page.goto(path)
                for tried in TRIED:
                    await tried(page, name)
                await page.goto(path + ("&" if "?" in path else "?") + "text=large")
                assert not await is_too_wide(page), "in large text"
                await page.goto(path + ("&" if "?" in path else "?") + "text=normal")
