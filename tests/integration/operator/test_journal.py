"""``onedoor journal``, on the real PostgreSQL."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from contracts.messages.alerts import AlertWithdrawn, Rung
from onedoor.cli import app
from services.operator.databases import connected
from services.runtime.journal.blocks import day_of
from services.runtime.journal.verify import verify
from tests.support.journal import KEY, publish, write_journal
from tests.support.monitor_process import alert_raised

REGION = "450103"
PUBLIC = KEY.public_key().public_bytes_raw().hex()


@pytest.fixture
def five_days(monitor_database: str) -> str:
    """A database of monitor whose journal has two decisions on three of five days. Four days are over."""

    async def main() -> None:
        now = datetime.now(UTC)
        raised = alert_raised(now, region=REGION)
        withdrawn = AlertWithdrawn(commitment="case", rung=Rung.YELLOW, reason="late", withdrawn_at=now, region=REGION)
        async with connected(monitor_database) as database:
            for days in (4, 3, 0):
                await publish(database, raised, withdrawn, ago=timedelta(days=days))
            await write_journal(database)

    asyncio.run(main())
    return monitor_database


def onedoor(database: str, *arguments: str, status: int = 0) -> str:
    """The output of ``onedoor journal``, which ends with this status."""
    environment = {"ONEDOOR_DATABASE": database}
    result = CliRunner().invoke(app, ["journal", *arguments], env=environment, catch_exceptions=False)
    assert result.exit_code == status, result.output
    return result.output


def test_an_export_is_sound_as_far_as_a_root_was_published(five_days: str, tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    assert onedoor(five_days, "key").strip() == PUBLIC
    assert "blocks written" in onedoor(five_days, "export", "--region", REGION, "--out", str(file))
    with file.open(encoding="utf-8") as lines:
        found = verify(lines, PUBLIC)
    assert (found.first, found.last, found.entries, found.days, len(found.open_day)) == (1, 3, 6, 4, 1)
    published, note = onedoor(five_days, "root", "--region", REGION).splitlines()
    day, root = published.split()
    assert f"no decision was made on {day}, so that its root is that of the day before" in note
    assert "sound" in onedoor(five_days, "verify", str(file), "--key", PUBLIC, "--until", day, "--root", root)
    assert "with --until" in onedoor(five_days, "verify", str(file), "--key", PUBLIC, "--root", root, status=2)
    assert "sound" in onedoor(five_days, "verify", str(file), "--key", PUBLIC, "--until", day)
    assert "NOT PROVEN" in onedoor(five_days, "verify", str(file), "--key", PUBLIC, status=3)
    assert "BROKEN" in onedoor(
        five_days, "verify", str(file), "--key", PUBLIC, "--until", day, "--root", "0" * 64, status=1
    )
    assert "2026-13-45" in onedoor(five_days, "verify", str(file), "--until", "2026-13-45", status=2)
    assert "def verify(" in onedoor(five_days, "verifier")


def test_an_export_of_some_days_is_sound_for_these_days(five_days: str, tmp_path: Path) -> None:
    file, today = tmp_path / "journal.jsonl", day_of(datetime.now(UTC))
    since, until = (f"{today - timedelta(days=ago)}" for ago in (2, 1))
    days = ("--since", since, "--until", until)
    assert "0 blocks written" in onedoor(five_days, "export", "--region", REGION, "--out", str(file), *days)
    assert "sound" in onedoor(five_days, "verify", str(file), "--key", PUBLIC, *days)


def test_a_region_without_a_closed_day_has_no_root(five_days: str) -> None:
    assert "has no day of region 110000" in onedoor(five_days, "root", "--region", "110000", status=1)
