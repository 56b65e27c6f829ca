"""The rows of the board: the figures of each department, region or item, their changes and their ranks. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

from services.monitor.core.board.figures import CATALOGUE, FIGURES, PRESENT, Counts, change, figures_of
from services.monitor.core.board.periods import LINE, Period
from services.monitor.core.board.ranks import BEST_IS_MOST, Pool, Rank, ranks

NOTHING = Counts()

_PRESENT = attrgetter(*PRESENT)

IN_LINE = ("closed", "on_time_rate", "same_day_rate")
"""The figures of the line of the last periods."""


@dataclass(frozen=True, slots=True)
class Present:
    """What stands now. ``overdue``: the last day of the limit is over; ``due_today``: it is today. Neither counts what
    is suspended."""

    open: int = 0
    due_today: int = 0
    overdue: int = 0


@dataclass(frozen=True, slots=True)
class Group:
    """What is counted of one department, region or item: in the period, in the one before, in those of the line."""

    period: Counts = NOTHING
    before: Counts = NOTHING
    line: tuple[Counts, ...] = (NOTHING,) * LINE
    present: Present = Present()


@dataclass(frozen=True, slots=True)
class Ranked:
    """The ranks of one figure: among the peers of the same pool, if there are pools, and among all."""

    pool: Rank | None
    overall: Rank


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the board. Each mapping is by the name of the figure; the figures of the present have no change."""

    name: str
    pool: Pool | None
    figures: Mapping[str, float | None]
    before: Mapping[str, float | None]
    change: Mapping[str, float | None]
    ranks: Mapping[str, Ranked]
    line: tuple[Mapping[str, float | None], ...]


def rows(
    groups: Mapping[str, Group], period: Period, pools: Mapping[str, Pool], *, are_ranked: bool = True
) -> list[Row]:
    """The row of each group: those that keep the fewest deadlines first, and those without any answer last.

    ``pools``: the pool of each name; empty where there are no pools. ``are_ranked``: whether these are all groups there
    are; some of them have no rank.
    """
    figures = {name: figures_of(group.period, period.months) for name, group in groups.items()}
    ranked = {figure: _ranked(figure, figures, pools) for figure in BEST_IS_MOST if are_ranked}
    found = [
        _row(
            name,
            group,
            figures[name],
            figures_of(group.before, period.months),
            pools.get(name),
            {figure: of[name] for figure, of in ranked.items() if name in of},
        )
        for name, group in groups.items()
    ]
    return sorted(found, key=_worst_first)


def total(groups: Sequence[Group], period: Period) -> Row:
    """The row of all these groups together."""
    if not groups:
        whole = Group()
    else:
        whole = Group(
            Counts.total(group.period for group in groups),
            Counts.total(group.before for group in groups),
            tuple(map(Counts.total, zip(*(group.line for group in groups), strict=True))),
            Present(*map(sum, zip(*map(_PRESENT, (group.present for group in groups)), strict=True))),
        )
    return _row("", whole, figures_of(whole.period, period.months), figures_of(whole.before, period.months), None, {})


def _row(
    name: str,
    group: Group,
    now: dict[str, float | None],
    before: dict[str, float | None],
    pool: Pool | None,
    ranked: Mapping[str, Ranked],
) -> Row:
    present: dict[str, float | None] = dict(zip(PRESENT, _PRESENT(group.present), strict=True))
    line = tuple({figure: FIGURES[figure](counts) for figure in IN_LINE} for counts in group.line)
    changes = {figure: change(value, before[figure]) for figure, value in now.items()}
    return Row(name, pool, now | present | dict.fromkeys(CATALOGUE), before, changes, ranked, line)


def _ranked(
    figure: str, figures: Mapping[str, Mapping[str, float | None]], pools: Mapping[str, Pool]
) -> dict[str, Ranked]:
    best_is_most = BEST_IS_MOST[figure]
    values = {name: of[figure] for name, of in figures.items()}
    overall = ranks(values, best_is_most=best_is_most)
    within: dict[str, Rank] = {}
    for pool in set(pools.values()):
        peers = {name: value for name, value in values.items() if pools.get(name) is pool}
        within |= ranks(peers, best_is_most=best_is_most)
    return {name: Ranked(within.get(name), rank) for name, rank in overall.items()}


def _worst_first(row: Row) -> tuple[bool, float, float, str]:
    on_time = row.figures["on_time_rate"]
    return on_time is None, on_time or 0.0, -(row.figures["overdue"] or 0), row.name
