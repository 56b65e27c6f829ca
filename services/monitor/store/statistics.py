"""Counts commitments that were answered on time or late, from the states of the stored cases."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Literal, NamedTuple

from pydantic import Field
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.messages.alerts import Rung
from contracts.values import Model
from contracts.working_time import Calendar, CountingRules, OfficeHours, working_days_between

Kind = Literal["case", "step"]


class Statistics(Model):
    """The results of a set of commitments. Withdrawn alerts do not count."""

    accepted: int = Field(0, description="Commitments opened.")
    decided: int = Field(0, description="Of these, answered.")
    on_time: int = Field(0, description="Answered not later than the committed limit.")
    late: int = Field(0, description="Answered later than that.")
    warned: int = 0
    yellow: int = 0
    red: int = 0
    oversight: int = 0
    mean_working_days: float | None = Field(None, description="From opening to answer; null while none is answered.")


class StatisticsRow(Statistics):
    """The results of one department and matter.

    Rows of kind ``case`` count whole cases by their lead department, rows of kind ``step`` the steps with limits by
    their department.
    """

    kind: Kind
    owner: str
    matter: str


class AllStatistics(Model):
    """``total`` counts whole cases."""

    total: Statistics
    rows: list[StatisticsRow]


class Tally(NamedTuple):
    """Commitments with the same kind, owner, matter and days. The days are proleptic ordinals of the office's zone."""

    kind: Kind
    owner: str
    matter: str
    opened_on: int
    ended_on: int | None
    accepted: int
    late: int
    warned: int
    yellow: int
    red: int
    oversight: int


# Grouped by day, because the calendar counts working days and not SQL: there are as many rows as pairs of days, not as
# many as cases. A decided case ends its steps (`state.MonitoredCase.ended_at`).
_TALLIES = text("""
    WITH commitment AS (
        SELECT s.state ->> 'matter' AS matter, w.tracked, CAST(w.tracked ->> 'opened_at' AS timestamptz) AS opened_at,
            LEAST(
                CAST(w.tracked ->> 'ended_at' AS timestamptz),
                CAST(jsonb_path_query_first(s.state, '$.commitments[*] ? (@.key == "case").ended_at') #>> '{}'
                    AS timestamptz)
            ) AS ended_at
        FROM (SELECT CAST(state AS jsonb) AS state FROM cases) s
        CROSS JOIN LATERAL jsonb_array_elements(s.state -> 'commitments') w (tracked)
        WHERE w.tracked -> 'due' IS NOT NULL
            AND (w.tracked ->> 'key' = 'case' OR starts_with(w.tracked ->> 'key', 'step/'))
    )
    SELECT CASE tracked ->> 'key' WHEN 'case' THEN 'case' ELSE 'step' END AS kind,
        tracked ->> 'owner' AS owner,
        matter,
        CAST(opened_at AT TIME ZONE :zone AS date) - DATE '0001-01-01' + 1 AS opened_on,
        CAST(ended_at AT TIME ZONE :zone AS date) - DATE '0001-01-01' + 1 AS ended_on,
        count(*) AS accepted,
        count(*) FILTER (WHERE ended_at > CAST(
            coalesce(tracked -> 'due' ->> 'committed', tracked -> 'due' ->> 'yellow') AS timestamptz)) AS late,
        count(*) FILTER (WHERE tracked @@ CAST(:warning AS jsonpath)) AS warned,
        count(*) FILTER (WHERE tracked @@ CAST(:yellow AS jsonpath)) AS yellow,
        count(*) FILTER (WHERE tracked @@ CAST(:red AS jsonpath)) AS red,
        count(*) FILTER (WHERE tracked @@ CAST(:oversight AS jsonpath)) AS oversight
    FROM commitment
    GROUP BY 1, 2, 3, 4, 5
""")

_STANDING = 'exists($.raised[*] ? (@.rung == "{}" && !exists(@.withdrawn)))'


async def statistics(connection: AsyncConnection, rules: CountingRules) -> AllStatistics:
    """The results of all stored cases: the open ones, and the closed ones within the retention time.

    ``rules`` count the days of all regions.
    """
    hours = rules.hours
    standing = {rung.value: _STANDING.format(rung) for rung in Rung}
    rows = await connection.execute(_TALLIES, {"zone": hours.zone, **standing})
    return tabulate([Tally(*row) for row in rows], rules.calendar, hours)


def tabulate(tallies: Iterable[Tally], calendar: Calendar, hours: OfficeHours) -> AllStatistics:
    """Sum the tallies: one row for each kind, owner and matter, sorted, and the total of whole cases."""
    groups: dict[tuple[Kind, str, str], list[Tally]] = defaultdict(list)
    cases = []
    for tally in tallies:
        groups[tally.kind, tally.owner, tally.matter].append(tally)
        if tally.kind == "case":
            cases.append(tally)
    rows = [
        StatisticsRow(kind=kind, owner=owner, matter=matter, **_sum(group, calendar, hours).model_dump())
        for (kind, owner, matter), group in sorted(groups.items())
    ]
    return AllStatistics(total=_sum(cases, calendar, hours), rows=rows)


def _sum(tallies: Iterable[Tally], calendar: Calendar, hours: OfficeHours) -> Statistics:
    total = Statistics()
    days = 0
    for tally in tallies:
        total.accepted += tally.accepted
        total.warned += tally.warned
        total.yellow += tally.yellow
        total.red += tally.red
        total.oversight += tally.oversight
        if tally.ended_on is not None:
            opened_on, ended_on = hours.opening(tally.opened_on), hours.opening(tally.ended_on)
            days += tally.accepted * working_days_between(opened_on, ended_on, calendar, hours)
            total.decided += tally.accepted
            total.late += tally.late
            total.on_time += tally.accepted - tally.late
    if total.decided:
        total.mean_working_days = round(days / total.decided, 2)
    return total
