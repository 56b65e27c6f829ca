"""The monthly bulletin (办件通报): regions ranked among their peers, the worst five departments, and the most improved.

It is made of the rows of two boards, and computes no figure of its own. Pure.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from services.monitor.core.board.board import Row
from services.monitor.core.board.ranks import BEST_IS_MOST, Pool, Rank, ranks

RANKED_BY = "closed_per_month"
"""The figure by which bulletins rank regions, as centres publish them."""

JUDGED_BY = "on_time_rate"
"""The figure by which departments are the worst, and improve."""

NAMED = 5
"""So many departments are named as the worst, and as the most improved."""

ALL_ON_TIME = 100.0


class Standing(NamedTuple):
    """A region in the ranking of its pool. ``before``: its rank in the period before; None without one."""

    row: Row
    rank: Rank | None
    before: Rank | None

    @property
    def climbed(self) -> int | None:
        """How many ranks it has climbed since the period before, negative if it has fallen; None without both."""
        if self.rank is None or self.before is None:
            return None
        return self.before.rank - self.rank.rank


class Ranking(NamedTuple):
    """The regions of one pool, the first one first, and those without a rank last."""

    pool: Pool
    standings: tuple[Standing, ...]


class Bulletin(NamedTuple):
    """The content of a bulletin. ``total``: all work together."""

    total: Row
    rankings: tuple[Ranking, ...]
    worst: tuple[Row, ...]
    improved: tuple[Row, ...]


def bulletin(total: Row, regions: Sequence[Row], peers: Sequence[Row], departments: Sequence[Row]) -> Bulletin:
    """The bulletin of these rows.

    ``peers``: the rows of all regions, among which ranks are, also those that the reader does not see.
    """
    before = _ranks_before(peers)
    rankings = []
    for pool in Pool:
        found = [
            Standing(
                row, ranked.pool if (ranked := row.ranks.get(RANKED_BY)) is not None else None, before.get(row.name)
            )
            for row in regions
            if row.pool is pool
        ]
        if found:
            rankings.append(Ranking(pool, tuple(sorted(found, key=_first_first))))
    return Bulletin(total, tuple(rankings), _worst(departments), _improved(departments))


def _ranks_before(peers: Sequence[Row]) -> Mapping[str, Rank]:
    """The rank of each region within its pool in the period before; none where rows have no ranks."""
    found: dict[str, Rank] = {}
    for pool in {row.pool for row in peers}:
        values = {row.name: row.before[RANKED_BY] for row in peers if row.pool is pool and row.ranks}
        found |= ranks(values, best_is_most=BEST_IS_MOST[RANKED_BY])
    return found


def _worst(departments: Sequence[Row]) -> tuple[Row, ...]:
    """The departments with the lowest on-time rates; none that closed everything on time."""
    late = [row for row in departments if row.figures[JUDGED_BY] not in (None, ALL_ON_TIME)]
    return tuple(
        sorted(late, key=lambda row: (row.figures[JUDGED_BY] or 0, -(row.figures["late"] or 0), row.name))[:NAMED]
    )


def _improved(departments: Sequence[Row]) -> tuple[Row, ...]:
    """The departments whose on-time rates have risen most since the period before."""
    better = [row for row in departments if (row.change[JUDGED_BY] or 0) > 0]
    return tuple(sorted(better, key=lambda row: (-(row.change[JUDGED_BY] or 0), row.name))[:NAMED])


def _first_first(standing: Standing) -> tuple[bool, int, str]:
    rank = standing.rank
    return rank is None, rank.rank if rank is not None else 0, standing.row.name
