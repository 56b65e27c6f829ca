"""A statement that reads a table once and boils it down to one number a bucket, and the facts that two tables share."""

from dataclasses import dataclass
from enum import StrEnum


class Fact(StrEnum):
    """What two tables must agree on."""

    KNOWN_TO_ROUTING = "known_to_routing"
    KNOWN_TO_MONITOR = "known_to_monitor"
    ACCEPTED = "accepted"
    """Intake's states and its ledger: the case was accepted."""
    DECIDED = "decided"
    """Intake and routing: when and how."""
    DECISION_SAID = "decision_said"
    """Routing's states and its ledger."""
    SHOWN = "shown"
    """Intake's steps and those of the decision that routing said."""
    REQUESTED = "requested"
    """Routing's states and its ledger: this task, of this system, at this moment."""
    HANDED = "handed"
    """Routing and the departments' services: this task."""
    ANSWERED = "answered"
    """Routing and the departments' services: when, how, and with which document."""
    TOLD = "told"
    """A department's service and its ledger: this task has this number."""
    IN_THE_BOOKS = "in_the_books"
    """The departments' services and their books: this task has this number."""
    OUTCOME_IN_THE_BOOKS = "outcome_in_the_books"
    CLOSED = "closed"
    """Routing and monitor: when the case ended."""
    OPENED = "opened"
    """Monitor's states and its ledger: since when the case's commitment runs."""
    LISTED = "listed"
    """Monitor's states and its list: this rung of this commitment has fired, and is withdrawn or is not."""
    ALERT_SAID = "alert_said"
    """Monitor's states and its ledger: this rung of this commitment has fired."""


@dataclass(frozen=True, slots=True)
class Checksum:
    """One statement over one database.

    ``rows`` yields the column ``b`` (the bucket), one column a fact (its hash, or NULL), ``flag`` (something is wrong
    with this row alone, whatever others say) and the columns of ``counts`` and ``unique``.
    """

    rows: str
    facts: tuple[Fact, ...]
    counts: tuple[str, ...] = ()
    """Columns that are summed up: how many of each kind were examined."""
    unique: tuple[str, ...] = ()
    """Columns with hashes of which none may occur twice."""
    summed: tuple[Fact, ...] = ()
    """Facts of which a row may have several: ``rows`` yields their sums itself, as ``<fact>_x`` and ``<fact>_n``."""
    second: tuple[Fact, ...] = ()
    """Those of the facts of which this is the second side."""

    @property
    def all(self) -> tuple[Fact, ...]:
        """All facts it has a side of."""
        return (*self.facts, *self.summed)

    @property
    def statement(self) -> str:
        """The statement: one row, of strings that have an element a bucket, in the order of the buckets."""
        sums = [f"bit_xor({fact}) AS {fact}_x, count({fact})::int AS {fact}_n" for fact in self.facts]
        sums += [f"bit_xor({fact}_x) AS {fact}_x, sum({fact}_n)::int AS {fact}_n" for fact in self.summed]
        totals = [f"sum({name})::bigint AS {name}" for name in self.counts]
        both = ", ".join((*sums, "bool_or(flag)::int AS flag", *totals))
        lanes = [f"{_lanes(f'{fact}_x', 8)}, {_lanes(f'{fact}_n', 4)}" for fact in self.all]
        out = ", ".join((*lanes, _lanes("flag", 4), *(f"sum({name})::bigint AS {name}" for name in self.counts)))
        twice = "".join(
            f", (SELECT array_agg(h) FROM (SELECT {name} AS h FROM read WHERE {name} IS NOT NULL"
            f" GROUP BY 1 HAVING count(*) > 1 LIMIT {MOST_TWICE}) AS d) AS {name}"
            for name in self.unique
        )
        materialized = "MATERIALIZED" if self.unique else "NOT MATERIALIZED"
        return (
            f"WITH read AS {materialized} ({self.rows}), summed AS (SELECT b, {both} FROM read GROUP BY b)"
            f" SELECT {out}{twice} FROM (SELECT * FROM generate_series(0, $1::int) AS b LEFT JOIN summed USING (b)"
            f" ORDER BY b) AS buckets, {_PARAMETERS}"
        )


def _lanes(column: str, width: int) -> str:
    """A column as one string of bytes, so many an element: Python can add up and compare such strings as a whole."""
    return f"string_agg(int{width}send(coalesce({column}, 0)), ''::bytea) AS {column}"


MOST_TWICE = 1000
"""Most numbers given twice that are followed up."""

_PARAMETERS = "(SELECT $1::bigint, $2::text, $3::timestamptz, $4::text, $5::timestamptz) AS parameters"
"""PostgreSQL wants to know the type of each, also where a statement does not use it."""

BUCKET_OF_TASK = "(hashtextextended(split_part(task_id, '/', 1), 0) & $1)::int AS b"
BUCKET = "(hashtextextended(case_id, 0) & $1)::int AS b"


def hashed(*parts: str) -> str:
    """The hash of these texts in this order, as SQL."""
    return f"hashtextextended({' || chr(31) || '.join(parts)}, 1)"


def after(column: str, mark: str) -> str:
    """The text after the first occurrence of the mark, up to the next quotation mark; empty if there is none."""
    return f"split_part(split_part({column}, '{mark}', 2), '\"', 1)"
