"""Debian's Chromium, driven by playwright, and what tests look at in a page."""

import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from deploy.browser import ADVICE, CHROMIUM

PICTURES = Path("build/pages")
"""Where the picture of every page lies, for a person to look at."""

SIZES = {"wide": (1440, 900), "telephone": (360, 740)}
"""Windows in which every page is looked at."""

SERIOUS = ("serious", "critical")

LANGUAGES = {"zh": "zh-CN", "en": "en-GB"}

looks = pytest.mark.parametrize(
    ("language", "scheme", "size_for_axe"), [("zh", "dark", "wide"), ("en", "light", "telephone")]
)
"""How every page is looked at: in both languages, sizes and colour schemes, each of them once by axe."""


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A browser. Raises `RuntimeError` if there is none, with what to type."""
    program = shutil.which(CHROMIUM)
    if program is None:
        raise RuntimeError(f"There is no {CHROMIUM}. {ADVICE}")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def window(
    browser: Browser, address: str, headers: dict[str, str], language: str = "zh", size: str = "wide", **options: Any
) -> AsyncIterator[Page]:
    """A page of a new window in this language. A message of the console or a failed script fails the test."""
    width, height = (SIZES | {"wall": (1920, 1080)})[size]
    context: BrowserContext = await browser.new_context(
        base_url=address,
        locale=LANGUAGES[language],
        viewport={"width": width, "height": height},
        extra_http_headers=headers,
        **options,
    )
    page = await context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    try:
        yield page
    finally:
        await context.close()
    # A page that answers 404 or 422 on purpose is an error to the console as well.
    found = [one for one in complaints if "Failed to load resource: the server responded with a status" not in one]
    assert not found, found


async def looked_at(page: Page, name: str, size_for_axe: str) -> None:
    """See a page as its readers do: it fits in each size, of which a picture is kept, and axe finds no serious fault.

    axe looks in one size, because that takes longer than everything else.
    """
    await expect(page.get_by_role("heading", level=1)).to_have_count(1)
    for size, (width, height) in SIZES.items():
        await page.set_viewport_size({"width": width, "height": height})
        await picture(page, f"{name}.{size}")
        assert not await is_too_wide(page), f"{name} is too wide for a {size}"
        if size == size_for_axe:
            assert await axe_faults(page) == []


async def axe_faults(page: Page) -> list[str]:
    """The serious faults that axe finds in the page, a line each."""
    found = (await Axe().run(page)).response
    return [
        f"{one['id']}: {one['help']}: {[node['target'] for node in one['nodes']][:5]}"
        for one in found["violations"]
        if one["impact"] in SERIOUS
    ]


async def is_too_wide(page: Page) -> bool:
    """Whether the page as a whole has to be scrolled sideways."""
    return bool(await page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


async def picture(page: Page, name: str) -> None:
    """Keep a picture of the whole page."""
    await page.screenshot(path=PICTURES / f"{re.sub(r'[^a-z0-9.-]+', '-', name)}.png", full_page=True)
