"""Counts of commitments kept and broken, from the states of the cases that monitor remembers."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Literal, NamedTuple

from pydantic import BaseModel, Field
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.messages.alerts import Rung
from contracts.working_time import Calendar, CountingRules, OfficeHours, working_days_between

Kind = Literal["case", "step"]


class Figures(BaseModel):
    """How a set of commitments went. A withdrawn alert counts as none."""

    accepted: int = Field(0, description="Commitments opened.")
    decided: int = Field(0, description="Of these, answered.")
    on_time: int = Field(0, description="Answered not later than the committed limit.")
    late: int = Field(0, description="Answered later than that.")
    warned: int = 0
    yellow: int = 0
    red: int = 0
    further: int = 0
    mean_working_days: float | None = Field(None, description="From opening to answer; null while none is answered.")


class FiguresRow(Figures):
    """The figures of one department and matter.

    Of kind ``case`` are whole cases, by their lead department; of kind ``step`` the steps with a limit of their
    own, by the department that was asked.
    """

    kind: Kind
    owner: str
    matter: str


class AllFigures(BaseModel):
    """``total`` is of whole cases."""

    total: Figures
    rows: list[FiguresRow]


class Tally(NamedTuple):
    """Commitments alike in kind, owner, matter and both days; the days are proleptic ordinals, local to the office."""

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
    further: int


# Grouped by day, because working days are counted by the calendar and not by SQL: the rows that come back are as
# many as there are pairs of days, not cases. No step is owed after its case has ended (see `state.ended_at`).
_TALLIES = text("""
    WITH commitment AS (
        SELECT s.state ->> 'matter' AS matter, w.watch, CAST(w.watch ->> 'opened_at' AS timestamptz) AS opened_at,
            LEAST(
                CAST(w.watch ->> 'ended_at' AS timestamptz),
                CAST(jsonb_path_query_first(s.state, '$.commitments[*] ? (@.key == "case").ended_at') #>> '{}'
                    AS timestamptz)
            ) AS ended_at
        FROM (SELECT CAST(state AS jsonb) AS state FROM cases) s
        CROSS JOIN LATERAL jsonb_array_elements(s.state -> 'commitments') w (watch)
        WHERE w.watch -> 'due' IS NOT NULL
            AND (w.watch ->> 'key' = 'case' OR starts_with(w.watch ->> 'key', 'step/'))
    )
    SELECT CASE watch ->> 'key' WHEN 'case' THEN 'case' ELSE 'step' END AS kind,
        watch ->> 'owner' AS owner,
        matter,
        CAST(opened_at AT TIME ZONE :zone AS date) AS opened_on,
        CAST(ended_at AT TIME ZONE :zone AS date) AS ended_on,
        count(*) AS accepted,
        count(*) FILTER (WHERE ended_at > CAST(
            coalesce(watch -> 'due' ->> 'committed', watch -> 'due' ->> 'yellow') AS timestamptz)) AS late,
        count(*) FILTER (WHERE watch @@ CAST(:warning AS jsonpath)) AS warned,
        count(*) FILTER (WHERE watch @@ CAST(:yellow AS jsonpath)) AS yellow,
        count(*) FILTER (WHERE watch @@ CAST(:red AS jsonpath)) AS red,
        count(*) FILTER (WHERE watch @@ CAST(:further AS jsonpath)) AS further
    FROM commitment
    GROUP BY 1, 2, 3, 4, 5
""")

_STANDING = 'exists($.raised[*] ? (@.rung == "{}" && !exists(@.withdrawn)))'


async def figures(connection: AsyncConnection, terms: CountingRules) -> AllFigures:
    """The figures of all cases remembered: the running ones, and the closed ones within the retention time.

    Days are counted by ``terms``, the same for all regions.
    """
    hours = terms.hours
    standing = {rung.value: _STANDING.format(rung) for rung in Rung}
    rows = await connection.execute(_TALLIES, {"zone": hours.zone, **standing})
    tallies = [
        Tally(
            row.kind,
            row.owner,
            row.matter,
            row.opened_on.toordinal(),
            row.ended_on.toordinal() if row.ended_on else None,
            row.accepted,
            row.late,
            row.warned,
            row.yellow,
            row.red,
            row.further,
        )
        for row in rows
    ]
    return tabulate(tallies, terms.calendar, hours)


def tabulate(tallies: Iterable[Tally], calendar: Calendar, hours: OfficeHours) -> AllFigures:
    """Add the tallies up: one row for each kind, owner and matter, sorted, and the total of whole cases."""
    groups: dict[tuple[Kind, str, str], list[Tally]] = defaultdict(list)
    cases = []
    for tally in tallies:
        groups[tally.kind, tally.owner, tally.matter].append(tally)
        if tally.kind == "case":
            cases.append(tally)
    rows = [
        FiguresRow(kind=kind, owner=owner, matter=matter, **_sum(group, calendar, hours).model_dump())
        for (kind, owner, matter), group in sorted(groups.items())
    ]
    return AllFigures(total=_sum(cases, calendar, hours), rows=rows)


def _sum(tallies: Iterable[Tally], calendar: Calendar, hours: OfficeHours) -> Figures:
    total = Figures()
    days = 0
    for tally in tallies:
        total.accepted += tally.accepted
        total.warned += tally.warned
        total.yellow += tally.yellow
        total.red += tally.red
        total.further += tally.further
        if tally.ended_on is not None:
            opened_on, ended_on = hours.opening(tally.opened_on), hours.opening(tally.ended_on)
            days += tally.accepted * working_days_between(opened_on, ended_on, calendar, hours)
            total.decided += tally.accepted
            total.late += tally.late
            total.on_time += tally.accepted - tally.late
    if total.decided:
        total.mean_working_days = round(days / total.decided, 2)
    return total
