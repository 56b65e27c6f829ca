"""The glossary and the code agree: few terms, each once, each with its Chinese and a name that the code has."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GLOSSARY = ROOT / "docs" / "glossary.md"
MAX_TERMS = 40

ROW = re.compile(
    r"^\| (?P<term>[^|]+) \| (?P<chinese>[^|]+) \| (?P<meaning>[^|]+) \| `(?P<name>\w+)` \|$", re.MULTILINE
)


def test_every_term_stands_once_and_there_are_few() -> None:
    text = GLOSSARY.read_text(encoding="utf-8")
    terms = [row["term"] for row in ROW.finditer(text)]
    rows = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith(("| term", "| ---"))]
    assert len(terms) == len(rows), "each row names a term, its Chinese, a meaning and one name in code"
    assert len(set(terms)) == len(terms) <= MAX_TERMS


def test_every_chinese_term_is_chinese_and_stands_once() -> None:
    chinese = [row["chinese"] for row in ROW.finditer(GLOSSARY.read_text(encoding="utf-8"))]
    assert all(re.search(r"[\u4e00-\u9fff]", one) for one in chinese)
    assert len(set(chinese)) == len(chinese)


def test_the_code_has_every_name() -> None:
    source = "\n".join(
        path.read_text(encoding="utf-8")
        for room in ("contracts", "services")
        for path in sorted((ROOT / room).rglob("*.py"))
    )
    used = set(re.findall(r"\w+", source))
    names = {row["name"] for row in ROW.finditer(GLOSSARY.read_text(encoding="utf-8"))}
    assert names <= used, f"the code has no {', '.join(sorted(names - used))}"
