"""Code that suites share stands in ``tests/support``, and tests use public members only."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.support.alone import ALONE

TESTS = Path(__file__).parents[1]
FILES = sorted(TESTS.rglob("*.py"))

PUBLIC_OF_NAMEDTUPLES = {"_replace", "_asdict", "_fields", "_make"}
"""Their underscore only keeps them apart from the names of fields."""


def test_no_suite_imports_from_another() -> None:
    wrong = [
        f"{file.relative_to(TESTS)} imports {module}"
        for file in FILES
        for module in _imported(file)
        if module.startswith("tests.")
        and module.split(".")[1] not in ("support", file.relative_to(TESTS).parts[0].removesuffix(".py"))
    ]
    assert wrong == []


def test_tests_that_run_alone_are_where_they_are_looked_for() -> None:
    marked = {file for file in FILES for line in file.read_text(encoding="utf-8").splitlines() if "mark.alone" in line}
    assert {file.relative_to(TESTS.parent).parent.as_posix() for file in marked - {Path(__file__)}} == {ALONE}


def test_no_test_uses_a_private_member() -> None:
    wrong = [
        f"{file.relative_to(TESTS)}, line {node.lineno}: {ast.unparse(node)}"
        for file in FILES
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and node.attr.startswith("_")
        and not node.attr.endswith("__")
        and node.attr not in PUBLIC_OF_NAMEDTUPLES
        and not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"))
    ]
    wrong += [
        f"{file.relative_to(TESTS)} imports {module}"
        for file in FILES
        for module in _imported(file)
        if not module.startswith("__") and any(p.startswith("_") and not p.endswith("__") for p in module.split("."))
    ]
    assert wrong == []


def _imported(file: Path) -> Iterator[str]:
    """Full names of all that a file imports."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
