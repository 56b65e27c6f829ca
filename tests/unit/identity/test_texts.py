"""The words of the pages: in both languages, and no text that a page lacks or nothing uses."""

import re
from pathlib import Path
from string import Formatter
from typing import get_args

import pytest

from services.identity.core.sessions import EndReason
from services.identity.web.pages.texts import TEXTS, language_of
from tests.support.languages import in_both

PAGES = Path(__file__).parents[3] / "services" / "identity" / "web"
USED = re.compile(r"""\btext\(\s*"([a-z._]+)\"""")


def test_every_text_is_used_and_every_text_that_is_used_is_there() -> None:
    sources = [*PAGES.rglob("*.py"), *PAGES.rglob("*.html")]
    used = {key for source in sources for key in USED.findall(source.read_text(encoding="utf-8"))}
    assert TEXTS.keys() == used | {f"ended.{reason}" for reason in get_args(EndReason)}


@pytest.mark.parametrize("key", sorted(TEXTS.keys() - {"page.language"}))
def test_every_text_is_in_both_languages_with_the_same_values(key: str) -> None:
    en, zh = TEXTS[key]
    assert in_both(f"{en} {zh}") and not re.search("[\u4e00-\u9fff]", en)
    assert fields(en) == fields(zh)


def fields(text: str) -> set[str | None]:
    """The names of what is filled in."""
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


@pytest.mark.parametrize(
    ("cookie", "accepted", "language"),
    [
        (None, "", "zh"),
        (None, "zh-CN,en;q=0.8", "zh"),
        (None, "en-GB,zh;q=0.5", "en"),
        (None, "de,en;q=0.5", "en"),
        (None, "fr", "zh"),
        ("en", "zh", "en"),
        ("xx", "en", "en"),
    ],
)
def test_the_language_is_the_cookies_then_the_browsers_then_chinese(
    cookie: str | None, accepted: str, language: str
) -> None:
    assert language_of(cookie, accepted) == language
