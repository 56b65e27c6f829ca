"""The record of access in a real PostgreSQL: in few statements, never rewritten, and every change of it is found."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.runtime.failures import Failures
from services.runtime.jobs import access_recorder
from services.runtime.jobs.access_recorder import AccessRecorder
from services.runtime.journal.access import AccessRows
from services.runtime.journal.blocks import export_head, export_lines, signing_key
from services.runtime.journal.reader import ACCESS
from services.runtime.journal.verify import Broken, Export, verify
from services.runtime.journal.writer import JournalWriter
from services.runtime.security.access_record import RecordUnavailable
from services.runtime.store import access_record
from services.runtime.store.database import open_database
from tests.support.runtime.access import add, entry
from tests.support.runtime.processes import rows
from tests.support.waiting import eventually

KEY = signing_key("k" * 32)
PUBLIC = KEY.public_key().public_bytes_raw().hex()


async def chain(database: AsyncEngine) -> None:
    writer = JournalWriter(database, KEY, access_record.CHAIN, AccessRows("toy"), 0.0, timedelta(hours=12))
    while await writer.run_once():
        pass


async def judged(database: AsyncEngine) -> tuple[Export, list[int]]:
    """The record held against its chain. Raises `Broken`."""
    async with database.connect() as connection:
        roots = await ACCESS.roots(connection, "toy", None, None)
        found = [block async for part in ACCESS.blocks(connection, "toy", None, None) for block in part]
        outside = await access_record.outside_of_the_chain(connection)
    lines = export_lines(
        [(one.content, one.signature) for one in found], [(one.content, one.signature) for one in roots]
    )
    return verify([export_head("toy", PUBLIC), *lines], PUBLIC), outside


@pytest.fixture
async def recorder(toy_database: str) -> AsyncIterator[AccessRecorder]:
    engine = open_database(toy_database, "recorder", 2)
    made = AccessRecorder(engine, Failures())
    yield made
    await made.drain()
    await engine.dispose()


async def test_what_is_written_together_is_one_statement(database: AsyncEngine, recorder: AccessRecorder) -> None:
    await recorder.write(entry())
    await asyncio.gather(*(recorder.write(entry(number)) for number in range(1, 200)))
    found = await rows(database, "SELECT count(*), count(DISTINCT created_at) FROM access_record")
    assert found == [(200, 2)], "two commits"


async def test_what_nobody_waits_for_is_written_a_moment_later(database: AsyncEngine, recorder: AccessRecorder) -> None:
    for number in range(50):
        await recorder.note(entry(0, outcome="not-logged-in", person=None, request_id=str(number)))
    await eventually(lambda: rows(database, "SELECT 1 FROM access_record"))
    assert await rows(database, "SELECT sum(times), count(*) FROM access_record") == [(50, 1)]


async def test_without_a_database_requests_are_refused_and_other_entries_are_kept(
    database: AsyncEngine, recorder: AccessRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_recorder, "RETRY_S", 0.05)
    async with database.begin() as connection:
        await connection.execute(text("ALTER TABLE access_record RENAME TO elsewhere"))
    await recorder.note(entry(1, outcome="done"))
    with pytest.raises(RecordUnavailable) as refused:
        await recorder.write(entry(2))
    assert refused.value.en and refused.value.zh
    async with database.begin() as connection:
        await connection.execute(text("ALTER TABLE elsewhere RENAME TO access_record"))
    await eventually(lambda: rows(database, "SELECT 1 FROM access_record"))
    assert await rows(database, "SELECT request_id FROM access_record") == [("1",)]


async def test_the_end_of_a_process_writes_what_waits(database: AsyncEngine, toy_database: str) -> None:
    recorder = AccessRecorder(database, Failures())
    await recorder.note(entry())
    await recorder.drain()
    assert await rows(database, "SELECT act FROM access_record") == [("case.read",)]


async def test_nothing_in_it_can_be_changed_or_deleted(database: AsyncEngine) -> None:
    await add(database, entry(), ago=timedelta(days=1))
    await chain(database)
    for statement in (
        "UPDATE access_record SET person = 'other'",
        "DELETE FROM access_record",
        "TRUNCATE access_record",
        "UPDATE access_chain SET entries = '{}'",
        "DELETE FROM access_chain",
        "DELETE FROM access_chain_roots",
        "DELETE FROM access_chain_reached",
    ):
        with pytest.raises(DBAPIError, match="append-only"):
            async with database.begin() as connection:
                await connection.execute(text(statement))


async def test_a_sound_record_is_verified(database: AsyncEngine) -> None:
    for days in (2, 1, 0):
        await add(database, *(entry(number, filter='{"owner": "税务局"}') for number in range(3)), ago=timedelta(days))
    await chain(database)
    export, outside = await judged(database)
    assert (export.entries, export.days, outside) == (9, 2, [])


FAULTS = {
    "changed": "UPDATE access_record SET {column} = {value} WHERE number = {number}",
    "deleted": "DELETE FROM access_record WHERE number = {number}",
    "inserted": """
        INSERT INTO access_record (number, created_at, at, act, outcome, roles, times) OVERRIDING SYSTEM VALUE
        SELECT 1000 + number, created_at, at, act, outcome, roles, times FROM access_record WHERE number = {number}
    """,
    "swapped": """
        UPDATE access_record SET request_id = CAST(13 - CAST(request_id AS int) AS text)
        WHERE number IN ({number}, 13 - {number})
    """,
    "taken out of its block": """
        UPDATE access_chain SET entries = array_remove(entries, CAST({number} AS bigint))
        WHERE {number} = ANY(entries)
    """,
    "moved in its block": """
        UPDATE access_chain SET entries = (SELECT array_agg(one ORDER BY one DESC) FROM unnest(entries) AS one)
        WHERE {number} = ANY(entries)
    """,
    "a block deleted": "DELETE FROM access_chain WHERE number = 1 AND {number} > 0",
}

COLUMNS = {
    "at": "at + interval '1 second'",
    "person": "'wang'",
    "on_behalf_of": "'wang'",
    "client": "'other'",
    "roles": "'{clerk}'",
    "purpose": "'x'",
    "request": "'GET /'",
    "case_id": "'AAAA-BBBB-CCCC-D'",
    "outcome": "'no-right'",
    "act": "'time.read'",
    "filter": "'x'",
    "rows": "7",
    "times": "times + 1",
    "address": "'x'",
}


async def _plant(database: AsyncEngine, fault: str, number: int, column: str) -> tuple[str, list[int]]:
    """What the check finds while this fault stands, by somebody who has disabled the triggers."""
    names = ("access_record", "access_chain")
    async with database.connect() as connection:
        try:
            for name in names:
                await connection.execute(text(f"ALTER TABLE {name} DISABLE TRIGGER append_only"))
            statement = FAULTS[fault].format(number=number, column=column, value=COLUMNS[column])
            assert (await connection.execute(text(statement))).rowcount
            roots = await ACCESS.roots(connection, "toy", None, None)
            found = [block async for part in ACCESS.blocks(connection, "toy", None, None) for block in part]
            outside = await access_record.outside_of_the_chain(connection)
        finally:
            await connection.rollback()
    lines = export_lines(
        [(one.content, one.signature) for one in found], [(one.content, one.signature) for one in roots]
    )
    try:
        verify([export_head("toy", PUBLIC), *lines], PUBLIC)
    except Broken as broken:
        return str(broken), outside
    return "", outside


async def test_any_fault_that_is_planted_is_found(database: AsyncEngine) -> None:
    for days in (2, 1, 0):
        first = 1 + 4 * (2 - days)
        await add(database, *(entry(number) for number in range(first, first + 4)), ago=timedelta(days=days))
    await chain(database)
    loop, found = asyncio.get_running_loop(), []

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.sampled_from(sorted(FAULTS)), st.integers(1, 12), st.sampled_from(sorted(COLUMNS)))
    def plant(fault: str, number: int, column: str) -> None:
        work = _plant(database, fault, number, column)
        broken, outside = asyncio.run_coroutine_threadsafe(work, loop).result(30)
        assert broken or outside, (fault, number, column)
        found.append(fault)

    await asyncio.to_thread(plant)
    assert set(found) == set(FAULTS)


async def test_the_retention_deletes_whole_days_and_the_rest_stays_sound(database: AsyncEngine) -> None:
    for days in (3, 2, 1):
        await add(database, *(entry(number) for number in range(3)), ago=timedelta(days=days))
    await chain(database)
    ((last,),) = await rows(database, "SELECT max(day) FROM access_chain")
    deleted = []
    for _ in range(3):
        async with database.begin() as connection:
            deleted.append(await access_record.delete_day(connection, last))
    assert deleted == [3, 3, 0]
    assert await rows(database, "SELECT count(*) FROM access_record") == [(3,)]
    async with database.connect() as connection:
        roots = await ACCESS.roots(connection, "toy", last, None)
        found = [block async for part in ACCESS.blocks(connection, "toy", last, None) for block in part]
    lines = export_lines(
        [(one.content, one.signature) for one in found], [(one.content, one.signature) for one in roots]
    )
    export = verify([export_head("toy", PUBLIC), *lines], PUBLIC)
    assert (export.entries, export.first_day) == (3, last)
    assert isinstance(export.first_day, date)
