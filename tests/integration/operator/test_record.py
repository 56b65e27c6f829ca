"""The record of access and the journal of intake, over its real process.

An auditor sees who did what, ``onedoor`` checks both, and a killed process has done nothing that is not on record.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from pydantic import SecretStr
from sqlalchemy import text
from typer.testing import CliRunner

from deploy.local.engines import Engines
from onedoor.cli import app
from services.intake.app import SERVICE
from services.operator.databases import connected
from services.runtime.http.app import application
from services.runtime.journal.access import AccessRows
from services.runtime.journal.blocks import signing_key
from services.runtime.journal.decisions import Decisions
from services.runtime.journal.writer import JournalWriter
from services.runtime.process import ServiceProcess
from services.runtime.settings import Settings
from services.runtime.store import access_record
from services.runtime.store.chains import JOURNAL
from tests.support.applications import APPLICATION
from tests.support.databases import service_database
from tests.support.monitor_process import kill
from tests.support.runtime.processes import rows
from tests.support.staff import EVERYBODY, HOLDERS, ISSUER, STAFF
from tests.support.waiting import eventually

SECRET = "k" * 32
KEY = signing_key(SECRET)
PUBLIC = KEY.public_key().public_bytes_raw().hex()
REGION = APPLICATION["region"]


@pytest.fixture
def intake_database(engines: Engines) -> Iterator[str]:
    with service_database(engines, "intake", SERVICE.migrations) as address:
        yield address


class Intake:
    """A running intake, a client of its staff, and one of applicants."""

    def __init__(self, process: ServiceProcess[Any], http: httpx2.AsyncClient, public: httpx2.AsyncClient) -> None:
        self.process = process
        self.http = http
        self.public = public

    async def accepted(self) -> str:
        """The number of a new case."""
        answer = await self.public.post("/cases", json=APPLICATION)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["number"])

    async def suspend(self, number: str, at: datetime | None = None) -> httpx2.Response:
        body = {"kind": "hold", "reason": "材料核查", "since": at.isoformat() if at else None}
        return await self.http.post(f"/cases/{number}/suspensions", json=body)

    async def entries(self, **query: Any) -> list[Any]:
        """What an auditor sees."""
        answer = await self.http.get("/record", params=query)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["entries"])


@asynccontextmanager
async def running(database: str, kafka: str) -> AsyncIterator[Intake]:
    settings = Settings(
        service="intake",
        systems=("tax", "commerce", "land"),
        database=SecretStr(database),
        secret_key=SecretStr(SECRET),
        documents_key=SecretStr(SECRET),
        issuer=ISSUER.url,
        kafka=kafka,
        topic_prefix=f"test-{uuid4().hex[:8]}-",
    )
    async with ServiceProcess(SERVICE, settings) as process:
        process.access.holders = HOLDERS
        transport = httpx2.ASGITransport(application(SERVICE, process), raise_app_exceptions=False)
        address = "http://127.0.0.1:8000"
        async with (
            httpx2.AsyncClient(transport=transport, base_url=address, headers=STAFF) as http,
            httpx2.AsyncClient(transport=transport, base_url=address) as public,
        ):
            yield Intake(process, http, public)


async def chained(database: str) -> None:
    """Write journal and chain, which else wait for a minute."""
    async with connected(database) as engine:
        for tables, source in ((JOURNAL, Decisions(SERVICE.decisions)), (access_record.CHAIN, AccessRows("intake"))):
            writer = JournalWriter(engine, KEY, tables, source, 0.0, timedelta(hours=12))
            while await writer.run_once():
                pass


def onedoor(database: str, *arguments: str, status: int) -> str:
    """The output of a command, which ends with this status."""
    environment = {"ONEDOOR_DATABASE": database}
    result = CliRunner().invoke(app, list(arguments), env=environment, catch_exceptions=False)
    assert result.exit_code == status, result.output
    return result.output


def test_what_people_do_is_on_record_and_in_the_journal_under_their_name(
    intake_database: str, kafka_address: str, tmp_path: Path
) -> None:
    async def main() -> str:
        async with running(intake_database, kafka_address) as intake:
            number = await intake.accepted()
            assert (await intake.suspend(number)).status_code == 201
            started = datetime.now(UTC).isoformat()
            timer = {"kind": "complaint", "reference": "C1", "started_at": started}
            assert (await intake.http.post(f"/cases/{number}/timers", json=timer)).status_code == 201
            assert (await intake.suspend("AAAA-BBBB-CCCC-D")).status_code == 404
            wrong = {"Authorization": "Bearer wrong"}
            assert (await intake.http.get("/record", headers=wrong)).status_code == 401

            async def complete() -> bool:
                return len(await intake.entries(person=EVERYBODY, act="timer.run")) == 2

            await eventually(complete)
            found = await intake.entries(case=number)
            assert [(one["act"], one["outcome"], one["person"]) for one in reversed(found)] == [
                ("case.suspend", "begun", EVERYBODY),
                ("case.suspend", "done", EVERYBODY),
                ("timer.run", "begun", EVERYBODY),
                ("timer.run", "done", EVERYBODY),
            ]
            assert [one["outcome"] for one in await intake.entries(outcome="not-found")] == ["not-found"]
            assert [one["person"] for one in await intake.entries(outcome="not-logged-in")] == [None]
            assert {one["outcome"] for one in await intake.entries(act="record.read")} >= {"given"}, "reading it"
            file = await intake.http.get("/record", params={"form": "csv", "case": number})
            assert [file.text.count(act) for act in ("case.suspend", "timer.run")] == [2, 2]
            recorded = str(await intake.entries())
            assert "材料" not in recorded and APPLICATION["applicant"]["name"] not in recorded
        await chained(intake_database)
        return number

    number = asyncio.run(main())
    file = tmp_path / "intake.jsonl"
    exported = ("journal", "export", "--service", "intake", "--region", REGION, "--out", str(file))
    assert "blocks written" in onedoor(intake_database, *exported, status=0)
    lines = file.read_text(encoding="utf-8")
    assert "case.suspended" in lines and "side-timers.reported" in lines and number in lines
    assert f'\\"by\\":\\"{EVERYBODY}\\"' in lines and f'\\"started_by\\":\\"{EVERYBODY}\\"' in lines
    assert "applicant" not in lines
    checked = onedoor(intake_database, "journal", "verify", str(file), "--key", PUBLIC, status=3)
    assert "Nothing in the file contradicts itself" in checked
    assert onedoor(intake_database, "journal", "key", "--service", "intake", status=0).strip() == PUBLIC


def test_onedoor_checks_the_record_of_a_service(intake_database: str, kafka_address: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with running(intake_database, kafka_address) as intake:
            await intake.suspend(await intake.accepted())
        await chained(intake_database)

    asyncio.run(main())
    verify = ("record", "verify", "--service", "intake", "--key", PUBLIC)
    assert "Nothing in the file contradicts itself" in onedoor(intake_database, *verify, status=3)
    file = tmp_path / "record.jsonl"
    assert "blocks written" in onedoor(
        intake_database, "record", "export", "--service", "intake", "--out", str(file), status=0
    )
    assert "BROKEN" not in onedoor(intake_database, "journal", "verify", str(file), "--key", PUBLIC, status=3)

    async def tampered(statement: str) -> None:
        async with connected(intake_database) as engine, engine.begin() as connection:
            await connection.execute(text("ALTER TABLE access_record DISABLE TRIGGER append_only"))
            await connection.execute(text(statement))

    asyncio.run(
        tampered(
            "INSERT INTO access_record (created_at, at, act, outcome, roles, times)"
            " SELECT created_at, at, act, outcome, roles, times FROM access_record LIMIT 1"
        )
    )
    assert "in no block" in onedoor(intake_database, *verify, status=1)
    asyncio.run(tampered("UPDATE access_record SET person = 'wang'"))
    assert "BROKEN" in onedoor(intake_database, *verify, status=1)


async def test_a_process_killed_before_an_act_or_after_it_has_it_on_record(
    intake_database: str, kafka_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The begin of an act is committed before the act, so that no kill leaves an act without an entry."""
    async with running(intake_database, kafka_address) as intake:
        number = await intake.accepted()
        database = intake.process.database
        recorder = intake.process.recorder

        async def found() -> tuple[list[str], int]:
            entries = await rows(database, "SELECT outcome FROM access_record ORDER BY number")
            done = await rows(database, "SELECT 1 FROM outbox WHERE event LIKE '%case.suspended%'")
            return [entry.outcome for entry in entries], len(done)

        monkeypatch.setattr(recorder, "note", kill)  # a killed process writes no end
        with monkeypatch.context() as patch:
            patch.setattr(recorder, "write", kill)
            await intake.suspend(number)
            assert await found() == ([], 0), "killed before the entry"
        with monkeypatch.context() as patch:
            patch.setattr(intake.process, "commands", kill)
            await intake.suspend(number)
            assert await found() == (["begun"], 0), "killed between entry and act"
        await intake.suspend(number)
        assert await found() == (["begun", "begun"], 1), "killed after the act"


async def test_without_a_record_an_act_is_refused_and_not_done(intake_database: str, kafka_address: str) -> None:
    async with running(intake_database, kafka_address) as intake:
        number = await intake.accepted()
        async with intake.process.database.begin() as connection:
            await connection.execute(text("ALTER TABLE access_record RENAME TO elsewhere"))
        refused = await intake.suspend(number)
        assert (refused.status_code, refused.json()["type"]) == (503, "urn:onedoor:problem:no-record")
        assert await intake.accepted(), "applicants are served"
        assert not await rows(intake.process.database, "SELECT 1 FROM outbox WHERE event LIKE '%case.suspended%'")
        async with intake.process.database.begin() as connection:
            await connection.execute(text("ALTER TABLE elsewhere RENAME TO access_record"))
        assert (await intake.suspend(number)).status_code == 201
