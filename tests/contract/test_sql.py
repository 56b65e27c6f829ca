"""SQL stands in rooms and modules named store, in the queries of the audit and in migrations, and nowhere else."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("contracts", "services", "onedoor", "deploy", "tools")
SHELVES = {"store", "queries", "migrations"}
ENGINE = ROOT / "deploy" / "local" / "engines" / "postgres.py"
"""Makes and drops whole databases. It knows no table."""

SQL = re.compile(
    r"""^\s*(?:SELECT|INSERT\ INTO|UPDATE\ \S+\ SET|DELETE\ FROM|WITH\ \w+\ AS|CREATE|DROP|ALTER|TRUNCATE
            |LOCK\ TABLE|COMMENT\ ON|COPY|LISTEN|NOTIFY)\b
        |\b(?:FROM|JOIN|INTO)\s+\w+\s+(?:WHERE|SET|AS|ON|ORDER)\b
        |\bWHERE\s+\w+\s(?:=|IS|IN)""",
    re.VERBOSE,
)


def test_sql_stands_in_store_only() -> None:
    files = [file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))]
    others = [file for file in files if not SHELVES & {*file.with_suffix("").parts} and file != ENGINE]
    wrong = [
        f"{file.relative_to(ROOT)}, line {line}" for file in others for line in _sql(file.read_text(encoding="utf-8"))
    ]
    assert wrong == []


@pytest.mark.parametrize(
    "planted",
    [
        'QUERY = "SELECT state FROM cases WHERE case_id = :case_id"',
        'QUERY = f"""\n    UPDATE {table} SET state = :state"""',
        'text("INSERT INTO outbox (case_id) VALUES (:case_id)")',
        'text(f"{_ROWS} WHERE closed_at IS NULL")',
        'text("""\n    WITH own AS (DELETE FROM cases RETURNING case_id)\n    """)',
        'op.execute("CREATE INDEX due ON alerts (due_at)")',
    ],
)
def test_sql_is_found(planted: str) -> None:
    assert _sql(planted) == [1]


def test_sentences_are_no_sql() -> None:
    assert _sql('"""Select from the list, update it, or delete from it where it is wrong."""') == []


def _sql(source: str) -> list[int]:
    """The lines on which a text with SQL begins."""
    nodes = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.expr))
    return sorted({node.lineno for node in nodes if SQL.search(_text(node))})


def _text(node: ast.expr) -> str:
    """The text of a string, also of one with replacement fields; empty for anything else."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_text(part) or "x" for part in parts)
        case _:
            return ""
