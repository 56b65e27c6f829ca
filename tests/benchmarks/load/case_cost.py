"""The cost of a case: records, reads, rows, bytes, transactions and statements, each with its reason.

Everything without a reason counts in a figure of its own.
"""

import asyncio
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from contracts.registry import topics_for
from deploy.local.platform import Platform
from services.load import load
from services.registry import CORE_SERVICES, default_systems
from services.runtime.settings import Settings
from tests.benchmarks import measured_platform
from tests.benchmarks.figures import Figure, figure
from tests.benchmarks.http_load import build_requests, post_all

SYSTEMS = default_systems()

CASES = 2000
WARM = 500
REST_S = 5.0

LOG_LINE_MARK = "~onedoor~"
"""Begins each line of the server's log, so that statements of several lines can be put together again."""

WHY_MESSAGE = {
    "onedoor.case.accepted.v1": "intake informs routing and monitor of the case; carries the plan",
    "onedoor.task.requested.v1": "one a department: each may run in a network of its own and reads its own topic only",
    "onedoor.task.delivered.v1": "proof of receipt, published if the department does not decide at once",
    "onedoor.task.done.v1": "one a department: its answer, dated by itself",
    "onedoor.case.decided.v1": "routing's join of the answers, for intake and monitor",
    "onedoor.commitments.opened.v1": "monitor's deadlines for the applicant; intake repeats the case until it has them",
}

WHY_TABLE = {
    "cases": "one row a case and service: state, processed ids, timer, open call",
    "outbox": "one row a published message, in the commit of its cause",
    "unpublished": "batches that Kafka has not acknowledged; deleted when it has",
    "dead_letters": "records that could not be processed",
    "alerts": "one row a fired rung",
    "journal": "the hash-chained journal",
    "changed_cases": "one row a batch: its cases are still to be counted in the figures of the board",
    "commitment_facts": "one row a commitment, counted by the figures of the board",
    "figures": "the counts of a day or month, shared by all its cases",
}

SANDBOX_REASON = "a table of a sandbox: not part of the platform"

WHY_STATEMENT = (
    (re.compile(r"^(BEGIN|COMMIT|ROLLBACK)"), "the transaction of a batch or a poll"),
    (re.compile(r"INSERT INTO cases"), "writes the result of a batch: states, outbox, unpublished"),
    (
        re.compile(r"AS wanted \(case_id\) LEFT JOIN cases"),
        "loads the cases of a batch that are not cached, and whether a dead letter blocks them",
    ),
    (re.compile(r"^UPDATE cases SET call_due_at"), "leases open calls that are due"),
    (re.compile(r"min\(timer_at\)"), "the time of the next timer"),
    (re.compile(r"FROM cases AS wanted"), "cases whose timer is due"),
    (re.compile(r"^DELETE FROM unpublished|unpublished u"), "deletes batches that Kafka has acknowledged"),
    (re.compile(r"FROM unpublished"), "batches that have waited for Kafka too long"),
    (re.compile(r"INSERT INTO (outbox|unpublished)"), "writes the messages of a batch"),
    (re.compile(r"INSERT INTO alerts|UPDATE alerts"), "lists the alerts"),
    (re.compile(r"pg_try_advisory"), "one replica at a time polls the department"),
    (re.compile(r"^SET LOCAL idle_in"), "its transaction stays open during the poll of the department"),
    (re.compile(r"FROM documents"), "now and then: whether there are newer rules"),
    (re.compile(r"FROM alerts|FROM digests|^UPDATE digest_deliveries"), "now and then: alerts for digests"),
    (
        re.compile(r"journal_reached|min\(created_at\) FROM outbox|^SELECT clock_timestamp\(\) -|event LIKE ANY"),
        "now and then: messages for the journal",
    ),
    (re.compile(r"access_chain|access_record"), "now and then: the record of access and its chain, without applicants"),
    (re.compile(r"changed_cases|FROM cases WHERE case_id = ANY|commitment_facts"), "counts many changed cases at once"),
    (re.compile(r"'jit'|typeinfo_tree"), "once a connection: asyncpg reads types"),
)

_EXECUTED = re.compile(
    r"^(?P<database>[^|]*)\|(?P<program>[^|]*)\|LOG:\s+(?:execute [^:]*|statement): (?P<text>.*)$", re.S
)


@dataclass(slots=True)
class Counts:
    """All counters at one moment."""

    messages: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    """Number and bytes, by service and type."""
    rows: dict[tuple[str, str], Counter[str]] = field(default_factory=dict)
    """Rows written and bytes on disk, by database and table."""
    records: dict[str, int] = field(default_factory=dict)
    bytes: dict[str, int] = field(default_factory=dict)
    transactions: dict[str, int] = field(default_factory=dict)
    wal: Counter[str] = field(default_factory=Counter)
    logged: Counter[str] = field(default_factory=Counter)
    """Bytes of write-ahead log by database, of sessions that are still open."""


def statements(lines: Iterable[str]) -> Counter[tuple[str, str]]:
    """Executions of each statement by database, from a server's log, without the sessions of this program."""
    found: Counter[tuple[str, str]] = Counter()
    for entry in "".join(lines).split(LOG_LINE_MARK):
        if (match := _EXECUTED.match(entry.rstrip())) and match["program"] != "benchmark":
            found[match["database"], " ".join(match["text"].split())] += 1
    return found


def why_statement(statement: str) -> str | None:
    """The reason for a statement, or None."""
    return next((why for pattern, why in WHY_STATEMENT if pattern.search(statement)), None)


def consumers_by_topic() -> dict[str, list[str]]:
    """Topic -> the services that read it."""
    consumers: dict[str, list[str]] = {}
    for name in (*CORE_SERVICES, *SYSTEMS):
        settings = Settings(
            service=name,
            systems=SYSTEMS,
            database="postgresql+asyncpg://127.0.0.1/none",
            secret_key="k" * 32,
            documents_key="k" * 32,
        )
        for topic in topics_for(load(name).consumes, settings.systems_of(name)):
            consumers.setdefault(topic, []).append(name)
    return consumers


class Counters:
    """Counts on a running platform."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._server = platform.engines.postgres

    async def connect(self, database: str) -> "asyncpg.Connection[asyncpg.Record]":
        """A session that is excluded from the count of statements."""
        connection = await self._server.connect(database)
        await connection.execute("SET application_name = 'benchmark'")
        return connection

    async def count(self) -> Counts:
        """Read all counters. Tables are vacuumed first, so that reusable space does not count."""
        count = Counts()
        connection = await self.connect("postgres")
        try:
            names = await connection.fetch(
                "SELECT datname FROM pg_database WHERE datname LIKE 'onedoor_%' OR datname LIKE 'sandbox_%' ORDER BY 1"
            )
            lsn = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint AS bytes"
            count.wal["bytes"] = await connection.fetchval(lsn)
            for name, commits in await connection.fetch(
                "SELECT datname, xact_commit FROM pg_stat_database WHERE datname IS NOT NULL"
            ):
                count.transactions[name] = commits
            for name, size in await connection.fetch(_WAL_BYTES):
                count.logged[name] = size
            for row in await connection.fetch(
                "SELECT wal_records, wal_fpi,"
                " (SELECT sum(fsyncs)::bigint FROM pg_stat_io WHERE object = 'wal') AS flushes FROM pg_stat_wal"
            ):
                count.wal.update({"records": row["wal_records"], "pages": row["wal_fpi"], "flushes": row["flushes"]})
        finally:
            await connection.close()
        for (name,) in names:
            await self._tables(name, count)
        await self._topics(count)
        return count

    async def _tables(self, database: str, count: Counts) -> None:
        connection = await self.connect(database)
        try:
            await connection.execute("VACUUM")
            for row in await connection.fetch(_TABLES):
                values = dict(row)
                name = values.pop("name")
                count.rows[database, name] = Counter(values)
            if await connection.fetchval("SELECT to_regclass('outbox') IS NOT NULL"):
                service = database.removeprefix("onedoor_")
                for kind, number, size in await connection.fetch(_PUBLISHED):
                    count.messages[service, kind] = (number, size)
        finally:
            await connection.close()

    async def _topics(self, count: Counts) -> None:
        address = self._platform.engines.kafka
        admin, consumer = AIOKafkaAdminClient(bootstrap_servers=address), AIOKafkaConsumer(bootstrap_servers=address)
        await admin.start()
        await consumer.start()
        try:
            for described in await admin.describe_topics():
                topic = described["topic"]
                partitions = [TopicPartition(topic, one["partition"]) for one in described["partitions"]]
                count.records[topic] = sum((await consumer.end_offsets(partitions)).values())
                folders = (self._platform.folder / "kafka" / "data").glob(f"{topic}-*")
                own = [f for f in folders if f.name.removeprefix(f"{topic}-").isdigit()]
                count.bytes[topic] = sum(log.stat().st_size for f in own for log in f.glob("*.log"))
        finally:
            await consumer.stop()
            await admin.close()


_TABLES = """
    SELECT c.relname AS name, s.n_tup_ins AS inserted, s.n_tup_upd AS updated, s.n_tup_hot_upd AS hot,
        s.n_tup_del AS deleted, pg_relation_size(c.oid) AS heap,
        coalesce(pg_total_relation_size(nullif(c.reltoastrelid, 0)), 0) AS toast, pg_indexes_size(c.oid) AS index
    FROM pg_class c JOIN pg_stat_user_tables s ON s.relid = c.oid WHERE c.relkind = 'r'
"""

_WAL_BYTES = """
    SELECT datname, sum((pg_stat_get_backend_wal(pid)).wal_bytes)::bigint FROM pg_stat_activity
    WHERE datname IS NOT NULL AND application_name <> 'benchmark' GROUP BY 1
"""

_PUBLISHED = "SELECT event::jsonb ->> 'type', count(*), sum(octet_length(event)) FROM outbox GROUP BY 1"


async def measure(cases: int = CASES) -> list[Figure]:
    """Count over so many cases at full load, then count the statements of as many more."""
    with measured_platform.folder("cost") as place:
        async with (
            Platform(place, measured_platform.options(), print) as platform,
            measured_platform.ClosedCases(platform.engines.postgres) as closed,
        ):
            counters = Counters(platform)
            port = measured_platform.intake_port(platform)
            made = build_requests(WARM + 2 * cases)
            await post_all(port, made[:WARM])
            await closed.wait(WARM)
            await asyncio.sleep(REST_S)  # publication marks and offsets are written within a second
            resting = await _idle_transactions(counters)
            before, polls, began = await counters.count(), closed.polls, asyncio.get_running_loop().time()
            await post_all(port, made[WARM : WARM + cases])
            await closed.wait(WARM + cases)
            busy_s = asyncio.get_running_loop().time() - began
            polls = closed.polls - polls
            await asyncio.sleep(REST_S)
            seconds = asyncio.get_running_loop().time() - began
            after = await counters.count()
            executed = await _statements(
                counters, platform.folder, port, made[WARM + cases :], closed, WARM + 2 * cases
            )
    own = {f"onedoor_{name}" for name in (*CORE_SERVICES, *SYSTEMS)}
    spent = {
        name: after.transactions[name] - before.transactions[name] - resting.get(name, 0.0) * seconds
        for name in after.transactions
        if name in own or name.startswith("sandbox_")
    }
    for name in measured_platform.ClosedCases.DATABASES:
        spent[name] -= polls / len(measured_platform.ClosedCases.DATABASES)
    print(f"counted over {cases} cases in {busy_s:.1f} s; a case:")
    return _figures(cases, before, after, spent, executed, own)


async def _idle_transactions(counters: Counters) -> dict[str, float]:
    """Transactions a second of each database on an idle platform."""
    connection = await counters.connect("postgres")
    statement = "SELECT datname, xact_commit FROM pg_stat_database WHERE datname IS NOT NULL"
    try:
        before = dict(await connection.fetch(statement))
        await asyncio.sleep(REST_S)
        return {name: (commits - before[name]) / REST_S for name, commits in await connection.fetch(statement)}
    finally:
        await connection.close()


async def _statements(
    counters: Counters, place: Path, port: int, made: list[bytes], closed: measured_platform.ClosedCases, total: int
) -> Mapping[tuple[str, str], float]:
    """Statements a case by database, from the server's log."""
    log = place / "postgres" / "postgres.log"
    connection = await counters.connect("postgres")
    settings = {"log_line_prefix": f"{LOG_LINE_MARK}%d|%a|", "log_parameter_max_length": "0", "log_statement": "all"}
    try:
        for name, value in settings.items():
            await connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        await connection.execute("SELECT pg_reload_conf()")
        await asyncio.sleep(1)
        start = log.stat().st_size
        await post_all(port, made)
        await closed.wait(total)
        await connection.execute("ALTER SYSTEM SET log_statement = 'none'")
        await connection.execute("SELECT pg_reload_conf()")
    finally:
        await connection.close()
    with log.open(errors="replace") as file:
        file.seek(start)
        found = statements(file)
    return {key: number / len(made) for key, number in found.items() if key[1] != measured_platform.COUNT_CLOSED}


def _figures(
    cases: int,
    before: Counts,
    after: Counts,
    spent: Mapping[str, float],
    executed: Mapping[tuple[str, str], float],
    own: set[str],
) -> list[Figure]:
    """Print the tables and give the figures."""
    unjustified: list[str] = []

    def reason(what: str, why: str | None) -> str:
        if why is None:
            unjustified.append(what)
        return why or "NOT JUSTIFIED"

    print("\nmessage                                  by         records    bytes  why")
    messages, message_bytes = 0.0, 0.0
    for (service, kind), (number, size) in sorted(after.messages.items()):
        earlier = before.messages.get((service, kind), (0, 0))
        records, octets = (number - earlier[0]) / cases, (size - earlier[1]) / cases
        messages, message_bytes = messages + records, message_bytes + octets
        if records:
            print(f"{kind:40} {service:10} {records:7.3f} {octets:8.0f}  {reason(kind, WHY_MESSAGE.get(kind))}")
    print("\ntopic                                    records    bytes  read by")
    reads, log_bytes = 0.0, 0.0
    known_readers = consumers_by_topic()
    for topic, number in sorted(after.records.items()):
        records = (number - before.records.get(topic, 0)) / cases
        octets = (after.bytes[topic] - before.bytes.get(topic, 0)) / cases
        groups = known_readers.get(topic, [])
        reads, log_bytes = reads + records * len(groups), log_bytes + octets
        if records:
            print(f"{topic:40} {records:7.3f} {octets:8.0f}  {', '.join(groups) or 'any subscriber'}")
    print("\ntable                              inserts updates   (hot) deletes    heap   toast   index  why")
    rows, disk = 0.0, 0.0
    for (database, name), counted in sorted(after.rows.items()):
        delta = {key: (counted[key] - before.rows.get((database, name), Counter())[key]) / cases for key in counted}
        if not any(delta.values()):
            continue
        if database in own:
            rows += delta["inserted"] + delta["updated"] + delta["deleted"]
            disk += delta["heap"] + delta["toast"] + delta["index"]
        why = reason(f"table {name}", WHY_TABLE.get(name)) if database in own else SANDBOX_REASON
        label = f"{database.removeprefix('onedoor_')}.{name}"
        print(
            f"{label:34} {delta['inserted']:7.3f} {delta['updated']:7.3f} {delta['hot']:7.3f} {delta['deleted']:7.3f}"
            f" {delta['heap']:7.0f} {delta['toast']:7.0f} {delta['index']:7.0f}  {why}"
        )
    print("\ndatabase             transactions  statements  bytes logged")
    for name, commits in sorted(spent.items()):
        ours = sum(share for (database, _), share in executed.items() if database == name)
        logged = (after.logged[name] - before.logged[name]) / cases
        print(f"{name:20} {commits / cases:12.3f} {ours:11.3f} {logged:13.0f}")
    print("\nstatement a case (all of the platform's databases together)")
    together: dict[str, float] = defaultdict(float)
    for (database, statement), share in executed.items():
        if database in own:
            together[statement] += share
    for statement, share in sorted(together.items(), key=lambda one: -one[1]):
        if share >= 0.001:
            print(
                f"{share:7.3f}  {statement[:96]:96}  {reason(f'statement {statement[:60]}', why_statement(statement))}"
            )
    if unjustified:
        print("\nnot justified: " + "; ".join(unjustified))
    wal = {key: (after.wal[key] - before.wal[key]) / cases for key in after.wal}
    print(f"\nPostgreSQL's log: {wal['bytes']:.0f} bytes, {wal['records']:.0f} records, {wal['pages']:.2f} whole pages")
    return [
        figure("messages a case", messages, "records"),
        figure("bytes of messages a case", message_bytes, "bytes"),
        figure("bytes in Kafka's logs a case", log_bytes, "bytes"),
        figure("records read a case", reads, "records"),
        figure("rows written a case", rows, "rows"),
        figure("bytes in tables and indexes a case", disk, "bytes"),
        figure("bytes of PostgreSQL's log a case, departments included", wal["bytes"], "bytes"),
        figure("flushes of PostgreSQL's log a case, departments included", wal["flushes"], "1"),
        figure("transactions a case", sum(n for name, n in spent.items() if name in own) / cases, "1"),
        figure("statements a case", sum(s for (name, _), s in executed.items() if name in own), "1"),
        figure("kinds of message, row or statement without a reason", len(unjustified), "1", 0, at_most=True),
    ]
