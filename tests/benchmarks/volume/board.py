"""The board of a province of 120 counties and 40 departments over three years, with ten thousand cases and ten million.

Both databases have the same counts, as many as such a province can have of departments, counties and days; one has a
thousand times as many facts behind them. Requests go through the whole application, without a network.
"""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from statistics import median

import asyncpg
import httpx2
from pydantic import SecretStr

from services.monitor.app import SERVICE
from services.monitor.core.board.figures import COUNTED
from services.monitor.store.board.counting import ITEM, LEVELS, MONTH, OWNER, REGION
from services.registry import default_systems
from services.runtime import telemetry
from services.runtime.clock import FileClock
from services.runtime.http.app import application
from services.runtime.http.pages.application import service_pages
from services.runtime.http.site import Site
from services.runtime.process import ServiceProcess
from services.runtime.settings import Settings
from tests.benchmarks import measured_platform
from tests.benchmarks.figures import Figure, figure
from tests.support.cases.stored_cases import vacuum_and_checkpoint, without_indexes
from tests.support.partial_platform import PartialPlatform
from tests.support.staff import HOLDERS, ISSUER, STAFF

MANY, FEW = 10_000_000, 10_000
COUNTIES, DEPARTMENTS, ITEMS = 120, 40, 10
"""Items of each department."""

FIRST, LAST = date(2023, 4, 1), date(2026, 3, 31)
NOW = datetime(2026, 3, 31, 4, tzinfo=UTC)
ROUNDS = 15
TARGET_MS = 200.0
TARGET_RATIO = 1.2

REQUESTS: Mapping[str, Mapping[str, str]] = {
    "departments, a month": {"period": "2026-03"},
    "departments, a year": {"period": "2025"},
    "departments, any days": {"period": "2025-02-02..2026-03-30"},
    "departments of a city, a year": {"period": "2025", "region": "4501"},
    "counties, a month": {"by": "region", "period": "2026-03"},
    "counties, a year": {"by": "region", "period": "2025"},
    "counties for one department, any days": {"by": "region", "owner": "D7", "period": "2026-01-02..2026-03-30"},
    "items, a quarter": {"by": "item", "period": "2026-Q1"},
    "items of a county, a year": {"by": "item", "region": "450121", "period": "2025"},
}

PAGES: Mapping[str, Mapping[str, str]] = {
    "page of departments, a month": {"period": "2026-03"},
    "page of counties, a month": {"by": "region", "period": "2026-03"},
}
"""The same as pages, with everything that they show besides."""

_REGION = "'45' || lpad(CAST(county / 9 + 1 AS text), 2, '0') || CAST(county % 9 + 21 AS text)"
_OWNER = "'D' || department"
_MATTER = "'D' || department || '-' || item"

_DAYS = f"""
    (SELECT CAST(day AS date) AS day, row_number() OVER (ORDER BY day) AS nth
    FROM generate_series(DATE '{FIRST}', DATE '{LAST}', interval '1 {{step}}') AS day
    WHERE extract(isodow FROM day) < 6 OR '{{step}}' = 'month') AS days
"""

# Of the last weeks one case in fifty is open, of those before one in a thousand.
_CLOSED = f"(n % 50 > 0 OR (opened_on < DATE '{LAST}' - 40 AND n % 1000 > 0))"

_FACTS = f"""
    INSERT INTO commitment_facts (case_id, commitment, kind, owner, region, matter, opened_on, due_on, paused, ended_on,
        on_time, days_used, days_committed, days_statutory)
    SELECT lpad(to_hex(n), 16, '0'), 'case', 'case', {_OWNER}, {_REGION}, {_MATTER}, opened_on, opened_on + 7, false,
        CASE WHEN {_CLOSED} THEN opened_on + CAST(n % 9 AS integer) END,
        CASE WHEN {_CLOSED} THEN n % 9 < 8 END, 3, 5, 20
    FROM (
        SELECT n, DATE '{FIRST}' + CAST(n * {(LAST - FIRST).days} / CAST($1 AS bigint) AS integer) AS opened_on,
            (n * 7919) % {COUNTIES} AS county, (n * 104729) % {DEPARTMENTS} AS department,
            (n * 1299709) % {ITEMS} AS item
        FROM generate_series(0, CAST($1 AS bigint) - 1) AS n
    ) AS numbered
"""


async def measure(many: int = MANY) -> list[Figure]:
    """Milliseconds of each request with many cases, and of the slowest against few."""
    telemetry.configure("monitor", "benchmark", "ERROR")
    with measured_platform.folder("board") as path:
        FileClock.create(path / "clock", NOW, speed=0)
        async with PartialPlatform(path) as platform:
            await platform.database("monitor")
            began = time.monotonic()
            connection = await platform.connect("monitor")
            rows = await _fill_figures(connection)
            await _fill_facts(connection, FEW)
            await connection.close()
            await platform.engines.postgres.create_database("onedoor_few", template="onedoor_monitor")
            connection = await platform.connect("monitor")
            await connection.execute("TRUNCATE commitment_facts")
            await _fill_facts(connection, many)
            await connection.close()
            print(f"{rows} rows of figures and {many} facts in {time.monotonic() - began:.0f} s", flush=True)
            took = await _measure(platform, path)
    with_few, with_many = took
    worst = max(with_many, key=lambda name: with_many[name])
    ratio = with_many[worst] / with_few[worst]
    return [
        *(figure(f"board: {name}, {many} cases", ms, "ms", TARGET_MS, at_most=True) for name, ms in with_many.items()),
        figure(f"board: {worst}, {many} against {FEW}", ratio, "times", TARGET_RATIO, f"{FEW} cases", at_most=True),
    ]


async def _measure(platform: PartialPlatform, path: Path) -> tuple[dict[str, float], dict[str, float]]:
    """The median of each request in machine milliseconds, with few and with many cases, which take turns."""
    durations: tuple[dict[str, list[float]], ...] = tuple({name: [] for name in (*REQUESTS, *PAGES)} for _ in range(2))
    url = platform.engines.database_url
    async with _client(url("onedoor_few"), path) as few, _client(url("onedoor_monitor"), path) as many:
        for _ in range(ROUNDS):
            for name, query in {**REQUESTS, **PAGES}.items():
                address = "/board" if name in PAGES else "/api/monitor/board"
                for client, of in zip((few, many), durations, strict=True):
                    began = time.perf_counter()
                    answer = await client.get(address, params=dict(query))
                    of[name].append(1000 * (time.perf_counter() - began))
                    if answer.status_code != httpx2.codes.OK or not _has_rows(answer):
                        raise RuntimeError(f"{name}: {answer.status_code}, or a board without rows")
    with_few, with_many = ({name: median(values[1:]) for name, values in of.items()} for of in durations)
    return with_few, with_many


def _has_rows(answer: httpx2.Response) -> bool:
    if answer.headers["content-type"].startswith("text/html"):
        return answer.text.count('<th scope="row">') > 1
    return bool(answer.json()["rows"])


@asynccontextmanager
async def _client(database: str, path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the application of monitor on this database."""
    settings = Settings(
        service="monitor",
        systems=default_systems(),
        database=SecretStr(database),
        secret_key=SecretStr("k" * 32),
        documents_key=SecretStr("k" * 32),
        issuer=ISSUER.url,
        clock=str(path / "clock"),
    )
    process = ServiceProcess(SERVICE, settings)
    process.access.holders = HOLDERS
    pages = service_pages(SERVICE, process)
    site = Site(SERVICE.name, application(SERVICE, process), pages)
    transport = httpx2.ASGITransport(site, client=("127.0.0.1", 4711))
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000", headers=STAFF) as client:
        yield client
    await process.processor.drain()
    await process.database.dispose()


async def _fill_figures(connection: "asyncpg.Connection[asyncpg.Record]") -> int:
    """Insert the counts of every level, for all days of all departments and counties. Returns the number of rows."""
    await connection.execute("ALTER TABLE figures SET UNLOGGED")
    await connection.execute("ALTER TABLE commitment_facts SET UNLOGGED")
    async with without_indexes(connection, "figures"):
        for level in LEVELS:
            for step in ("day", "month"):
                await connection.execute(_level_rows(level, step), timeout=1200)
    await vacuum_and_checkpoint(connection)
    return int(await connection.fetchval("SELECT count(*) FROM figures", timeout=600))


def _level_rows(level: int, step: str) -> str:
    """Fills one level. By day a department has one of its items in each county; by month it has them all."""
    items = f"generate_series(0, {ITEMS - 1}) AS item"
    if level & REGION and step == "day":
        items = f"LATERAL (SELECT (nth + county) % {ITEMS} AS item) AS one"
    sources = [_DAYS.format(step=step)]
    sources += [f"generate_series(0, {DEPARTMENTS - 1}) AS department"] if level & OWNER else []
    sources += [f"generate_series(0, {COUNTIES - 1}) AS county"] if level & REGION else []
    sources += [items] if level & ITEM else []
    days = {"day": 1, "month": 21}[step]
    return f"""
        INSERT INTO figures (level, kind, day, owner, region, matter, {", ".join(COUNTED)})
        SELECT {level | (MONTH if step == "month" else 0)}, 'case', day,
            {_OWNER if level & OWNER else "''"}, {_REGION if level & REGION else "''"},
            {_MATTER if level & ITEM else "''"},
            {", ".join(str(days * (number % 4)) for number, _ in enumerate(COUNTED, 1))}
        FROM {", ".join(sources)}
    """


async def _fill_facts(connection: "asyncpg.Connection[asyncpg.Record]", count: int) -> None:
    """Insert the facts of so many cases."""
    async with without_indexes(connection, "commitment_facts"):
        await connection.execute(_FACTS, count, timeout=1200)
    await vacuum_and_checkpoint(connection)
