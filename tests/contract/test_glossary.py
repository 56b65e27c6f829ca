"""The glossary and the code agree: few terms, each once, each with its Chinese and a name that the code defines."""

import ast
import re
from collections.abc import Iterator
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


def test_the_code_defines_every_name() -> None:
    files = [path for room in ("contracts", "services") for path in sorted((ROOT / room).rglob("*.py"))]
    defined = {name for path in files for name in (path.stem, path.parent.name, *definitions(path))}
    names = {row["name"] for row in ROW.finditer(GLOSSARY.read_text(encoding="utf-8"))}
    assert names <= defined, f"the code does not define {', '.join(sorted(names - defined))}"


def test_a_word_in_passing_is_no_definition(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(
        "TABLE = 'CREATE TABLE digests ()'\nclass Case:\n    matter: str\n\ndef f(system):\n    journal = system\n"
    )
    assert set(definitions(module)) == {"TABLE", "digests", "Case", "matter"}


def definitions(path: Path) -> Iterator[str]:
    """The classes, fields, constants and tables that a module defines."""
    text = path.read_text(encoding="utf-8")
    yield from re.findall(r"CREATE TABLE (\w+)", text)
    tree = ast.parse(text)
    scopes: list[ast.Module | ast.ClassDef] = [tree]
    scopes += [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    for scope in scopes:
        for node in scope.body:
            match node:
                case ast.ClassDef(name=name) | ast.AnnAssign(target=ast.Name(id=name)):
                    yield name
                case ast.Assign(targets=[ast.Name(id=name)]):
                    yield name
