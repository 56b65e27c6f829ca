"""The bulletin: ranking within pools and its changes, the worst five, the most improved, and the published ranks."""

from collections.abc import Mapping
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from services.monitor.core.board import board
from services.monitor.core.board.board import Group
from services.monitor.core.board.bulletin import NAMED, Bulletin, bulletin
from services.monitor.core.board.figures import Counts
from services.monitor.core.board.periods import Period, parse_period
from services.monitor.core.board.ranks import Pool, pool_of

APRIL = parse_period("2026-04")

FIRST_FIVE_MONTHS = Period(date(2009, 1, 1), date(2009, 5, 31), 5)

YULIN = {"450900": 2453, "450902": 78, "450903": 6, "450921": 723, "450922": 1276, "450923": 2583, "450924": 67} | {
    "450981": 6893
}
"""Cases closed a month in 2009, as published: the city, Yuzhou, Fumian, Rong, Luchuan, Bobai, Xingye and Beiliu."""

PEERS = (
    {f"45{20 + n}00": closed for n, closed in enumerate([2500] * 7 + [900] * 6)}
    | {f"453{n // 10}{n % 10 + 1:02}": closed for n, closed in enumerate([1000] * 14 + [40] * 8)}
    | {
        f"45{40 + n // 30}{21 + n % 30}": closed
        for n, closed in enumerate([3000] * 4 + [2000] * 13 + [1000] * 14 + [500] * 39)
    }
)
"""Made-up numbers of the other cities, districts and counties, so that the ranks are the published ones."""


def group(closed: int, on_time: int | None = None, before: tuple[int, int] = (0, 0)) -> Group:
    """The counts of a region or department. ``before``: closed and on time in the month before."""
    now = Counts(received=closed, closed=closed, on_time=closed if on_time is None else on_time)
    return Group(now, Counts(closed=before[0], on_time=before[1]))


def bulletin_of(
    regions: Mapping[str, Group], departments: Mapping[str, Group] | None = None, period: Period = APRIL
) -> Bulletin:
    rows = board.rows(regions, period, {name: pool_of(name, {}) for name in regions})
    of_departments = board.rows(departments or {}, period, {})
    return bulletin(board.total(list(regions.values()), period), rows, rows, of_departments)


def test_the_published_ranks_come_out() -> None:
    found = bulletin_of({name: group(5 * n) for name, n in (YULIN | PEERS).items()}, period=FIRST_FIVE_MONTHS)
    ranking = {one.pool: one.standings for one in found.rankings}
    assert {pool: len(standings) for pool, standings in ranking.items()} == {
        Pool.CITIES: 14,
        Pool.DISTRICTS: 24,
        Pool.COUNTIES: 75,
    }
    of = {one.row.name: one for standings in ranking.values() for one in standings}
    ranks = {name: one.rank.rank for name, one in of.items() if one.rank is not None and name in YULIN}
    assert {name: of[name].row.figures["closed_per_month"] for name in YULIN} == YULIN
    assert (ranks["450900"], ranks["450981"], ranks["450923"], ranks["450922"], ranks["450921"]) == (8, 1, 6, 20, 35)
    yuzhou = of["450902"].rank
    assert yuzhou is not None and yuzhou.from_last == 10
    assert ranking[Pool.COUNTIES][0].row.name == "450981"


def test_a_region_climbs_by_the_ranks_between_two_months() -> None:
    found = bulletin_of(
        {
            "450921": group(30, before=(10, 10)),
            "450922": group(20, before=(20, 20)),
            "450923": group(10, before=(30, 30)),
            "450924": group(5),  # it had nothing before, which is the last place
            "450902": group(7, before=(7, 7)),
        }
    )
    districts, counties = found.rankings
    assert [one.climbed for one in counties.standings] == [2, 0, -2, 0]
    assert [one.climbed for one in districts.standings] == [0]


def test_regions_whose_ranks_are_among_some_have_none() -> None:
    regions = {"450921": group(3), "450922": group(2, before=(9, 9))}
    rows = board.rows(regions, APRIL, {name: pool_of(name, {}) for name in regions}, are_ranked=False)
    (ranking,) = bulletin(board.total([], APRIL), rows, rows, []).rankings
    assert [(one.row.name, one.rank, one.before, one.climbed) for one in ranking.standings] == [
        ("450921", None, None, None),
        ("450922", None, None, None),
    ]


def test_a_reader_of_one_region_sees_its_rank_among_all() -> None:
    regions = {"450921": group(3), "450922": group(2), "450923": group(1)}
    rows = board.rows(regions, APRIL, {name: pool_of(name, {}) for name in regions})
    own = [row for row in rows if row.name == "450923"]
    (ranking,) = bulletin(board.total([], APRIL), own, rows, []).rankings
    (standing,) = ranking.standings
    assert standing.rank == (3, 1, 3)


counted = st.integers(0, 40).flatmap(lambda closed: st.tuples(st.just(closed), st.integers(0, closed)))


@given(st.dictionaries(st.text("abcdefgh", min_size=1, max_size=2), st.tuples(counted, counted)))
def test_the_worst_and_the_most_improved_are_those_of_the_board(
    of: dict[str, tuple[tuple[int, int], tuple[int, int]]],
) -> None:
    departments = {name: group(*now, before=before) for name, (now, before) in of.items()}
    found = bulletin_of({}, departments)
    rates = {name: now[1] / now[0] for name, (now, _) in of.items() if now[0]}
    late = sorted(rate for rate in rates.values() if rate < 1)
    assert [rates[row.name] for row in found.worst] == late[:NAMED]
    rows = {row.name: row for row in board.rows(departments, APRIL, {})}
    rises = sorted((row.change["on_time_rate"] or 0 for row in rows.values()), reverse=True)
    assert [row.change["on_time_rate"] for row in found.improved] == [one for one in rises if one > 0][:NAMED]
    assert all(rows[row.name] == row for row in (*found.worst, *found.improved)), "no figure is computed anew"
