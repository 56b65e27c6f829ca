"""Addresses of pages and assets, the reader's choices, and the headers of pages."""

import gzip

import httpx2
import pytest

from services.runtime.http.pages.application import pages_application
from services.runtime.http.pages.languages import language_of
from services.runtime.http.pages.rendering import Pages


def client(**options: object) -> httpx2.AsyncClient:
    """A client of pages that are errors and assets alone."""
    transport = httpx2.ASGITransport(pages_application("toy"))
    return httpx2.AsyncClient(transport=transport, base_url="http://here", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("address", "leads_to", "cookie"),
    [
        ("/x?language=en", "/x", "onedoor-language=en"),
        ("/x?a=1&language=zh&b=2", "/x?a=1&b=2", "onedoor-language=zh"),
        ("/x?text=large", "/x", "onedoor-text=large"),
        ("/x?language=fr", "/x", None),
        ("/x?owner=&region=45&item=%20", "/x?region=45", None),
        ("/x?owner=%E7%A8%8E%E5%8A%A1&item=", "/x?owner=%E7%A8%8E%E5%8A%A1", None),
        ("//evil.example/?language=en", "/evil.example/", "onedoor-language=en"),
        ("/%5C%5Cevil.example/?language=en", "/evil.example/", "onedoor-language=en"),
        ("/%0d%0aSet-Cookie:%20x/?language=en", "/%0D%0ASet-Cookie%3A%20x/", "onedoor-language=en"),
    ],
)
async def test_choices_and_empty_fields_leave_the_address(address: str, leads_to: str, cookie: str | None) -> None:
    async with client() as here:
        answer = await here.get(f"http://here{address}")
    assert (answer.status_code, answer.headers["location"]) == (303, leads_to)
    assert answer.headers.get("set-cookie", "").partition(";")[0] == (cookie or "")


async def test_a_post_keeps_its_address() -> None:
    async with client() as here:
        assert (await here.post("/x?language=en")).status_code == 404


@pytest.mark.parametrize(
    ("cookie", "accepted", "language"),
    [
        (None, "", "zh"),
        (None, "en-GB,en;q=0.9,zh;q=0.8", "en"),
        (None, "en;q=0.5, zh-CN;q=0.9", "zh"),
        (None, "fr, de", "zh"),
        (None, "en;q=0", "zh"),
        (None, "fr, en;q=0.1", "en"),
        (None, "en;q=much", "zh"),
        ("en", "zh", "en"),
        ("zh", "en", "zh"),
        ("xx", "en", "en"),
    ],
)
def test_the_language_is_the_chosen_one_or_that_of_the_browser(
    cookie: str | None, accepted: str, language: str
) -> None:
    assert language_of(cookie, accepted) == language


async def test_large_text_is_a_class_of_the_page() -> None:
    async with client(cookies={"onedoor-text": "large", "onedoor-language": "en"}) as here:
        page = (await here.get("/nothing")).text
    assert '<html lang="en" class="large">' in page
    assert "?text=normal" in page and "?language=zh" in page


async def test_pages_may_not_be_framed_extended_or_kept() -> None:
    async with client() as here:
        headers = (await here.get("/nothing")).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"


async def test_an_asset_is_kept_for_ever_at_the_address_of_its_content() -> None:
    address = Pages("toy").address("onedoor.css")
    async with client() as here:
        plain = await here.get(address, headers={"accept-encoding": "identity"})
        compressed = await here.get(address, headers={"accept-encoding": "gzip"})
        other = await here.get(address.replace(address.split(".")[1], "0" * 16))
        none = await here.get("/assets/toy/nothing.0123456789abcdef.css")
        foreign = await here.get(address.replace("/toy/", "/other/"))
    assert plain.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert plain.headers["content-type"].startswith("text/css")
    assert compressed.headers["content-encoding"] == "gzip"
    assert len(gzip.compress(plain.content)) < len(plain.content) / 2
    assert compressed.content == plain.content == other.content
    assert other.headers["cache-control"] == "no-store", "the content of another version"
    assert none.status_code == foreign.status_code == 404


async def test_every_picture_of_the_icons_is_one_that_the_file_has() -> None:
    async with client() as here:
        icons = (await here.get(Pages("toy").address("icons.svg"))).text
        page = (await here.get("/nothing")).text
    for name in {part.partition('"')[0] for part in page.split("icons.")[1:]}:
        assert f'id="{name.partition("#")[2]}"' in icons
