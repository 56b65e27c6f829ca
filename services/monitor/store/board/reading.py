"""Reads the counts of periods from the table ``figures``: as many rows as there are days, months and groups, however
many cases they count."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.rights.scope import EVERYWHERE, Area, Scope
from services.monitor.core.board import periods
from services.monitor.core.board.board import NOTHING, Group, Present
from services.monitor.core.board.figures import COUNTED, Counts
from services.monitor.core.board.periods import Days, Period
from services.monitor.store.board.counting import ITEM, LEVELS, MONTH, OWNER, REGION
from services.monitor.store.lists.filters import COLUMN, GroupBy
from services.runtime.store.scopes import Columns, within

_FLAG = {"owner": OWNER, "region": REGION, "item": ITEM}

_CONDITIONS = {
    "owner": "owner = :owner",
    "region": "region >= :region AND region < :region_end",
    "item": "matter = :item",
}

_WHOLE: Mapping[GroupBy, dict[str, Any]] = {
    GroupBy.OWNER: {"department": None},
    GroupBy.REGION: {"region": None},
    GroupBy.ITEM: {"items": ()},
}

_AFTER_DIGITS = ":"
"""The character that follows the digits."""

_BY_LENGTH = sorted(LEVELS, key=int.bit_count)

_REGIONS = text("SELECT DISTINCT region FROM figures WHERE level = :level AND kind = :kind")

_READ = """
    SELECT {column} AS name, part, {sums}
    FROM unnest(CAST(:parts AS integer[]), CAST(:levels AS smallint[]), CAST(:firsts AS date[]),
        CAST(:lasts AS date[])) AS wanted (part, wanted_level, first, last)
    JOIN figures ON level = wanted_level AND kind = :kind AND day BETWEEN first AND last AND {conditions}
    GROUP BY 1, 2
"""


class Selection(NamedTuple):
    """The commitments that are counted, and what the rows are: of each filter None if all count."""

    by: GroupBy
    kind: str
    owner: str | None = None
    region: str | None = None
    item: str | None = None
    scope: Scope = (EVERYWHERE,)
    """The part of the work that the reader may see."""

    @property
    def counted(self) -> Scope:
        """The part of the work that is counted in each row. That of the rows themselves is not taken from the scope
        where all areas agree in the rest: a rank is among all of them."""
        rest = self._rest
        return tuple(rest) if len(rest) == 1 else self.scope

    @property
    def is_ranked(self) -> bool:
        """Whether all rows there are have been read."""
        return len(self._rest) == 1

    @property
    def _rest(self) -> set[Area]:
        """The areas of the scope but for what the rows are."""
        return {area._replace(**_WHOLE[self.by]) for area in self.scope}

    @property
    def filters(self) -> dict[str, str]:
        """The filters that are read. That of the rows themselves is not: a rank is among all of them."""
        given = {"owner": self.owner, "region": self.region, "item": self.item}
        return {name: value for name, value in given.items() if value is not None and name != self.by}

    def shows(self, name: str) -> bool:
        """Whether the row with this name is asked for."""
        match self.by:
            case GroupBy.OWNER:
                seen = any(area.department in (None, name) for area in self.scope)
                return seen and (self.owner is None or name == self.owner)
            case GroupBy.REGION:
                seen = any(name.startswith(area.region or "") for area in self.scope)
                return seen and (self.region is None or name.startswith(self.region))
            case GroupBy.ITEM:
                seen = any(not area.items or name in area.items for area in self.scope)
                return seen and (self.item is None or name == self.item)


class _Part(NamedTuple):
    """Days or months that are added to a sum."""

    sum: int
    level: int
    first: date
    last: date


async def groups(connection: AsyncConnection, selection: Selection, period: Period, today: date) -> dict[str, Group]:
    """What is counted of each group that has ever counted anything: shown or not, since ranks need all."""
    filters = await _useful(connection, selection)
    level = _level(selection, filters)
    counted = await _read(connection, selection, filters, _parts(level, [period.span, periods.before(period).span]))
    line_periods = periods.line(period)
    line = await _read(
        connection,
        selection,
        filters,
        _parts(level, [one.span for one in line_periods]),
        ("closed", "on_time", "same_day"),
    )
    present = await _read(connection, selection, filters, _present(level, today), ("received", "closed", "due_open"))
    found = {}
    for name, sums in present.items():
        ever, due_before, due_today = (sums.get(number, NOTHING) for number in range(3))
        if ever == NOTHING:
            continue  # nothing is left of what it had counted
        now, lines = counted.get(name, {}), line.get(name, {})
        found[name] = Group(
            now.get(0, NOTHING),
            now.get(1, NOTHING),
            tuple(lines.get(number, NOTHING) for number in range(len(line_periods))),
            Present(ever.received - ever.closed, due_today.due_open, due_before.due_open),
        )
    return found


async def _useful(connection: AsyncConnection, selection: Selection) -> dict[str, str]:
    """The filters without that of a region in which everything lies: so a province is read like the whole."""
    filters = selection.filters
    if (region := filters.get("region")) is not None:
        known = await connection.scalars(_REGIONS, {"level": REGION | MONTH, "kind": selection.kind})
        if all(one.startswith(region) for one in known):
            del filters["region"]
    return filters


def _level(selection: Selection, filters: Iterable[str]) -> int:
    """The level with the fewest rows that tells apart what is asked for."""
    needed = _FLAG[selection.by]
    for name in filters:
        needed |= _FLAG[name]
    for area in selection.counted:
        needed |= OWNER * (area.department is not None) | REGION * (area.region is not None) | ITEM * bool(area.items)
    return next(level for level in _BY_LENGTH if level & needed == needed)


def _parts(level: int, spans: Sequence[Days]) -> list[_Part]:
    found = []
    for number, span in enumerate(spans):
        months, days = periods.parts(span)
        if months is not None:
            found.append(_Part(number, level | MONTH, *months))
        found += [_Part(number, level, *one) for one in days]
    return found


def _present(level: int, today: date) -> list[_Part]:
    """Everything ever counted (0), what is due before today (1), and what is due today (2)."""
    month, yesterday = today.replace(day=1), today - timedelta(days=1)
    return [
        _Part(0, level | MONTH, date.min, date.max),
        _Part(1, level | MONTH, date.min, month - timedelta(days=1)),
        _Part(1, level, month, yesterday),
        _Part(2, level, today, today),
    ]


async def _read(
    connection: AsyncConnection,
    selection: Selection,
    filters: Mapping[str, str],
    parts: Sequence[_Part],
    columns: Sequence[str] = COUNTED,
) -> dict[str, dict[int, Counts]]:
    """The sums by the name of a row and the number of the sum."""
    inside, scope = within(selection.counted, Columns(in_order=True))
    query = _READ.format(
        column=COLUMN[selection.by],
        sums=", ".join(f"sum({name}) AS {name}" for name in columns),
        conditions=" AND ".join([*(_CONDITIONS[name] for name in filters), inside]),
    )
    parameters: dict[str, Any] = {
        **filters,
        **scope,
        "kind": selection.kind,
        "parts": [part.sum for part in parts],
        "levels": [part.level for part in parts],
        "firsts": [part.first for part in parts],
        "lasts": [part.last for part in parts],
    }
    if "region" in filters:
        parameters["region_end"] = filters["region"] + _AFTER_DIGITS
    found: dict[str, dict[int, Counts]] = {}
    for name, part, *sums in await connection.execute(text(query), parameters):
        found.setdefault(name, {})[part] = Counts(**dict(zip(columns, sums, strict=True)))
    return found
