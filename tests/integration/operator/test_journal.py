"""``onedoor journal``, on the real PostgreSQL."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from contracts.messages.alerts import AlertWithdrawn, Rung
from onedoor.cli import app
from services.monitor.journal.verify import verify
from services.operator.databases import connected
from tests.integration.monitor.monitor_process import alert_raised
from tests.support.journal import KEY, publish, write_journal

REGION = "450103"
PUBLIC = KEY.public_key().public_bytes_raw().hex()


@pytest.fixture
def four_days(monitor_database: str) -> str:
    """A database of monitor whose journal has two decisions on each of four days. Three days are over."""

    async def main() -> None:
        now = datetime.now(UTC)
        raised = alert_raised(now, region=REGION)
        withdrawn = AlertWithdrawn(commitment="case", rung=Rung.YELLOW, reason="late", withdrawn_at=now, region=REGION)
        async with connected(monitor_database) as database:
            for days in (3, 2, 1, 0):
                await publish(database, raised, withdrawn, ago=timedelta(days=days))
            await write_journal(database)

    asyncio.run(main())
    return monitor_database


def test_an_export_is_sound(four_days: str, tmp_path: Path) -> None:
    def onedoor(*arguments: str) -> str:
        environment = {"ONEDOOR_DATABASE": four_days}
        result = CliRunner().invoke(app, ["journal", *arguments], env=environment, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout

    file = tmp_path / "journal.jsonl"
    assert onedoor("key").strip() == PUBLIC
    assert "blocks written" in onedoor("export", "--region", REGION, "--out", str(file))
    with file.open(encoding="utf-8") as lines:
        assert verify(lines, PUBLIC) == {"first": 1, "last": 4, "entries": 8, "days": 3, "unsigned": 1}
    assert "sound" in onedoor("verify", str(file), "--key", PUBLIC)
    assert "def verify(" in onedoor("verifier")
