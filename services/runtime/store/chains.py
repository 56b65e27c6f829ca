"""The tables of a journal: blocks by chain, signed roots, and the moment up to which the journal is complete.

A service may have several journals, each with tables of its own.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

_CREATE = (
    """
    CREATE TABLE {table} (
        chain text NOT NULL,
        number bigint NOT NULL,
        day date NOT NULL,
        previous bytea NOT NULL,
        hash bytea NOT NULL,
        entries {entries} NOT NULL,
        four_eyes boolean,
        key bytea NOT NULL,
        signature bytea NOT NULL,
        chained_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (chain, number)
    )
    """,
    "CREATE INDEX {table}_day ON {table} (day)",
    """
    CREATE TABLE {table}_roots (
        chain text NOT NULL,
        day date NOT NULL,
        first bigint NOT NULL,
        last bigint NOT NULL,
        entries bigint NOT NULL,
        hash bytea NOT NULL,
        key bytea NOT NULL,
        signature bytea NOT NULL,
        PRIMARY KEY (chain, day)
    )
    """,
    "CREATE INDEX {table}_roots_day ON {table}_roots (day)",
    # The chains contain everything up to this moment of the database's own clock.
    "CREATE TABLE {table}_reached (one boolean PRIMARY KEY CHECK (one), created_at timestamptz, key bytea)",
    "INSERT INTO {table}_reached VALUES (true, NULL)",
    # The end of a retention time is announced by a setting of the transaction, so that nothing is deleted by mistake.
    """
    CREATE FUNCTION {table}_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' AND current_setting('onedoor.retention', true) = 'over' THEN RETURN NULL; END IF;
        RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
    END $$
    """,
    "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} {refused}",
    "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}_roots {refused}",
    # The moment only advances, so that nothing is chained twice and nothing is passed over.
    "CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON {table}_reached {refused}",
    """
    CREATE TRIGGER only_on BEFORE UPDATE ON {table}_reached FOR EACH ROW
    WHEN (NEW.created_at IS NULL OR NEW.created_at < OLD.created_at) EXECUTE FUNCTION {table}_is_append_only()
    """,
)


def tables_of(table: str, entries: str = "text[]") -> list[str]:
    """The statements that create the tables of a journal. ``entries``: the type of the column with a block's entries,
    either themselves or their numbers in another table."""
    refused = f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_is_append_only()"
    return [one.format(table=table, entries=entries, refused=refused) for one in _CREATE]


class ChainTables:
    """The statements on the tables of one journal."""

    def __init__(self, table: str) -> None:
        self.table = table
        self.reached_query = f"SELECT created_at FROM {table}_reached"
        """Selects the moment up to which the journal is complete."""
        self._lock_reached = text(f"{self.reached_query} FOR UPDATE SKIP LOCKED")
        self._set_reached = text(f"UPDATE {table}_reached SET created_at = :created_at, key = :key")
        self._heads = text(f"""
            SELECT wanted.chain, head.number, head.hash
            FROM unnest(CAST(:chains AS text[])) AS wanted (chain) CROSS JOIN LATERAL (
                SELECT number, hash FROM {table} AS blocks WHERE blocks.chain = wanted.chain
                ORDER BY number DESC LIMIT 1) AS head
        """)
        self._add_blocks = text(f"""
            INSERT INTO {table} (chain, number, day, previous, hash, entries, four_eyes, key, signature)
            VALUES (:chain, :number, :day, :previous, :hash, :entries, :four_eyes, :key, :signature)
        """)
        self._day_ends = text(f"""
            SELECT ends.chain, ends.first, ends.last, ends.entries, blocks.hash
            FROM (
                SELECT chain, coalesce(today.first, yesterday.last + 1) AS first,
                    coalesce(today.last, yesterday.last) AS last, coalesce(today.entries, 0) AS entries
                FROM (
                    SELECT chain, min(number) AS first, max(number) AS last, sum(cardinality(entries)) AS entries
                    FROM {table} WHERE day = :day GROUP BY chain
                ) AS today
                FULL JOIN (SELECT chain, last FROM {table}_roots WHERE day = :day_before) AS yesterday USING (chain)
            ) AS ends
            JOIN {table} AS blocks ON blocks.chain = ends.chain AND blocks.number = ends.last
            ORDER BY ends.chain
        """)
        self._add_roots = text(f"""
            INSERT INTO {table}_roots (chain, day, first, last, entries, hash, key, signature)
            VALUES (:chain, :day, :first, :last, :entries, :hash, :key, :signature)
        """)
        self._reached = text(f"SELECT created_at, key FROM {table}_reached")
        self._last_roots = text(f"""
            SELECT DISTINCT ON (chain) * FROM {table}_roots
            WHERE CAST(:chain AS text) IS NULL OR chain = :chain ORDER BY chain, day DESC
        """)
        self._roots = text(f"""
            SELECT * FROM {table}_roots WHERE chain = :chain AND day >= :since AND day <= :until ORDER BY day
        """)
        self._blocks = text(f"""
            SELECT chain, number, day, previous, entries, four_eyes, key, signature FROM {table}
            WHERE chain = :chain AND number > :after AND day >= :since AND day <= :until ORDER BY number LIMIT :limit
        """)
        self._last_blocks = text(f"""
            SELECT DISTINCT ON (chain) chain, number, day FROM {table} ORDER BY chain, number DESC
        """)
        self._heads_of_day = text(f"""
            SELECT number, chained_at, cardinality(entries) AS entries, four_eyes, hash FROM {table}
            WHERE chain = :chain AND day = :day AND number >= :first ORDER BY number LIMIT :limit
        """)
        self._size_of_day = text(f"""
            SELECT count(*) AS blocks, coalesce(sum(cardinality(entries)), 0) AS entries,
                count(*) FILTER (WHERE NOT four_eyes) AS one_person
            FROM {table} WHERE chain = :chain AND day = :day
        """)
        self._entries = text(f"""
            SELECT entries[CAST(:first AS int) : CAST(:last AS int)] FROM {table}
            WHERE chain = :chain AND number = :number
        """)

    async def reached(self, connection: AsyncConnection) -> Row[Any]:
        """The moment up to which the journal is complete, ``created_at``, and the public ``key``; both may be None."""
        return (await connection.execute(self._reached)).one()

    async def last_roots(self, connection: AsyncConnection, chain: str | None = None) -> Sequence[Row[Any]]:
        """The root of the last day that is over, of each chain or of one."""
        return (await connection.execute(self._last_roots, {"chain": chain})).all()

    async def roots(self, connection: AsyncConnection, chain: str, since: date, until: date) -> Sequence[Row[Any]]:
        """The roots of these days of a chain, in order."""
        days = {"chain": chain, "since": since, "until": until}
        return (await connection.execute(self._roots, days)).all()

    async def blocks(
        self, connection: AsyncConnection, chain: str, since: date, until: date, after: int, limit: int
    ) -> Sequence[Row[Any]]:
        """At most so many blocks of these days of a chain, with the numbers after this one, in order."""
        wanted = {"chain": chain, "since": since, "until": until, "after": after, "limit": limit}
        return (await connection.execute(self._blocks, wanted)).all()

    async def last_blocks(self, connection: AsyncConnection) -> Sequence[Row[Any]]:
        """Number and day of the last block of each chain."""
        return (await connection.execute(self._last_blocks)).all()

    async def heads_of_day(
        self, connection: AsyncConnection, chain: str, day: date, first: int, limit: int
    ) -> Sequence[Row[Any]]:
        """The blocks of a day from this number on, with the number of their entries in place of these."""
        wanted = {"chain": chain, "day": day, "first": first, "limit": limit}
        return (await connection.execute(self._heads_of_day, wanted)).all()

    async def size_of_day(self, connection: AsyncConnection, chain: str, day: date) -> Row[Any]:
        """How many ``blocks`` and ``entries`` a day has, and in how many blocks ``one_person`` was enough."""
        return (await connection.execute(self._size_of_day, {"chain": chain, "day": day})).one()

    async def entries(self, connection: AsyncConnection, chain: str, number: int, first: int, last: int) -> list[Any]:
        """The entries of a block from the ``first`` to the ``last`` one, which count from 1."""
        wanted = {"chain": chain, "number": number, "first": first, "last": last}
        return list(await connection.scalar(self._entries, wanted) or ())

    async def lock_reached(self, connection: AsyncConnection) -> Row[Any] | None:
        """Lock the row whose ``created_at`` the journal has reached; None if another process has locked it."""
        return (await connection.execute(self._lock_reached)).one_or_none()

    async def set_reached(self, connection: AsyncConnection, created_at: datetime, key: bytes) -> None:
        """Record how far the journal has come, and the public key that signs it."""
        await connection.execute(self._set_reached, {"created_at": created_at, "key": key})

    async def heads(self, connection: AsyncConnection, chains: Sequence[str]) -> dict[str, tuple[int, bytes]]:
        """Number and hash of the last block of each of these chains."""
        rows = await connection.execute(self._heads, {"chains": chains})
        return {row.chain: (row.number, row.hash) for row in rows}

    async def add_blocks(self, connection: AsyncConnection, blocks: Sequence[Mapping[str, Any]]) -> None:
        """Append blocks to the chains."""
        if blocks:
            await connection.execute(self._add_blocks, list(blocks))

    async def day_ends(self, connection: AsyncConnection, day: date) -> Sequence[Row[Any]]:
        """The end of a day in each chain that has had blocks by then: the day's blocks and entries, and the last hash.

        A chain without blocks on that day is known by its root of the day before.
        """
        days = {"day": day, "day_before": day - timedelta(days=1)}
        return (await connection.execute(self._day_ends, days)).all()

    async def add_roots(self, connection: AsyncConnection, roots: Sequence[Mapping[str, Any]]) -> None:
        """Store signed roots."""
        if roots:
            await connection.execute(self._add_roots, list(roots))


_MOMENT_BEFORE = text("SELECT clock_timestamp() - CAST(:age AS interval)")


async def moment_before(connection: AsyncConnection, age: timedelta) -> datetime:
    """The moment that lies ``age`` before now, by the database's clock."""
    found: datetime = (await connection.execute(_MOMENT_BEFORE, {"age": age})).scalar_one()
    return found


JOURNAL = ChainTables("journal")
"""The journal of a service's decisions."""
