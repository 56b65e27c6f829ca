"""``onedoor figures``, on the real PostgreSQL."""

import asyncio

from sqlalchemy import text
from typer.testing import CliRunner

from onedoor.cli import app
from services.operator.databases import connected
from tests.support.databases import on_record

FACT = """
    INSERT INTO commitment_facts (case_id, commitment, kind, owner, region, matter, opened_on, due_on, paused)
    VALUES ('a', 'case', 'case', 'Tax', '450103', 'm', '2026-03-02', '2026-03-09', false)
"""


def test_figures_are_counted_anew(monitor_database: str) -> None:
    async def write() -> None:
        async with connected(monitor_database) as database, database.begin() as connection:
            await connection.execute(text(FACT))

    asyncio.run(write())
    # On five levels, by day and by month: one received on the second, due on the ninth.
    assert "15 rows of figures were different" in recount(monitor_database)
    assert "0 rows of figures were different" in recount(monitor_database)
    assert [(one.act, one.outcome, one.rows) for one in on_record(monitor_database)] == [
        ("board.recount", "done", 15),
        ("board.recount", "done", 0),
    ]


def recount(database: str) -> str:
    environment = {"ONEDOOR_DATABASE": database}
    result = CliRunner().invoke(app, ["figures", "recount"], env=environment, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output
