"""A statement that reads a table once and reduces it to one checksum a bucket, and the facts that two tables share."""

from dataclasses import dataclass
from enum import StrEnum


class Fact(StrEnum):
    """A fact on which two tables must agree."""

    KNOWN_TO_ROUTING = "known_to_routing"
    KNOWN_TO_MONITOR = "known_to_monitor"
    ACCEPTED = "accepted"
    """Intake's states and its outbox: the case was accepted."""
    DECIDED = "decided"
    """Intake and routing: when and how."""
    DECISION_PUBLISHED = "decision_published"
    """Routing's states and its outbox: when and how."""
    SHOWN = "shown"
    """Intake's steps and those of the decision that routing published."""
    REQUESTED = "requested"
    """Routing's states and its outbox: this task, of this system, at this moment."""
    HANDED_OVER = "handed_over"
    """Routing and the departments' services: this task."""
    ANSWERED = "answered"
    """Routing and the departments' services: when, how, and with which document."""
    REPORTED = "reported"
    """The states and the outbox of a department's service: this task has this number."""
    IN_LEDGER = "in_ledger"
    """A department's service and the department's own ledger: this task has this number."""
    OUTCOME_IN_LEDGER = "outcome_in_ledger"
    CLOSED = "closed"
    """Routing and monitor: when the case ended."""
    OPENED = "opened"
    """Monitor's states and its outbox: since when the case's commitment runs."""
    BEGUN = "begun"
    """Routing and monitor: since when each step that has a limit runs."""
    LISTED = "listed"
    """Monitor's states and its list of alerts: this rung of this commitment fired, and whether it is withdrawn."""
    ALERT_PUBLISHED = "alert_published"
    """Monitor's states and its outbox: this rung of this commitment fired."""


@dataclass(frozen=True, slots=True)
class Checksum:
    """One statement over one database.

    ``rows`` yields the column ``b`` (the bucket), one column a fact (its hash, or NULL), ``flag`` (this row contradicts
    itself) and the columns of ``counts`` and ``unique``.
    """

    rows: str
    facts: tuple[Fact, ...]
    counts: tuple[str, ...] = ()
    """Columns that are summed: how many of each kind were examined."""
    unique: tuple[str, ...] = ()
    """Columns with hashes, none of which may occur twice."""
    summed: tuple[Fact, ...] = ()
    """Facts that a row may have several of: ``rows`` yields their sums itself, as ``<fact>_x`` and ``<fact>_n``."""
    second: tuple[Fact, ...] = ()
    """The facts for which this statement is the second side."""

    @property
    def all(self) -> tuple[Fact, ...]:
        """All facts that the statement sums."""
        return (*self.facts, *self.summed)

    @property
    def statement(self) -> str:
        """The SQL. It yields one row of byte strings that have one element a bucket, in the order of the buckets."""
        sums = [f"bit_xor({fact}) AS {fact}_x, count({fact})::int AS {fact}_n" for fact in self.facts]
        sums += [f"bit_xor({fact}_x) AS {fact}_x, sum({fact}_n)::int AS {fact}_n" for fact in self.summed]
        totals = [f"sum({name})::bigint AS {name}" for name in self.counts]
        both = ", ".join((*sums, "bool_or(flag)::int AS flag", *totals))
        lanes = [f"{_lanes(f'{fact}_x', 8)}, {_lanes(f'{fact}_n', 4)}" for fact in self.all]
        out = ", ".join((*lanes, _lanes("flag", 4), *(f"sum({name})::bigint AS {name}" for name in self.counts)))
        duplicates = "".join(
            f", (SELECT array_agg(h) FROM (SELECT {name} AS h FROM read WHERE {name} IS NOT NULL"
            f" GROUP BY 1 HAVING count(*) > 1 LIMIT {MAX_DUPLICATES}) AS d) AS {name}"
            for name in self.unique
        )
        materialized = "MATERIALIZED" if self.unique else "NOT MATERIALIZED"
        return (
            f"WITH read AS {materialized} ({self.rows}), summed AS (SELECT b, {both} FROM read GROUP BY b)"
            f" SELECT {out}{duplicates} FROM (SELECT * FROM generate_series(0, $1::int) AS b LEFT JOIN summed USING (b)"
            f" ORDER BY b) AS buckets, {_PARAMETERS}"
        )


def _lanes(column: str, width: int) -> str:
    """A column as one byte string of so many bytes an element. Python combines such strings as single numbers."""
    return f"string_agg(int{width}send(coalesce({column}, 0)), ''::bytea) AS {column}"


MAX_DUPLICATES = 1000
"""Number of duplicate hashes that a statement reports at most."""

_PARAMETERS = "(SELECT $1::bigint, $2::text, $3::timestamptz, $4::text, $5::timestamptz, $6::text) AS parameters"
"""PostgreSQL needs the type of each parameter, also of one that a statement does not use."""


def bucket(case_id: str) -> str:
    """The bucket of a case, as SQL. ``$1`` is the number of buckets less one."""
    return f"(hashtextextended({case_id}, 0) & $1)::int"


def hashed(*parts: str) -> str:
    """The hash of these texts in this order, as SQL."""
    return f"hashtextextended({' || chr(31) || '.join(parts)}, 1)"


def after(column: str, mark: str) -> str:
    """The text after the first occurrence of the mark, up to the next quotation mark; empty if there is none."""
    return f"split_part(split_part({column}, '{mark}', 2), '\"', 1)"
