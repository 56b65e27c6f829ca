"""The words of the front's pages: in both languages, and none that nothing uses."""

import re
from pathlib import Path
from string import Formatter

import pytest

from services.front.web.texts import TEXTS
from tests.support.languages import in_both

FRONT = Path(__file__).parents[3] / "services" / "front"
TABLE = FRONT / "web" / "texts.py"
QUOTED = re.compile(r'"([a-z._-]+)"')


def test_every_text_is_used() -> None:
    sources = "".join(
        file.read_text(encoding="utf-8") for suffix in ("py", "html") for file in FRONT.rglob(f"*.{suffix}")
    )
    used = set(QUOTED.findall(sources.replace(TABLE.read_text(encoding="utf-8"), "")))
    for key in TEXTS:
        subject, _, part = key.partition(".")
        by_part = part == "title" or subject in ("ended", "failed")
        assert key in used or (by_part and (subject if part == "title" else part) in used), key


@pytest.mark.parametrize("key", sorted(TEXTS.keys() - {"page.language"}))
def test_every_text_is_in_both_languages_with_the_same_values(key: str) -> None:
    en, zh = TEXTS[key]
    assert in_both(f"{en} {zh}") and not re.search("[\u4e00-\u9fff]", en)
    assert fields(en) == fields(zh)


def fields(text: str) -> set[str | None]:
    """The names of what is filled in."""
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}
